"""Outlines are two pixels of the screen wide, whatever the zoom."""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from desk import Desk
from napari.components import ViewerModel
from napari.layers import Image, Labels, Vectors
from napari.utils.colormaps import DirectLabelColormap

from napari_dmoe.viewer.layers.camera import camera_of
from napari_dmoe.viewer.layers.edges import edges_of
from napari_dmoe.viewer.layers.outline_line import is_line
from napari_dmoe.viewer.layers.records import is_input
from napari_dmoe.viewer.session.session import Session, session_of

PLANE = np.zeros((20, 30), np.uint8)
PLANE[5:15, 8:20] = 1
PLANE[8:12, 10:14] = 2
PICTURE = np.random.default_rng(0).random(PLANE.shape)


def drawn(edges: object) -> set[tuple[float, ...]]:
    """Return where runs begin and end, and around what they go."""
    ends = np.c_[edges.starts, edges.starts + edges.along, edges.labels]
    return set(map(tuple, ends.tolist()))


def test_runs_of_edges_lie_between_the_pixels() -> None:
    plane = np.zeros((6, 8), np.uint8)
    plane[1:4, 2:5] = 1
    assert drawn(edges_of(plane)) == {
        (0.5, 1.5, 0.5, 4.5, 1),
        (3.5, 1.5, 3.5, 4.5, 1),
        (0.5, 1.5, 3.5, 1.5, 1),
        (0.5, 4.5, 3.5, 4.5, 1),
    }


def test_what_lies_within_another_region_has_its_own_edges() -> None:
    plane = np.zeros((6, 8), np.uint8)
    plane[1:4, 2:5] = 1
    plane[3, 4] = 2  # a corner: its outer edges are its own, not the disc's
    runs = drawn(edges_of(plane))
    assert {(2.5, 3.5, 2.5, 4.5, 2), (3.5, 3.5, 3.5, 4.5, 2)} < runs
    assert {(3.5, 1.5, 3.5, 3.5, 1), (0.5, 4.5, 2.5, 4.5, 1)} < runs


@pytest.mark.parametrize("plane", [PLANE * 0, PLANE * 0 + 1, PLANE[:1, :1]])
def test_where_nothing_differs_there_is_no_edge(plane: np.ndarray) -> None:
    assert len(edges_of(plane)) == 0


def test_every_edge_of_a_plane_is_in_one_run() -> None:
    plane = np.random.default_rng(0).integers(0, 3, (40, 50)).astype(np.int32)
    edges = edges_of(plane)
    n = (plane[1:] != plane[:-1]).sum() + (plane[:, 1:] != plane[:, :-1]).sum()
    assert edges.along.sum() == n
    assert edges.step == 1


def test_too_many_runs_are_drawn_coarsely_and_stay_in_place() -> None:
    rng = np.random.default_rng(0)
    plane = np.zeros((400, 400), np.uint8)
    plane[100:300, 100:300] = rng.random((200, 200)) < 0.5
    edges = edges_of(plane, most=2000)
    assert 0 < len(edges) <= 2000
    assert edges.step > 1
    ends = np.r_[edges.starts, edges.starts + edges.along]
    assert ends.min() >= 100 - edges.step
    assert ends.max() <= 300 + edges.step


@pytest.fixture
def session(viewer: ViewerModel) -> Session:
    """Return a session with an image and a mask that is an outline."""
    session = session_of(viewer)
    place = {"scale": (0.5, 0.25), "translate": (3, -4)}
    viewer.add_image(PICTURE, name="eye", **place)
    viewer.add_labels(PLANE.copy(), name="eye / mask", opacity=0.5, **place)
    session.outlines.add(mask_of(session))
    return session


def mask_of(session: Session) -> Labels:
    return next(each for each in session.viewer.layers if isinstance(each, Labels))


def line_of(session: Session) -> Vectors:
    line = session.outlines.line_of(mask_of(session))
    assert line is not None
    return line


def lines_in(viewer: ViewerModel) -> list[Vectors]:
    return [each for each in viewer.layers if is_line(each)]


