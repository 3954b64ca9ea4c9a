"""Which image is seen, what belongs to it, and what comes back with it."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from patients import SHAPE, pixels_of, seen, visible_patients

from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.look import difference_layer
from napari_dmoe.viewer.session.session import Session, session_of

pytestmark = pytest.mark.gui


@pytest.fixture
def session(viewer: ViewerModel) -> Session:
    """Return a session with three images of one size, of which the last is shown."""
    session = session_of(viewer)
    for name in ("ann", "ben", "cle"):
        viewer.add_image(pixels_of(name), name=name)
    return session


def labels(
    session: Session, name: str, *, shape: tuple[int, ...] = SHAPE, **how: object
) -> Labels:
    assert session.viewer is not None
    return session.viewer.add_labels(np.ones(shape, np.uint8), name=name, **how)


def image(session: Session, name: str) -> Image:
    assert session.viewer is not None
    layer = session.viewer.layers[name]
    assert isinstance(layer, Image)
    return layer


def show(session: Session, name: str) -> list[str]:
    """Choose an image, and return what is seen then."""
    session.choose_image(image(session, name))
    return seen(session.viewer)


def test_the_image_that_was_added_last_is_seen_alone(session: Session) -> None:
    assert seen(session.viewer) == ["cle"]
    assert session.image is image(session, "cle")


def test_of_images_that_were_there_before_the_one_that_is_selected_is_seen(
    viewer: ViewerModel,
) -> None:
    for name in ("ann", "ben", "cle"):
        viewer.add_image(pixels_of(name), name=name)
    viewer.layers.selection.active = viewer.layers["ann"]
    session = session_of(viewer)
    assert seen(viewer) == ["ann"]
    assert session.image is viewer.layers["ann"]


def test_of_images_that_were_there_before_a_hidden_one_is_not_shown_unasked(
    viewer: ViewerModel,
) -> None:
    for name in ("ann", "ben", "cle"):
        viewer.add_image(pixels_of(name), name=name, visible=name == "ben")
    viewer.layers.selection.clear()
    session = session_of(viewer)
    assert session.image is viewer.layers["ben"]
    assert seen(viewer) == ["ben"]


def test_what_belongs_to_an_image_comes_back_as_it_was_left(session: Session) -> None:
    show(session, "ann")
    first, second = labels(session, "ann first"), labels(session, "ann second")
    first.visible = False
    assert show(session, "ben") == ["ben"]
    assert show(session, "cle") == ["cle"]  # twice: what waits goes on waiting
    assert show(session, "ann") == ["ann", "ann second"]
    first.visible, second.visible = True, False
    show(session, "ben")
    assert show(session, "ann") == ["ann", "ann first"]


def test_a_hidden_image_is_seen_again_where_it_is_chosen(session: Session) -> None:
    show(session, "ann")
    image(session, "ann").visible = False
    show(session, "ben")
    assert show(session, "ann") == ["ann"]
    image(session, "ann").visible = False
    assert show(session, "ann") == ["ann"]  # also where it was the one already


def test_who_shows_two_images_keeps_them_until_another_is_chosen(
    session: Session,
) -> None:
    show(session, "ann")
    mask = labels(session, "ann mask")
    show(session, "ben")
    image(session, "ann").visible = mask.visible = True
    assert visible_patients(session.viewer) == ["ann", "ben"]
    assert session.image is image(session, "ben")
    assert show(session, "cle") == ["cle"]
    mask.visible = True  # a mask alone, over another's picture: as they wish
    assert show(session, "ben") == ["ben"]
    assert show(session, "ann") == ["ann", "ann mask"]


def test_what_is_shown_beside_by_hand_does_not_count_as_left_so(
    session: Session,
) -> None:
    show(session, "ann")
    labels(session, "ann mask")
    show(session, "ben")
    image(session, "ann").visible = True  # without its mask, which still waits
    show(session, "cle")
    assert show(session, "ann") == ["ann", "ann mask"]


def test_what_is_hidden_or_shown_meanwhile_is_so_once_the_image_is_shown(
    session: Session,
) -> None:
    show(session, "ann")
    first, second = labels(session, "ann first"), labels(session, "ann second")
    second.visible = False
    show(session, "ben")
    session.showing.see(first, False)
    session.showing.see(second, True)
    assert seen(session.viewer) == ["ben"]
    assert [session.showing.is_seen(each) for each in (first, second)] == [False, True]
    assert show(session, "ann") == ["ann", "ann second"]


def test_layers_of_no_image_are_left_alone_unless_they_were_linked(
    session: Session,
) -> None:
    viewer = session.viewer
    assert viewer is not None
    viewer.add_points(np.ones((1, 2)), name="points")
    viewer.add_shapes(np.ones((3, 2)), shape_type="polygon", name="shapes")
    labels(session, "larger", shape=(40, 40))
    every = ["points", "shapes", "larger"]
    assert show(session, "ann") == ["ann", *every]
    assert show(session, "ben") == ["ben", *every]
    session.showing.own(image(session, "ann"), viewer.layers["shapes"])
    session.showing.own(image(session, "ann"), viewer.layers["larger"])
    assert seen(viewer) == ["ben", "points"]
    assert show(session, "ann") == ["ann", *every]
    assert session.showing.image_of(viewer.layers["points"]) is None
    assert session.showing.layers_of(image(session, "ann")) == [
        viewer.layers["shapes"],
        viewer.layers["larger"],
    ]


def test_labels_belong_to_the_image_that_they_are_named_after(session: Session) -> None:
    show(session, "ann")
    mask = labels(session, "ben_segmentation")
    assert session.showing.image_of(mask) is image(session, "ben")
    # napari selects what is added: its image is the one that is shown.
    assert seen(session.viewer) == ["ben", "ben_segmentation"]
    assert session.image is image(session, "ben")


def test_other_labels_belong_to_the_image_that_they_were_added_on(
    session: Session,
) -> None:
    show(session, "ben")
    mask = labels(session, "Labels")
    assert session.showing.image_of(mask) is image(session, "ben")
    assert show(session, "ann") == ["ann"]


def test_labels_of_the_pixels_of_one_image_alone_belong_to_that(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    viewer.add_image(pixels_of("ann"), name="ann")
    viewer.add_image(pixels_of("ben", (20, 20)), name="ben")
    mask = labels(session, "Labels")
    assert session.showing.image_of(mask) is viewer.layers["ann"]
    assert seen(viewer) == ["ann", "Labels"]
    moved = labels(session, "moved", translate=(3, 3))
    assert session.showing.image_of(moved) is None
    assert moved.visible


def test_labels_named_after_an_image_of_other_pixels_are_nobodys(
    session: Session,
) -> None:
    viewer = session.viewer
    assert viewer is not None
    viewer.add_image(pixels_of("dan", (20, 20)), name="dan")
    show(session, "ann")
    mask = labels(session, "dan mask")  # its pixels are ann's
    assert session.showing.image_of(mask) is None


def test_labels_that_came_first_belong_to_the_image_that_comes(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    mask = labels(session, "ann mask")
    viewer.add_image(pixels_of("ann"), name="ann")
    assert session.showing.image_of(mask) is viewer.layers["ann"]
    viewer.add_image(pixels_of("ben"), name="ben")
    assert seen(viewer) == ["ben"]


@pytest.mark.parametrize("what", ["mask", "map"])
def test_whoever_selects_something_of_another_image_is_shown_that_image(
    session: Session, what: str
) -> None:
    viewer = session.viewer
    assert viewer is not None
    show(session, "ann")
    layer = labels(session, "ann mask")
    if what == "map":
        made = difference_layer(image(session, "ann"), np.ones(SHAPE, np.uint8))
        layer = session.groups.put(image(session, "ann"), Group.WHAT_IF, made, "test")
    show(session, "ben")
    viewer.layers.selection.active = layer
    assert visible_patients(viewer) == ["ann"]
    assert session.image is image(session, "ann")
    assert viewer.layers.selection.active is layer


def test_nobody_paints_on_a_mask_that_is_not_seen(session: Session) -> None:
    viewer = session.viewer
    assert viewer is not None
    show(session, "ann")
    mask = labels(session, "ann mask")
    mask.mode = "paint"
    show(session, "ben")
    assert viewer.layers.selection.active is image(session, "ben")
    assert mask.mode == "pan_zoom"
    show(session, "ann")  # and goes on there afterwards
    assert viewer.layers.selection.active is mask
    assert mask.mode == "paint"


def test_points_stay_selected_whatever_image_is_chosen(session: Session) -> None:
    viewer = session.viewer
    assert viewer is not None
    points = viewer.add_points(np.ones((1, 2)), name="points")
    show(session, "ann")
    assert viewer.layers.selection.active is points


def test_several_selected_images_stay_selected(session: Session) -> None:
    viewer = session.viewer
    assert viewer is not None
    chosen = {image(session, "ann"), image(session, "cle")}
    viewer.layers.selection = chosen
    show(session, "ben")
    assert viewer.layers.selection == chosen


def test_what_is_put_on_an_image_that_is_not_shown_waits_with_it(
    session: Session,
) -> None:
    viewer = session.viewer
    assert viewer is not None
    show(session, "ben")
    made = difference_layer(image(session, "ann"), np.ones(SHAPE, np.uint8))
    session.groups.put(image(session, "ann"), Group.WHAT_IF, made, "test")
    assert seen(viewer) == ["ben"]
    assert session.image is image(session, "ben")
    assert viewer.layers.selection.active is image(session, "ben")
    session.groups.put(image(session, "ann"), Group.WHAT_IF, made, "test")  # in place
    assert seen(viewer) == ["ben"]
    assert show(session, "ann") == ["ann", "ann / difference"]


def test_what_a_removed_image_leaves_lies_on_no_other(session: Session) -> None:
    viewer = session.viewer
    assert viewer is not None
    mask = labels(session, "cle mask")
    viewer.layers.remove("cle")
    assert seen(viewer) == ["ben"]
    assert session.showing.image_of(mask) is None
    viewer.layers.selection.active = mask
    assert seen(viewer) == ["ben"]
    assert show(session, "ann") == ["ann"]


def test_what_the_last_image_leaves_is_hidden_once_another_comes(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    viewer.add_image(pixels_of("ann"), name="ann")
    labels(session, "ann mask")
    viewer.layers.remove("ann")
    assert seen(viewer) == ["ann mask"]
    viewer.add_image(pixels_of("ben"), name="ben")
    assert seen(viewer) == ["ben"]


def test_layers_of_an_image_that_is_not_here_are_hidden_for_any(
    session: Session,
) -> None:
    with session.showing.adding(None):
        mask = labels(session, "somebody")
    assert session.showing.image_of(mask) is None
    assert seen(session.viewer) == ["cle"]
    assert show(session, "ann") == ["ann"]


def test_what_was_linked_wrongly_can_be_linked_anew(session: Session) -> None:
    show(session, "ann")
    mask = labels(session, "Labels")
    session.showing.own(image(session, "ben"), mask)
    assert seen(session.viewer) == ["ann"]
    assert show(session, "ben") == ["ben", "Labels"]
    session.showing.own(image(session, "ann"), mask)
    assert seen(session.viewer) == ["ben"]
    session.showing.release(mask)
    assert session.showing.image_of(mask) is image(session, "ben")  # on which it is
    assert seen(session.viewer) == ["ben", "Labels"]


def test_each_volume_is_seen_at_the_plane_where_it_was_left(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    viewer.add_image(pixels_of("ann", (30, 12, 9)), name="ann")
    viewer.dims.set_current_step(0, 25)
    viewer.add_image(pixels_of("ben", (11, 12, 9)), name="ben")
    assert viewer.dims.current_step[0] == 5  # it has no plane 25
    viewer.dims.set_current_step(0, 2)
    viewer.add_image(pixels_of("cle"), name="cle")  # no volume
    show(session, "ann")
    assert viewer.dims.current_step[0] == 25
    show(session, "ben")
    assert viewer.dims.current_step[0] == 2


def test_another_image_is_framed_and_the_same_one_is_not(
    viewer: ViewerModel,
) -> None:
    session = session_of(viewer)
    viewer.add_image(pixels_of("ann", (100, 100)), name="ann")
    far = viewer.add_image(pixels_of("ben", (10, 20)), name="ben", translate=(500, 300))
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    assert camera.center[-2:] == pytest.approx((504.5, 309.5))
    near = camera.zoom
    camera.zoom = 3 * near
    session.choose_image(far)
    assert camera.zoom == 3 * near  # it is the same
    show(session, "ann")
    assert camera.center[-2:] == pytest.approx((49.5, 49.5))
    assert camera.zoom < near
    show(session, "ben")
    assert camera.zoom == pytest.approx(near)


def test_opening_the_dock_beside_one_image_moves_nothing(viewer: ViewerModel) -> None:
    viewer.add_image(pixels_of("ann", (100, 100)), name="ann")
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    camera.zoom, camera.center = 7, (0, 20, 30)
    session_of(viewer)
    assert camera.zoom == 7
    assert camera.center[-2:] == pytest.approx((20, 30))


def test_volumes_are_framed_in_3d_too(viewer: ViewerModel) -> None:
    session = session_of(viewer)
    viewer.add_image(pixels_of("ann", (30, 12, 9)), name="ann")
    viewer.add_image(
        pixels_of("ben", (20, 40, 40)), name="ben", translate=(100, 200, 300)
    )
    labels(session, "ben mask", shape=(20, 40, 40), translate=(100, 200, 300))
    viewer.dims.ndisplay = 3
    show(session, "ann")
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    assert camera.center == pytest.approx((14.5, 5.5, 4))
    assert show(session, "ben") == ["ben", "ben mask"]
    assert camera.center == pytest.approx((109.5, 219.5, 319.5))


def test_the_first_of_an_event_tells_of_the_image_that_is_seen(
    session: Session,
) -> None:
    told: list[tuple[str, list[str]]] = []
    session.image_changed.connect(
        lambda: told.append((str(session.image), seen(session.viewer)))
    )
    show(session, "ann")
    assert told == [("ann", ["ann"])]


def test_an_image_that_is_not_in_the_viewer_is_not_shown(session: Session) -> None:
    session.choose_image(Image(pixels_of("dan"), name="dan"))
    assert seen(session.viewer) == ["cle"]
    assert session.image is image(session, "cle")


def test_none_can_be_chosen_which_hides_nothing(session: Session) -> None:
    session.choose_image(None)
    assert session.image is None
    assert seen(session.viewer) == ["cle"]
