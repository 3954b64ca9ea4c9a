"""Open images with their truths, as a cohort."""

from __future__ import annotations

import numpy as np
import pytest
from fairness_desk import FairnessDesk
from napari.components import ViewerModel

from napari_dmoe.patient import Patient
from napari_dmoe.viewer.fairness.pairs import open_pairs, take
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui

PIXELS = np.arange(108, dtype=np.uint8).reshape(12, 9)


@pytest.fixture
def viewer() -> ViewerModel:
    """Return a viewer with a named pair, a chosen one and an image without a truth."""
    viewer = ViewerModel()
    first = viewer.add_image(PIXELS, name="left eye")
    viewer.add_labels(PIXELS // 60, name="left eye labels")
    second = viewer.add_image(PIXELS + 1, name="right eye")
    drawn = viewer.add_labels(PIXELS // 80, name="drawn")
    viewer.add_image(PIXELS, name="without")
    session = session_of(viewer)
    session.truths.set(second, drawn)
    session.set_patient(first, Patient(sex="female"))
    return viewer


def test_a_truth_is_the_chosen_one_or_named_after_its_image(
    viewer: ViewerModel,
) -> None:
    pairs = open_pairs(session_of(viewer))
    assert [(p.image.name, p.labels.name) for p in pairs] == [
        ("left eye", "left eye labels"),
        ("right eye", "drawn"),
    ]


def test_what_is_taken_is_read_as_any_case_and_stays_as_it_was(
    viewer: ViewerModel,
) -> None:
    taken = take(session_of(viewer))
    row, other = taken.cohort.rows
    assert taken.cohort.layout == "layers"
    assert (row.id, row.number, other.id) == ("left eye", 1, "right eye")
    assert row.patient.sex == "female"
    viewer.layers["left eye labels"].data = np.zeros_like(PIXELS)
    case = row.read()
    np.testing.assert_array_equal(case.image.data, PIXELS)
    np.testing.assert_array_equal(case.labels.data, PIXELS // 60)
    assert row.read_labels() is case.labels
    assert taken.layers["left eye"]() is viewer.layers["left eye"]
    assert "female" not in repr(row)


def test_two_images_of_one_name_are_two_cases(viewer: ViewerModel) -> None:
    viewer.layers["right eye"].name = "left eye"
    ids = [row.id for row in take(session_of(viewer)).cohort.rows]
    assert ids == ["left eye", "left eye [1]"]


def test_without_a_truth_there_is_nothing_to_take() -> None:
    viewer = ViewerModel()
    viewer.add_image(PIXELS)
    with pytest.raises(ValueError, match="no open image has a truth"):
        take(session_of(viewer))


def test_the_dock_offers_open_layers_audits_and_forgets_them(
    make_fairness: object, viewer: ViewerModel
) -> None:
    desk: FairnessDesk = make_fairness(viewer)  # type: ignore[operator]
    section = desk.dock.cohort
    assert section.layers_button.text() == "Layers (2)"
    desk.click(section.layers_button)
    assert section.title.text() == "open layers: 2 cases"
    assert "“left eye labels” is the truth of “left eye”" in section.notices.text()
    desk.run()
    (audit,) = desk.dock.audits.shown
    assert audit.layer_of("right eye") is viewer.layers["right eye"]
    viewer.layers.clear()
    desk.settle()
    assert section.layers_button.text() == "Layers"
    assert not section.layers_button.isEnabled()
    assert desk.dock.cohort_control.reading is None