def ends_in_world(line: Vectors) -> set[tuple[float, ...]]:
    ends = [
        (*line.data_to_world(start), *line.data_to_world(start + along))
        for start, along in line.data
    ]
    return {tuple(np.round(each, 6).tolist()) for each in ends}


def around(mask: Labels) -> set[tuple[float, ...]]:
    """Return where the edges of a plane of a mask lie in the world."""
    edges = edges_of(np.asarray(mask.data))
    ends = [
        (*mask.data_to_world(start), *mask.data_to_world(start + along))
        for start, along in zip(edges.starts, edges.along, strict=True)
    ]
    return {tuple(np.round(each, 6).tolist()) for each in ends}


def test_lines_go_around_the_mask_whose_fill_is_unseen(session: Session) -> None:
    mask, line = mask_of(session), line_of(session)
    assert session.outlines.is_drawn(mask)
    assert (mask.visible, mask.opacity, mask.contour) == (True, 0, 0)
    assert ends_in_world(line) == around(mask)
    assert line.name == "eye / mask, outline"
    layers = session.viewer.layers
    assert layers.index(line) == layers.index(mask) + 1


def test_each_region_has_its_colour_and_another_one_with_the_mask(
    session: Session,
) -> None:
    mask = mask_of(session)
    for _ in range(2):
        line = line_of(session)
        edges = edges_of(mask.data)
        for label in (1, 2):
            found = line.edge_color[edges.labels == label]
            assert len(found)
            np.testing.assert_allclose(found - mask.get_color(label), 0, atol=1e-6)
        mask.new_colormap(seed=3)


@pytest.mark.parametrize("zoom", [0.02, 1, 47])
def test_the_width_on_the_screen_is_two_pixels(session: Session, zoom: float) -> None:
    line = line_of(session)
    camera_of(session.viewer).zoom = zoom
    for axis in (0, 1):  # the pixels are no squares: the lines are equally wide
        ends = np.zeros((2, 2))
        ends[1, axis] = line.edge_width
        low, high = (np.array(line.data_to_world(each)) for each in ends)
        assert np.linalg.norm(high - low) * zoom == pytest.approx(2, rel=0.03)


def test_it_is_no_input_and_belongs_to_the_image_of_the_mask(session: Session) -> None:
    line, image = line_of(session), session.image
    assert not is_input(line)
    assert not line.editable
    assert line not in session.viewer.layers.selection
    assert session.showing.image_of(line) is image
    assert session.images() == [image]


def test_it_is_never_selected_by_itself(session: Session) -> None:
    viewer, mask, image = session.viewer, mask_of(session), session.image
    session.outlines.discard(mask)
    viewer.layers.selection.clear()
    session.outlines.add(mask)
    assert len(viewer.layers.selection) == 0
    session.choose_image(viewer.add_image(PICTURE, name="other", scale=(2, 2)))
    session.choose_image(image)
    assert viewer.layers.selection.active not in lines_in(viewer)


def test_it_follows_painting_and_undo(session: Session) -> None:
    mask = mask_of(session)
    mask.data_setitem((np.array([2]), np.array([3])), 2)
    assert ends_in_world(line_of(session)) == around(mask)
    assert (mask.data == 2).sum() == 17
    mask.undo()
    assert ends_in_world(line_of(session)) == around(mask)
    assert (mask.data == 2).sum() == 16
    mask.data = PLANE[::-1].copy()
    assert ends_in_world(line_of(session)) == around(mask)
    assert mask.opacity == 0


def test_a_mask_can_become_empty_and_be_painted_on_again(session: Session) -> None:
    mask = mask_of(session)
    mask.data = np.zeros_like(PLANE)
    assert len(line_of(session).data) == 0
    mask.data = PLANE.copy()
    assert ends_in_world(line_of(session)) == around(mask)


@pytest.mark.parametrize(
    "change",
    [
        {"scale": (2, 3)},
        {"translate": (7, 8)},
        {"rotate": 30},
        {"affine": np.array([[0, 2.0, 1], [3, 0, 5], [0, 0, 1]])},
    ],
)
def test_it_follows_the_place_of_the_mask(session: Session, change: dict) -> None:
    mask = mask_of(session)
    for name, value in change.items():
        setattr(mask, name, value)
    assert ends_in_world(line_of(session)) == around(mask)


