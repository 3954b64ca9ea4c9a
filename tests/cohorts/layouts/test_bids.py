"""Folders in BIDS: the image and the mask of each participant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient

VOXELS = np.zeros((2, 3, 4), np.uint8)


def bids(root: Path, table: str, *files: str) -> Cohort:
    for name in files:
        path = root / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(path, SpatialImage.from_array(VOXELS, axes="zyx", unit="mm"))
    (root / "participants.tsv").write_text(table, "utf-8")
    return open_cohort(root)


def test_participants_are_found_with_their_masks(tmp_path: Path) -> None:
    cohort = bids(
        tmp_path,
        "participant_id\tsex\tage\tsite\nsub-01\tF\t63\tA\nsub-02\tn/a\t\tB\n",
        "sub-01/anat/sub-01_T1w",
        "sub-01/anat/sub-01_FLAIR",
        "derivatives/manual/sub-01/anat/sub-01_T1w_label-lesion_mask",
        "sub-02/ses-1/anat/sub-02_ses-1_T1w",
    )
    assert cohort.layout == "bids"
    assert cohort.problems == ()
    first, second = cohort.rows
    assert (first.id, first.subject, first.image.name) == (
        "sub-01",
        "sub-01",
        "sub-01_T1w.nii.gz",
    )
    assert first.labels is not None
    assert first.patient == Patient(sex="female", age=63, others={"site": "A"})
    assert second.labels is None
    assert second.patient.known() == {"site": "B"}
    assert cohort[0].labels is not None
    assert any("1 images without a mask left out" in each for each in cohort.notices)


def test_sessions_of_a_participant_stay_together(tmp_path: Path) -> None:
    cohort = bids(
        tmp_path,
        "participant_id\n01\n",
        "sub-01/ses-1/sub-01_ses-1_T2w",
        "sub-01/ses-1/sub-01_ses-1_mask",
        "sub-01/ses-2/sub-01_ses-2_T2w",
        "sub-01/ses-2/sub-01_ses-2_dseg",
    )
    assert [row.id for row in cohort.rows] == ["sub-01_ses-1_T2w", "sub-01_ses-2_T2w"]
    assert {row.subject for row in cohort.rows} == {"sub-01"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((), "an image in the participant's folder"),
        (("sub-01/sub-01_T1w", "sub-01/sub-01_T2w"), "one image, or masks that tell"),
        (
            ("sub-01/sub-01_T1w", "sub-01/sub-01_T2w", "sub-01/sub-01_mask"),
            "a name that tells which of 2 images",
        ),
        (
            ("sub-01/sub-01_T1w", "sub-01/sub-01_mask", "sub-01/sub-01_dseg"),
            "one mask of each image",
        ),
    ],
)
def test_what_names_leave_open_is_a_problem(
    tmp_path: Path, files: tuple[str, ...], expected: str
) -> None:
    table = "participant_id\nsub-01\nsub-02\n"
    cohort = bids(tmp_path, table, *files, "sub-02/sub-02_T1w")
    assert [row.id for row in cohort.rows] == ["sub-02"]
    (problem,) = cohort.problems
    assert (problem.row, problem.column) == (2, "participant_id")
    assert expected in problem.expected
    assert not problem.shown


def test_a_mask_of_another_space_is_not_the_images(tmp_path: Path) -> None:
    cohort = bids(
        tmp_path,
        "participant_id\nsub-01\n",
        "sub-01/sub-01_T1w",
        "derivatives/sub-01/sub-01_space-MNI152_mask",
    )
    assert cohort.rows[0].labels is None


def test_participants_without_a_value_or_twice_are_told(tmp_path: Path) -> None:
    cohort = bids(
        tmp_path,
        "participant_id\tage\nsub-01\told\nsub-02\t40\n02\t40\n\t30\n",
        "sub-01/sub-01_T1w",
        "sub-02/sub-02_T1w",
    )
    assert [row.id for row in cohort.rows] == ["sub-02"]
    assert [(p.row, p.column) for p in cohort.problems] == [
        (2, "age"),
        (4, "participant_id"),
        (5, "participant_id"),
    ]
