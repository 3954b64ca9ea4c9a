"""A case is opened with all that is known of it, and never drawn over another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from audited import WORST, audit_of, write_planes, write_volumes
from napari.components import ViewerModel
from napari.layers import Labels
from PIL import Image as Picture

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.fairness.opening.case_layers import CaseLayers
from napari_dmoe.viewer.fairness.opening.control import Wished
from napari_dmoe.viewer.fairness.opening.layer_data import layers_of
from napari_dmoe.viewer.fairness.opening.reading import (
    CaseFiles,
    read_case,
    read_pair,
    region_labels,
)
from napari_dmoe.viewer.fairness.shelf import Audit
from napari_dmoe.viewer.layers.placement import data_to_world
from napari_dmoe.viewer.layers.stage import stage_of
from napari_dmoe.viewer.session.session import Session, session_of

N_CASES = 12


@pytest.fixture
def planes(tmp_path: Path) -> Audit:
    return audit_of(write_planes(tmp_path))


@pytest.fixture
def volumes(tmp_path: Path) -> Audit:
    return audit_of(write_volumes(tmp_path))


@pytest.fixture
def session(viewer: ViewerModel) -> Session:
    return session_of(viewer)


class Opener:
    """Opens cases as the control does, without a job."""

    def __init__(self, session: Session) -> None:
        self.layers, self.n_read = CaseLayers(session), 0

    def open(self, audit: Audit, place: int) -> str:
        wished = Wished(audit, place)
        if self.layers.is_whole(wished.whose):
            self.layers.show(wished.whose)
            return ""
        self.n_read += 1
        files = wished.files
        made = layers_of(
            read_case(files), wished.case.id, model=audit.title, classes=files.classes
        )
        self.layers.show(wished.whose, made)
        return " ".join(made.said)


@pytest.fixture
def opener(session: Session) -> Opener:
    return Opener(session)


def seen(viewer: ViewerModel) -> list[str]:
    lines = [layer for layer in viewer.layers if "outline" in layer.name]
    return [e.name for e in viewer.layers if e.visible and e not in lines]


def masks(viewer: ViewerModel) -> dict[str, Labels]:
    return {e.name: e for e in viewer.layers if isinstance(e, Labels)}


def test_a_case_opens_with_image_truth_prediction_and_errors(
    viewer: ViewerModel, session: Session, opener: Opener, planes: Audit
) -> None:
    opener.open(planes, 6)  # of a woman, three pixels off
    assert set(seen(viewer)) == {
        "case-06",
        "case-06 / errors",
        "case-06 / truth",
        "case-06 / mask by predictions",
    }
    errors = masks(viewer)["case-06 / errors"]
    truth = masks(viewer)["case-06 / truth"]
    assert errors.data[6].tolist() == [0] * 4 + [1] * 3 + [0] * 5 + [2] * 3 + [0]
    assert errors.get_status((6, 5))["value"].count("false negative") == 1
    assert not errors.editable
    assert set(np.unique(truth.data)) == {0, 1}  # 255 in the file
    assert session.image is viewer.layers["case-06"]
    patient = session.patient_of(session.image)
    assert (patient.sex, patient.age) == ("female", 54)
    assert session.truths.of(session.image).labels is truth


def test_what_a_person_said_of_the_patient_stays(
    viewer: ViewerModel, session: Session, opener: Opener, planes: Audit
) -> None:
    opener.open(planes, 0)
    image = session.image
    session.set_patient(image, Patient(sex="female", age=77.0))
    opener.open(planes, 1)
    opener.open(planes, 0)
    assert session.image is image
    assert session.patient_of(image).age == 77


def test_one_case_is_seen_at_a_time_and_a_second_visit_finds_its_layers(
    viewer: ViewerModel, opener: Opener, planes: Audit
) -> None:
    opener.open(planes, 0)
    first = set(viewer.layers)
    opener.open(planes, 1)
    assert not any(layer.visible for layer in first)
    assert all(name.startswith("case-01") for name in seen(viewer))
    n_layers = len(viewer.layers)
    opener.open(planes, 0)
    assert (len(viewer.layers), opener.n_read) == (n_layers, 2)
    assert all(name.startswith("case-00") for name in seen(viewer))
    assert not any("[" in layer.name for layer in viewer.layers)


def test_another_model_on_the_same_case_shares_its_image_and_truth(
    viewer: ViewerModel, opener: Opener, planes: Audit, tmp_path: Path
) -> None:
    (tmp_path / "rival").mkdir()
    for path in (tmp_path / "predictions").iterdir():
        path.rename(tmp_path / "rival" / path.name)
    rival = audit_of(tmp_path / "cohort.csv", predictions="rival")
    ours = replace_predictions(planes, tmp_path / "rival")
    opener.open(ours, 6)
    opener.open(rival, 6)
    images = [e for e in viewer.layers if e.name == "case-06"]
    assert len(images) == 1
    assert "case-06 / mask by rival" in seen(viewer)
    assert "case-06 / mask by predictions" not in seen(viewer)
    opener.open(ours, 6)
    assert "case-06 / mask by predictions" in seen(viewer)
    assert "case-06 / mask by rival" not in seen(viewer)
    assert not any("[" in layer.name for layer in viewer.layers)


def replace_predictions(audit: Audit, folder: Path) -> Audit:
    moved = [
        replace(case, prediction=folder / case.prediction.name)
        for case in audit.evaluated
    ]
    return Audit(replace(audit.evaluated, cases=tuple(moved)), audit.cohort)


def test_cases_without_an_image_open_as_labels_that_stand_alone(
    viewer: ViewerModel, session: Session, opener: Opener, volumes: Audit
) -> None:
    mine = viewer.add_image(np.zeros((9, 9), np.uint8), name="retina")
    opener.open(volumes, 1)
    assert not mine.visible
    assert set(seen(viewer)) == {
        "volume-1 / truth",
        "volume-1 / mask by predictions",
        "volume-1 / errors",
    }
    assert session.image is None
    truth = viewer.layers["volume-1 / truth"]
    sides = np.abs(np.diag(data_to_world(truth)))[:3]
    np.testing.assert_allclose(sides, (3, 0.5, 0.5))
    opener.open(volumes, 2)
    assert all(name.startswith("volume-2") for name in seen(viewer))
    viewer.layers.selection.active = mine
    assert seen(viewer) == ["retina"]
    assert session.image is mine
    viewer.layers.selection.active = truth
    assert all(name.startswith("volume-1") for name in seen(viewer))
    assert session.image is None


def test_a_volume_opens_where_most_is_wrong(
    viewer: ViewerModel, opener: Opener, volumes: Audit
) -> None:
    opener.open(volumes, 3)
    assert viewer.dims.point[0] == 4 * 3.0


def test_another_image_is_shown_when_a_case_without_one_is_closed(
    viewer: ViewerModel, session: Session, opener: Opener, volumes: Audit
) -> None:
    mine = viewer.add_image(np.zeros((9, 9), np.uint8), name="retina")
    opener.open(volumes, 1)
    for layer in [e for e in viewer.layers if isinstance(e, Labels)]:
        viewer.layers.remove(layer)
    assert session.image is mine
    assert mine.visible


def test_cases_left_behind_go_but_not_those_somebody_painted(
    viewer: ViewerModel, opener: Opener, planes: Audit
) -> None:
    opener.open(planes, 0)
    masks(viewer)["case-00 / mask by predictions"].paint((0, 0), 1)
    for place in range(1, N_CASES):
        opener.open(planes, place)
    names = {layer.name.partition(" /")[0] for layer in viewer.layers}
    assert "case-00" in names
    assert len(names) < N_CASES
    assert "case-01" not in names
    assert f"case-{N_CASES - 1}" in names


def test_a_prediction_that_was_written_anew_is_read_anew(
    viewer: ViewerModel, opener: Opener, planes: Audit
) -> None:
    opener.open(planes, 6)
    path = planes.evaluated[6].prediction
    Picture.fromarray(np.full((16, 16), 255, np.uint8)).save(path)
    opener.open(planes, 1)
    opener.open(planes, 6)
    mask = masks(viewer)["case-06 / mask by predictions"]
    assert mask.data.all()
    assert sum("mask by" in e.name and "06" in e.name for e in viewer.layers) == 1


def test_a_prediction_that_is_gone_is_said(
    viewer: ViewerModel, opener: Opener, planes: Audit
) -> None:
    planes.evaluated[0].prediction.unlink()
    said = opener.open(planes, 0)
    assert "case-00.png is no longer there" in said
    assert {"case-00", "case-00 / truth"} == set(seen(viewer))


def test_a_mask_of_other_pixels_is_said_and_the_rest_opens(
    viewer: ViewerModel, opener: Opener, planes: Audit
) -> None:
    path = planes.evaluated[0].prediction
    Picture.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    said = opener.open(planes, 0)
    assert "The prediction cannot be shown" in said
    assert {"case-00", "case-00 / truth"} == set(seen(viewer))


def test_a_case_of_which_nothing_can_be_read_is_refused(planes: Audit) -> None:
    case = replace(planes.evaluated[0], image=None, labels=None, prediction=None)
    with pytest.raises(CohortError, match="neither an image nor a mask"):
        read_case(CaseFiles(case))


def test_a_case_without_its_cohort_opens_by_its_paths(planes: Audit) -> None:
    read = read_case(CaseFiles(planes.evaluated[6], None, ("background", "lesion")))
    assert read.image is not None
    assert read.are_comparable


def test_a_prediction_is_computed_again_where_it_can_be(planes: Audit) -> None:
    case = replace(planes.evaluated[6], prediction=None)
    row = planes.row_of(case.id)
    truth = row.read_labels()
    files = CaseFiles(case, row, ("background", "lesion"))
    read = read_case(
        files, compute=lambda image: replace(truth, data=truth.data // 255)
    )
    assert read.is_computed
    assert "computed again" in " ".join(read.said)
    assert read.are_comparable
    assert "keep the masks" in " ".join(read_case(files).said)


def test_pairs_are_read_as_classes_for_the_maps(planes: Audit) -> None:
    (worst,) = [case for case in planes.evaluated if case.id == WORST]
    classes = ("background", "lesion")
    predicted, truth = read_pair(CaseFiles(worst, planes.row_of(WORST), classes))
    assert not predicted.any()
    assert truth.sum() == 64
    worst.prediction.write_bytes(b"no picture")
    assert read_pair(CaseFiles(worst, planes.row_of(WORST), classes)) is None
    assert read_pair(CaseFiles(replace(worst, labels=None))) is None


def test_a_region_is_made_of_its_classes() -> None:
    classes = ("background", "rim", "cup")
    assert region_labels(classes, "disc") == (1, 2)
    assert region_labels(classes, "cup") == (2,)
    assert region_labels((), "cup") == ()


def test_what_stands_in_is_bound_to_nothing_else(viewer: ViewerModel) -> None:
    stage = stage_of(viewer)
    first = viewer.add_labels(np.zeros((4, 4), int), name="first")
    second = viewer.add_labels(np.zeros((4, 4), int), name="second")
    stage.stand_in(first)
    stage.own(first, second)
    stage.show(first)
    assert (stage.shown, stage.image_of(second)) == (first, first)
    assert stage.layers_of(first) == [second]