def test_it_is_seen_with_the_mask_alone(session: Session) -> None:
    mask, line = mask_of(session), line_of(session)
    mask.visible = False
    assert not line.visible
    mask.visible = True
    assert line.visible
    other = session.viewer.add_image(PICTURE, name="other", scale=(2, 2))
    session.choose_image(other)
    assert (mask.visible, line.visible) == (False, False)
    first = next(each for each in session.viewer.layers if isinstance(each, Image))
    session.choose_image(first)
    assert mask.visible
    assert line.visible
    mask.visible = False
    session.choose_image(other)
    session.choose_image(first)
    assert (mask.visible, line.visible) == (False, False)


def test_it_goes_with_the_mask_and_with_the_wish(session: Session) -> None:
    mask, viewer = mask_of(session), session.viewer
    session.outlines.discard(mask)
    assert lines_in(viewer) == []
    assert mask.opacity == 0.5
    assert not session.outlines.has(mask)
    session.outlines.add(mask)
    assert len(lines_in(viewer)) == 1
    viewer.layers.remove(mask)
    assert lines_in(viewer) == []
    assert mask.opacity == 0.5
    viewer.layers.append(mask)  # as it was
    assert session.outlines.is_drawn(mask)
    assert len(lines_in(viewer)) == 1


def test_what_is_marked_stays_an_outline(session: Session) -> None:
    mask = mask_of(session)
    session.outlines.mark(mask)
    session.outlines.discard(mask)
    assert session.outlines.is_drawn(mask)


def test_lines_that_a_person_takes_out_or_hides_leave_the_mask_filled(
    session: Session,
) -> None:
    mask, line = mask_of(session), line_of(session)
    line.visible = False
    assert mask.opacity == 0.5
    mask.data_setitem((np.array([2]), np.array([3])), 2)
    assert not line.visible
    line.visible = True
    assert mask.opacity == 0
    session.viewer.layers.remove(line)
    assert mask.opacity == 0.5
    assert not session.outlines.has(mask)


def test_the_name_follows_unless_a_person_gave_one(session: Session) -> None:
    mask, line = mask_of(session), line_of(session)
    mask.name = "mine"
    assert line.name == "mine, outline"
    line.name = "a line"
    mask.name = "yours"
    assert line.name == "a line"


def test_what_a_person_sets_by_hand_is_kept(session: Session) -> None:
    mask, line = mask_of(session), line_of(session)
    mask.opacity = 0.3
    mask.data_setitem((np.array([2]), np.array([3])), 2)
    assert mask.opacity == 0.3
    assert line.visible
    session.outlines.discard(mask)
    assert mask.opacity == 0.3


def test_napari_s_own_contour_takes_the_place_of_ours(session: Session) -> None:
    mask, line = mask_of(session), line_of(session)
    mask.contour = 5
    assert not line.visible
    assert mask.opacity == 0.5
    session.outlines.discard(mask)
    assert mask.contour == 5
    session.outlines.add(mask)
    mask.contour = 0
    assert session.outlines.is_drawn(mask)


def test_the_copy_of_a_mask_can_be_seen(session: Session) -> None:
    from napari.layers._layer_actions import _duplicate_layer

    mask, layers = mask_of(session), session.viewer.layers
    layers.selection = {mask}
    _duplicate_layer(layers)
    copy = next(e for e in layers if isinstance(e, Labels) and e is not mask)
    assert copy.opacity == 0.5
    assert mask.opacity == 0


