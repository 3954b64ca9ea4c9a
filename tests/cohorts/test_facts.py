"""Whose image one is that was opened by itself: of its header, or the BIDS table."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("pydicom")
from dicom_files import write, write_series

from napari_dmoe.cohorts.facts import facts_of
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.cohorts.series.listing import entries_of
from napari_dmoe.patient import Patient, Proposal

formats = pytest.mark.formats
VOLUME = np.random.default_rng(0).integers(0, 99, (5, 4, 6)).astype(np.int16)


def nifti(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(VOLUME, np.eye(4)), path)
    return path


def test_a_series_and_its_files_bring_their_header(tmp_path: Path) -> None:
    who = {"PatientSex": "F", "PatientAge": "063Y", "EthnicGroup": "White"}
    first, *_ = write_series(tmp_path, VOLUME, **who)
    for path in (tmp_path, first):
        facts = facts_of(path)
        assert facts.values == {"sex": "female", "age": 63.0}
        assert facts.proposals == {"race": Proposal("White", "White")}
        assert facts.source == "from the DICOM header"


def test_an_image_of_a_bids_tree_brings_its_row(tmp_path: Path) -> None:
    path = nifti(tmp_path / "sub-02" / "anat" / "sub-02_T1w.nii.gz")
    lines = ("participant_id\tage\tsex\trace", "sub-01\t20\tM\t", "02\t63\tF\twhite")
    (tmp_path / "participants.tsv").write_text("\n".join(lines))
    facts = facts_of(path)
    assert facts.values == {"sex": "female", "age": 63.0}
    assert facts.proposals == {"race": Proposal("white", "White")}
    assert facts.source == "from participants.tsv"
    assert not facts_of(nifti(tmp_path / "sub-03" / "a.nii.gz"))
    assert not facts_of(nifti(tmp_path / "other" / "a.nii.gz"))


@pytest.mark.parametrize("table", ["", "age\n3\n", "participant_id\nsub-01\n", "\x00"])
def test_a_table_that_tells_nothing_is_no_error(tmp_path: Path, table: str) -> None:
    path = nifti(tmp_path / "sub-01" / "a.nii.gz")
    (tmp_path / "participants.tsv").write_text(table)
    assert not facts_of(path)


def test_a_listed_image_has_what_nobody_stated_of_its_own(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME, PatientSex="F", PatientAge="063Y")
    (entry,) = listing = entries_of(tmp_path, Patient(sex="male"))
    assert entry.path == tmp_path
    assert entry.patient == Patient(sex="male", age=63)
    (notice,) = listing.notices
    assert notice == "age is taken from the DICOM header ('unknown' leaves one out)"


@formats("folders of DICOM series and of zarr, in a folder to segment")
def test_folders_of_series_are_an_image_each(tmp_path: Path) -> None:
    for n in range(2):
        write_series(tmp_path / f"p{n}", VOLUME, PatientSex="MF"[n])
    nifti(tmp_path / "other.nii.gz")
    listing = entries_of(tmp_path)
    assert [entry.name for entry in listing] == ["other", "p0", "p1"]
    assert [entry.patient.sex for entry in listing] == [None, "male", "female"]
    assert listing.notices[-1].endswith("('unknown' leaves one out), for 2 images")


@formats("DICOM files of several images, in a folder to segment")
def test_files_of_one_folder_are_listed_by_image(tmp_path: Path) -> None:
    photograph = np.zeros((4, 6, 3), np.uint8)
    for name in ("b.dcm", "a.dcm"):
        write(tmp_path / name, photograph, Modality="XC")
    write_series(tmp_path / "x", VOLUME)
    for path in (tmp_path / "x").iterdir():
        path.rename(tmp_path / path.name)
    (tmp_path / "x").rmdir()
    listing = entries_of(tmp_path)
    assert [entry.path.name for entry in listing] == ["IM0000.dcm", "a.dcm", "b.dcm"]


@formats("DICOM folders and OME-Zarr in a cohort table")
def test_a_table_names_folders_and_zarr_as_it_names_files(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    write_series(tmp_path / "p1" / "scan", VOLUME, PatientSex="F")
    write_series(tmp_path / "p1" / "seg", (VOLUME > 50).astype(np.int16))
    write_series(tmp_path / "p2", VOLUME)
    store = zarr.open_group(str(tmp_path / "p3.ome.zarr"), mode="w", zarr_format=2)
    store.create_array("0", data=VOLUME)
    axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
    how = [{"type": "scale", "scale": [2.0, 0.5, 0.75]}]
    store.attrs["multiscales"] = [
        {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": how}]}
    ]
    rows = (
        "id,image,labels,sex",
        "a,p1/scan,p1/seg,",
        "b,p2,,male",
        "c,p2/IM0002.dcm,,male",
        "d,p3.ome.zarr,,",
    )
    (tmp_path / "cohort.csv").write_text("\n".join(rows))
    cohort = open_cohort(tmp_path)
    assert not cohort.problems
    cases = [row.read() for row in cohort.rows]
    assert [case.image.data.shape for case in cases] == [(5, 4, 6)] * 4
    assert cases[0].labels is not None
    np.testing.assert_array_equal(cases[0].labels.data, VOLUME > 50)
    # A table's blank cell means unknown, whatever the file says.
    assert cases[0].patient == Patient()
    assert not [said for said in cohort.notices if "no row" in said]
