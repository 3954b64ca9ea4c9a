"""Results put while the pointer rests on a 3D canvas, or that break halfway."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from viewer_fakes import make_outcome, make_segmentation

from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.layers.pointer import (
    RestingPointer,
    all_or_nothing,
    pointer_away,
)
from napari_dmoe.viewer.session import results


@pytest.fixture
def over_3d(viewer: ViewerModel) -> ViewerModel:
    """Return a viewer in 3D whose canvas the pointer rests on, as napari leaves it."""
    viewer.add_image(np.zeros((4, 12, 9)), name="ct", axis_labels=("z", "y", "x"))
    viewer.dims.ndisplay = 3
    viewer.mouse_over_canvas = True
    return viewer


def test_napari_itself_cannot_add_labels_there(over_3d: ViewerModel) -> None:
    """Say when the precaution is no longer needed."""
    labels = np.ones((4, 4, 4), int)
    features = {"index": [0, 1], "class": ["a", "b"]}
    with pytest.raises(TypeError):
        over_3d.add_labels(labels, features=features)


def test_a_mask_is_put_there_and_the_pointer_is_back_afterwards(
    over_3d: ViewerModel,
) -> None:
    image = over_3d.layers["ct"]
    made = make_segmentation(to_image(image, 3), dims=3)
    shown = results.show(over_3d, image, make_outcome(made))
    assert shown.title == "ct / mask"
    assert over_3d.mouse_over_canvas


def test_the_pointer_is_back_after_an_error_too(over_3d: ViewerModel) -> None:
    with pytest.raises(ValueError, match="broken"), pointer_away(over_3d):
        raise ValueError("broken")
    assert over_3d.mouse_over_canvas


def test_what_breaks_halfway_leaves_no_layer_and_hides_none(
    viewer: ViewerModel,
) -> None:
    mask = viewer.add_labels(np.ones((4, 4), int), name="mask")

    def break_halfway() -> None:
        viewer.add_labels(np.ones((4, 4), int), name="half")
        mask.visible = False
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), all_or_nothing(viewer):
        break_halfway()
    assert [layer.name for layer in viewer.layers] == ["mask"]
    assert mask.visible


def test_what_succeeds_stays(viewer: ViewerModel) -> None:
    with all_or_nothing(viewer):
        viewer.add_labels(np.ones((4, 4), int), name="whole")
    with all_or_nothing(None):
        pass
    assert [layer.name for layer in viewer.layers] == ["whole"]


def test_a_pointer_that_rests_while_3d_is_chosen_raises_no_error(
    viewer: ViewerModel,
) -> None:
    viewer.add_image(np.zeros((4, 12, 9)), name="ct")
    features = {"index": [0, 1], "class": ["a", "b"]}
    viewer.add_labels(np.ones((4, 4, 4), int), features=features)
    resting = RestingPointer(viewer)
    viewer.mouse_over_canvas = True
    viewer.dims.ndisplay = 3
    viewer.update_status_from_cursor()  # raised TypeError: see the first test
    viewer.mouse_over_canvas = True  # the canvas has grown below it
    assert not viewer.mouse_over_canvas
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, None)
    assert viewer.mouse_over_canvas
    viewer.mouse_over_canvas = False  # the pointer leaves
    viewer.dims.ndisplay = 2
    resting._on_move(viewer, None)
    assert not viewer.mouse_over_canvas