def test_only_the_plane_that_is_shown_is_drawn(viewer: ViewerModel) -> None:
    stack = np.zeros((3, *PLANE.shape), np.uint8)
    stack[0, 2:4, 2:4] = 1
    stack[1] = PLANE
    session = session_of(viewer)
    viewer.add_image(np.stack([PICTURE] * 3), name="ct", scale=(3, 1, 1))
    mask = viewer.add_labels(stack, name="ct / mask", scale=(3, 1, 1))
    session.outlines.add(mask)
    steps = viewer.dims.nsteps
    for step in (0, 1, 2):
        viewer.dims.set_current_step(0, step)
        line = session.outlines.line_of(mask)
        np.testing.assert_allclose(line.data[:, 0, 0], step)
        assert len(line.data) == len(edges_of(stack[step]))
        assert viewer.dims.nsteps == steps
    viewer.dims.set_current_step(0, 1)
    viewer.dims.order = (2, 0, 1)  # seen from the side
    viewer.dims.set_current_step(2, 10)
    line = session.outlines.line_of(mask)
    np.testing.assert_allclose(line.data[:, 0, 2], 10)
    assert len(line.data) == len(edges_of(stack[:, :, 10]))
    assert viewer.dims.nsteps == steps


def test_in_3d_the_mask_is_filled(session: Session) -> None:
    mask, viewer = mask_of(session), session.viewer
    viewer.dims.ndisplay = 3
    assert not any(each.visible for each in lines_in(viewer))
    assert mask.opacity == 0.5
    mask.opacity = 0.4
    viewer.dims.ndisplay = 2
    assert session.outlines.is_drawn(mask)
    session.outlines.discard(mask)
    assert mask.opacity == 0.4


def test_another_order_of_the_layers_takes_the_lines_along(session: Session) -> None:
    mask, layers = mask_of(session), session.viewer.layers
    layers.move(layers.index(mask), 0)
    assert layers.index(line_of(session)) == layers.index(mask) + 1


@pytest.mark.gui
@pytest.mark.parametrize("shape", [(150, 200), (1411, 1411), (4000, 6000)])
def test_on_the_screen_it_is_two_pixels_wide_at_any_zoom(
    make_desk: Callable[..., Desk],
    make_napari_viewer: Callable[..., napari.Viewer],
    shape: tuple[int, int],
) -> None:
    desk = make_desk(make_napari_viewer(show=True))
    viewer, (height, width) = desk.viewer, shape
    viewer.add_image(np.zeros(shape, np.float32), name="eye", contrast_limits=(0, 1))
    plane = np.zeros(shape, np.uint8)
    plane[height // 4 : -height // 4, width // 4 : -width // 4] = 1
    mask = viewer.add_labels(plane, name="eye / mask")
    desk.session.outlines.add(mask)
    desk.qtbot.waitUntil(lambda: desk.session.outlines.is_drawn(mask), timeout=20_000)
    viewer.reset_view()
    camera = camera_of(viewer)
    whole = camera.zoom
    for factor in (0.5, 1, 20):
        camera.zoom = whole * factor
        camera.center = (height / 2, width // 4)
        desk.settle()
        picture = viewer.screenshot(canvas_only=True, flash=False)
        row = picture[len(picture) // 2, :, :3].astype(float).sum(-1)
        is_line = row > row.max() / 4
        changes = np.flatnonzero(np.diff(np.r_[0, is_line, 0].astype(int)))
        widths = np.diff(changes)[::2]
        assert len(widths) == (1 if factor == 20 else 2)
        np.testing.assert_allclose(widths, 2, atol=1)  # a pixel is cut by its grid


@pytest.mark.gui
def test_in_a_window_the_lines_follow_a_stroke(window_desk: Desk) -> None:
    desk = window_desk
    mask = desk.viewer.add_labels(np.zeros((12, 9), np.uint8), name="retina / mask")
    desk.session.outlines.add(mask)
    mask.paint((5, 4), 1)
    assert desk.is_outlined(mask)
    line = desk.session.outlines.line_of(mask)
    assert ends_in_world(line) == around(mask)
    mask.undo()
    assert desk.is_outlined(mask)
    assert len(line.data) == 0


def test_a_label_that_is_not_shown_leaves_no_gap_in_the_one_around_it(
    session: Session,
) -> None:
    mask = mask_of(session)
    colours = {None: np.zeros(4), 0: np.zeros(4), 1: np.array([1.0, 0, 0, 1])}
    mask.colormap = DirectLabelColormap(color_dict=colours)
    line = line_of(session)
    edges = edges_of(mask.data)
    assert set(edges.labels.tolist()) == {1, 2}
    np.testing.assert_allclose(line.edge_color, np.tile([1, 0, 0, 1], (len(edges), 1)))
