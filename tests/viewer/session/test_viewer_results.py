"""Results replace their own untouched layers, and nobody's work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from viewer_fakes import make_outcome, make_segmentation

from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.segment.result.rows import ShownMasks, file_rows
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.checks import describe_run
from napari_dmoe.viewer.session.results import Result, show_previous
from napari_dmoe.viewer.session.session import session_of


@pytest.fixture
def image(viewer: ViewerModel) -> Image:
    return viewer.add_image(np.zeros((12, 9)), name="retina")


def show(
    viewer: ViewerModel,
    image: Image,
    previous: Result | None = None,
    *,
    value: str | None = "suspect",
    has_routing: bool = True,
) -> Result:
    made = make_segmentation(to_image(image), value=value, has_routing=has_routing)
    return results.show(viewer, image, make_outcome(made), previous=previous)


def result_rows(
    result: results.Result, image: Image, step: tuple[int, ...]
) -> list[TableRow]:
    masks = ShownMasks.of(result, image)
    assert masks is not None
    return masks.rows(masks.measure(masks.at(step)))


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_a_run_adds_a_mask_and_nothing_else(viewer: ViewerModel, image: Image) -> None:
    show(viewer, image)
    assert names(viewer) == ["retina", "retina / mask"]


def test_an_untouched_result_is_replaced_where_it_stands(
    viewer: ViewerModel, image: Image
) -> None:
    first = show(viewer, image)
    mask = viewer.layers["retina / mask"]
    mask.opacity, mask.name = 0.9, "my mask"
    second = show(viewer, image, first, value="glaucoma")
    assert len(viewer.layers) == 2
    assert second.mask() is mask
    assert (mask.opacity, mask.name) == (0.9, "my mask")
    assert np.count_nonzero(mask.data == 2) == 9
    assert mask.metadata["napari-dmoe"]["drivers"][0]["value"] == "glaucoma"


def test_a_painted_mask_is_never_overwritten(viewer: ViewerModel, image: Image) -> None:
    first = show(viewer, image)
    mask = viewer.layers["retina / mask"]
    mask.paint((6, 6), 1)
    assert first.is_edited
    painted = mask.data.copy()
    second = show(viewer, image, first, value="glaucoma")
    np.testing.assert_array_equal(mask.data, painted)
    assert names(viewer)[-1] == "retina / mask [2]"
    assert not second.is_edited
    third = show(viewer, image, second, value="healthy")
    assert third.mask() is second.mask()
    assert len(viewer.layers) == 3


def test_a_mask_whose_paint_was_undone_is_untouched(
    viewer: ViewerModel, image: Image
) -> None:
    result = show(viewer, image)
    mask = viewer.layers["retina / mask"]
    mask.paint((6, 6), 1)
    mask.undo()
    assert not result.is_edited


def test_a_removed_mask_comes_back_as_a_new_layer(
    viewer: ViewerModel, image: Image
) -> None:
    session = session_of(viewer)
    first = show(viewer, image)
    session.set_result(image, first)
    viewer.layers.remove("retina / mask")
    assert session.result_of(image) is None
    show(viewer, image, first)
    assert "retina / mask" in names(viewer)


def test_the_layers_follow_an_image_that_was_moved(
    viewer: ViewerModel, image: Image
) -> None:
    first = show(viewer, image)
    image.scale = (2, 3)
    show(viewer, image, first)
    np.testing.assert_array_equal(viewer.layers["retina / mask"].scale, (2, 3))


def test_the_previous_result_comes_back_and_goes_again(
    viewer: ViewerModel, image: Image
) -> None:
    first = show(viewer, image, value="healthy")
    mask = viewer.layers["retina / mask"]
    healthy = mask.data.copy()
    second = show(viewer, image, first, value="glaucoma")
    glaucoma = mask.data.copy()
    assert (healthy != glaucoma).any()
    third = show_previous(viewer, image, second)
    np.testing.assert_array_equal(mask.data, healthy)
    assert mask.metadata["napari-dmoe"]["drivers"][0]["value"] == "healthy"
    show_previous(viewer, image, third)
    np.testing.assert_array_equal(mask.data, glaucoma)
    assert names(viewer) == ["retina", "retina / mask"]


def test_a_first_result_has_none_before_it(viewer: ViewerModel, image: Image) -> None:
    first = show(viewer, image)
    assert show_previous(viewer, image, first) is first


def test_a_kept_result_gets_its_successor_beside_it(
    viewer: ViewerModel, image: Image
) -> None:
    first = show(viewer, image, value="healthy")
    first.is_kept = True
    second = show(viewer, image, first, value="glaucoma")
    assert names(viewer) == ["retina", "retina / mask", "retina / mask [2]"]
    assert second.before is None


def test_painting_on_a_mask_does_not_change_the_result_behind_it(
    viewer: ViewerModel, image: Image
) -> None:
    result = show(viewer, image)
    result_labels = result.segmentation.labels.copy()
    viewer.layers["retina / mask"].paint((6, 6), 1)
    np.testing.assert_array_equal(result.segmentation.labels, result_labels)
    assert result.looks_edited
    assert viewer.layers["retina / mask"].metadata["napari-dmoe"]["edited"] is True


def test_a_file_has_a_line_for_every_plane(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((3, 12, 9)), axis_labels=("t", "y", "x"))
    result = show(viewer, image, value=None)
    masks = ShownMasks.of(result, image)
    assert masks is not None
    rows = file_rows(masks, (0, 0, 0))
    assert [row["t"] for row in rows] == [t for t in "012" for _ in range(4)]
    assert rows[1] == {
        "id": image.name,
        "severity": "unknown",
        "model": "Fake",
        "t": "0",
        "measure": "cup",
        "value": "4",
        "unit": "px",
        "least": "1",
        "most": "9",
        "headline": "rim 20 px, cup 4 px",
    }


def test_areas_are_in_square_millimetres_where_the_unit_is_known(
    viewer: ViewerModel,
) -> None:
    image = viewer.add_image(
        np.zeros((12, 9)), scale=(500, 200), units=("um", "um"), name="scaled"
    )
    rows = result_rows(show(viewer, image), image, (0, 0))
    assert [(row.name, row.value) for row in rows] == [
        ("rim", "2.00 mm²"),  # 6 x 4 pixels less 2 x 2, of 0.1 mm2
        ("cup", "0.400 mm²"),
        ("C/D vertical", "0.33"),
        ("C/D area", "0.17"),
    ]


def test_pixels_are_counted_where_the_unit_is_not_known(
    viewer: ViewerModel, image: Image
) -> None:
    rows = result_rows(show(viewer, image), image, (0, 0))
    assert [row.value for row in rows[:2]] == ["20 px", "4 px"]


def test_an_unknown_driver_shows_the_span_over_its_values(
    viewer: ViewerModel, image: Image
) -> None:
    result = show(viewer, image, value=None)
    assert "unknown: 3 values mixed" in describe_run(result)
    cup = result_rows(result, image, (0, 0))[1]
    assert (cup.value, cup.span) == ("4 px", "1–9")


def test_the_plane_that_is_shown_is_measured(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((3, 12, 9)), axis_labels=("t", "y", "x"))
    result = show(viewer, image)
    mask = result.mask()
    assert mask is not None
    mask.data[2] = 0
    rows = [result_rows(result, image, (step, 0, 0))[1].value for step in range(3)]
    assert rows == ["4 px", "4 px", "0 px"]


def test_a_rotated_stack_keeps_its_areas(viewer: ViewerModel) -> None:
    turn = np.radians(30)
    rotate = np.eye(3)
    rotate[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    image = viewer.add_image(
        np.zeros((3, 12, 9)),
        axis_labels=("z", "y", "x"),
        units=("mm",) * 3,
        scale=(5, 0.5, 0.2),
        rotate=rotate,
    )
    cup = result_rows(show(viewer, image), image, (0, 0, 0))[1]
    assert cup.value == "0.400 mm²"


def with_probabilities(image: Image, *, value: str) -> Segmentation:
    made = make_segmentation(to_image(image), value=value)
    return replace(made, probabilities=np.full((3, 12, 9), 1 / 3, np.float32))


def test_probabilities_follow_their_own_result(
    viewer: ViewerModel, image: Image
) -> None:
    mine = viewer.add_image(np.zeros((12, 9)), name="retina / probability of cup")
    first = results.show(
        viewer, image, make_outcome(with_probabilities(image, value="healthy"))
    )
    maps = [layer() for layer in first.maps]
    assert [layer.name for layer in maps] == [
        "retina / probability of rim",
        "retina / probability of cup [2]",
    ]
    again = make_outcome(with_probabilities(image, value="suspect"))
    second = results.show(viewer, image, again, previous=first)
    assert [layer() for layer in second.maps] == maps
    assert maps[0].metadata["napari-dmoe"]["drivers"][0]["value"] == "suspect"
    # A run without them leaves none that would look like its own.
    show(viewer, image, second)
    assert not any(layer in viewer.layers for layer in maps)
    assert mine in viewer.layers
