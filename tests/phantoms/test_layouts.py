"""Phantoms in the published layouts, read again as these are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.phantoms.layouts import phantom_cohort, write_phantoms
from napari_dmoe.progress import Cancelled, Progress


@pytest.mark.parametrize("kind", ["fundus", "fundus-race"])
def test_fundi_are_read_again_as_fairseg(tmp_path: Path, kind: str) -> None:
    out = write_phantoms(tmp_path, kind, 5, layout="fairseg", seed=3)
    assert out == tmp_path / "lists" / "test.txt"
    drawn = list(KINDS[kind].cohort(5, seed=3))
    cohort = open_cohort(tmp_path)
    assert (cohort.layout, cohort.problems, len(cohort)) == ("fairseg", (), 5)
    for own, read in zip(drawn, cohort, strict=True):
        assert own.labels is not None
        assert read.labels is not None
        assert np.array_equal(own.labels.data, read.labels.data)
        assert read.image.axes == ("y", "x")
        known = {key: own.patient.value(key) for key in ("sex", "race", "age")}
        assert read.patient.known() == known
        assert (read.phantom, read.is_altered) == (kind, False)
    train = open_cohort(tmp_path, list_file="train.txt")
    test = open_cohort(tmp_path, list_file="test.txt")
    assert (len(train), len(test)) == (4, 1)
    assert "severity" in (tmp_path / "README.txt").read_text("utf-8")


def test_skin_is_read_again_as_ham10000(tmp_path: Path) -> None:
    write_phantoms(tmp_path, "skin", 6, layout="ham10000")
    train = open_cohort(tmp_path, list_file="train.csv")
    test = open_cohort(tmp_path, list_file="test.csv")
    assert (len(train), len(test), train.layout) == (4, 2, "ham10000")
    for own, read in zip(KINDS["skin"].cohort(6, seed=0), [*train, *test], strict=True):
        assert own.labels is not None
        assert read.labels is not None
        assert np.array_equal(own.labels.data, read.labels.data)
        assert own.image.data.shape == read.image.data.shape
        assert read.patient.sex == own.patient.sex
        assert read.patient.value("body_site") == own.patient.value("body_site")
        assert isinstance(read.patient.age, str)
        assert (read.phantom, read.is_altered) == ("skin", False)


@pytest.mark.parametrize(
    ("kind", "layout", "said"),
    [
        ("skin", "fairseg", "does not hold skin phantoms: expected fundus or"),
        ("pelvis", "ham10000", "expected skin"),
        ("skin", "dicom", "no layout 'dicom': expected one of folder, fairseg"),
    ],
)
def test_what_a_layout_does_not_hold_is_refused(
    tmp_path: Path, kind: str, layout: str, said: str
) -> None:
    with pytest.raises(CohortError, match=said):
        write_phantoms(tmp_path / "out", kind, 1, layout=layout)


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CohortError, match="is not empty"):
        write_phantoms(tmp_path, "skin", 1, layout="ham10000")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("kind", "layout"), [("skin", "ham10000"), ("fundus", "fairseg")]
)
def test_what_is_cancelled_leaves_nothing(
    tmp_path: Path, kind: str, layout: str
) -> None:
    def stop(step: Progress) -> None:
        if step.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_phantoms(tmp_path, kind, 4, layout=layout, progress=stop)
    assert [path.name for path in tmp_path.rglob("*") if path.name[0] != "."] == []


def test_phantoms_are_a_cohort_without_files() -> None:
    cohort = phantom_cohort("skin", 3, seed=2)
    assert [row.id for row in cohort.rows] == [case.id for case in cohort]
    assert cohort.rows[2].patient == cohort[2].patient
    assert cohort.rows[1].read_labels().data.any()
    drawn = list(KINDS["skin"].cohort(3, seed=2))
    assert np.array_equal(cohort[1].image.data, drawn[1].image.data)
