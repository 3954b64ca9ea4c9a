"""The status bar names the experts under the cursor, wherever the layer lies."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from viewer_fakes import make_outcome, make_segmentation

from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.routing.layers import token_at
from napari_dmoe.viewer.routing.on_images import routing_of
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.session import Session, session_of

PLACE = {"scale": (2, 0.5), "rotate": 30, "translate": (-7, 40)}
SHARED = "expert 3 0.71 | expert 4 0.29, block 3"
ALONE = "expert 3 1.00, block 3"


def segment(viewer: ViewerModel, image: Image, dims: int = 2) -> Session:
    """Show the routing of the last block, as the Routing tab does."""
    session = session_of(viewer)
    made = make_segmentation(to_image(image, dims), dims=dims)
    result = results.show(viewer, image, make_outcome(made))
    session.set_result(image, result)
    routing_of(session).want(Overlay("dominant", 3), is_shown=True)
    return session


def point(viewer: ViewerModel, image: Image, index: tuple[float, ...]) -> str:
    """Move the cursor to a pixel of an image; return what the status bar says."""
    viewer.cursor.position = image.data_to_world(index)
    viewer.status = "Ready"  # else the same text again would be no news
    viewer.status = "retina [0 0]: 0"
    return str(viewer.status)


def test_the_experts_under_the_cursor_are_named_with_their_gates(
    viewer: ViewerModel,
) -> None:
    image = viewer.add_image(np.zeros((12, 9)), **PLACE)
    segment(viewer, image)
    assert point(viewer, image, (0, 0)) == f"retina [0 0]: 0 · {SHARED}"
    assert point(viewer, image, (3.4, 2.4)).endswith(f" · {SHARED}")
    assert point(viewer, image, (3.6, 2.4)).endswith(f" · {ALONE}")
    assert point(viewer, image, (11, 8)).endswith(f" · {ALONE}")


def test_beside_the_image_nothing_is_added(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)), **PLACE)
    segment(viewer, image)
    assert point(viewer, image, (-1, 3)) == "retina [0 0]: 0"
    assert point(viewer, image, (3, 9)) == "retina [0 0]: 0"


def test_a_status_in_parts_keeps_them(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)))
    segment(viewer, image)
    viewer.cursor.position = (0, 0)
    viewer.status = {"layer_name": "retina", "coordinates": " [0 0]: 0"}
    assert viewer.status == {
        "layer_name": "retina",
        "coordinates": f" [0 0]: 0 · {SHARED}",
    }


def test_a_status_that_did_not_change_is_not_added_to_twice(
    viewer: ViewerModel,
) -> None:
    image = viewer.add_image(np.zeros((12, 9)))
    segment(viewer, image)
    point(viewer, image, (0, 0))
    assert point(viewer, image, (0, 0)).count("block 3") == 1


def test_other_maps_name_the_same_gates(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)))
    session = segment(viewer, image)
    for overlay in (Overlay("gate", 2, 1), Overlay("entropy", 2)):
        routing_of(session).want(overlay, is_shown=True)
        said = "expert 2 0.71 | expert 3 0.29, block 2"
        assert point(viewer, image, (0, 0)).endswith(f" · {said}")


def test_a_hidden_or_removed_map_says_nothing(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)), name="retina")
    session = segment(viewer, image)
    viewer.layers["retina / routing block 3"].visible = False
    assert point(viewer, image, (0, 0)) == "retina [0 0]: 0"
    viewer.layers.remove("retina / routing block 3")
    assert point(viewer, image, (0, 0)) == "retina [0 0]: 0"
    routing_of(session).want(Overlay("dominant", 3), is_shown=True)
    assert point(viewer, image, (0, 0)).endswith(SHARED)


def test_the_slice_that_is_shown_is_read(viewer: ViewerModel) -> None:
    image = viewer.add_image(
        np.zeros((3, 12, 9)), axis_labels=("t", "y", "x"), scale=(5, 1, 1)
    )
    made = make_segmentation(to_image(image))
    made.routing.gates[3][:, 1, 2, 2] = (0.4, 0.6, 0, 0, 0)
    session = session_of(viewer)
    session.set_result(image, results.show(viewer, image, make_outcome(made)))
    routing_of(session).want(Overlay("dominant", 3), is_shown=True)
    assert point(viewer, image, (0, 11, 8)).endswith(ALONE)
    said = "expert 1 0.60 | expert 0 0.40, block 3"
    assert point(viewer, image, (1, 11, 8)).endswith(said)


@pytest.mark.parametrize("direction", [1, -1])
def test_in_3d_the_token_is_the_first_one_that_the_ray_meets(
    viewer: ViewerModel, direction: int
) -> None:
    image = viewer.add_image(
        np.zeros((6, 12, 9)), axis_labels=("z", "y", "x"), scale=(-4, 2, 0.5)
    )
    session = segment(viewer, image, dims=3)
    routing = session.result_of(image).segmentation.routing
    routing.gates[3][:, 0, 1, 1] = (1, 0, 0, 0, 0)
    routing.gates[3][:, 2, 1, 1] = (0, 1, 0, 0, 0)
    routing_of(session).want(Overlay("dominant", 3), is_shown=True)
    viewer.dims.ndisplay = 3
    layer = next(each for each in viewer.layers if "routing" in each.name)
    view = np.array([direction, 0.0, 0.0])
    # Looking along the world's z: data run the other way, as the scale is negative.
    middle = image.data_to_world((2.5, 6, 4.5))
    far = np.array(middle) - 100 * view
    token = token_at(layer, far, view, (0, 1, 2))
    assert token == ((2, 1, 1) if direction > 0 else (0, 1, 1))
    assert token_at(layer, far + np.array([0, 99, 0]), view, (0, 1, 2)) is None


def test_in_3d_the_status_bar_names_what_the_camera_sees(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((6, 12, 9)), axis_labels=("z", "y", "x"))
    segment(viewer, image, dims=3)
    viewer.dims.ndisplay = 3
    viewer.scene.camera.angles = (0, 0, 90)
    corners = [(3, y, x) for y in (0, 11) for x in (0, 8)]
    said = [point(viewer, image, corner) for corner in corners]
    assert all(text.endswith(", stage 3") for text in said)
    assert point(viewer, image, (3, 0, 8.6)) == "retina [0 0]: 0"
