"""Columns whose meaning is stated, and the cells that are not used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import Cohort, read_cohort, read_table_rows
from napari_dmoe.cohorts.series.listing import entries_of
from napari_dmoe.cohorts.tables.rows import BadRow
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.patient import Patient

PIXELS = np.arange(20, dtype=np.uint8).reshape(4, 5)
HEADER = "image_id,lesion_id,dx,age,sex"
LINES = "a,L1,nv,55.0,female", "b,L1,mel,40.0,male"


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_tiff(folder / name, PIXELS % 3, axes="yx")


def table_of(folder: Path, *lines: str) -> Path:
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "metadata.csv"


def cohort_of(folder: Path, *lines: str, **how: object) -> Cohort:
    return read_cohort(table_of(folder, *lines), **how)


def test_what_is_not_used_goes_along_as_it_is_called(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif")
    first, second = cohort_of(tmp_path, HEADER, *LINES, drivers=["age"]).rows
    assert first.further == {"lesion_id": "L1", "dx": "nv"}
    assert second.further == {"lesion_id": "L1", "dx": "mel"}
    assert first.patient == Patient(sex="female", age=55, others={"dx": "nv"})
    assert "nv" not in repr(first) + str(entries_of(tmp_path / "metadata.csv")[0])


def test_what_drives_the_model_is_used(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif")
    table = table_of(tmp_path, HEADER, *LINES)
    (entry, _) = entries_of(table, drivers=["dx"])
    assert entry.further == {"lesion_id": "L1"}
    assert entry.patient == Patient(sex="female", age=55, others={"dx": "nv"})
    (entry, _) = entries_of(table)
    assert entry.of_model(["dx"]).further == {"lesion_id": "L1"}
    assert entry.of_model([]).further == {"lesion_id": "L1", "dx": "nv"}
    assert entry.of_model([]).patient == Patient(sex="female", age=55)


def test_a_bad_row_has_its_cells_and_an_entry_its_truth(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif", "masks/a_mask.tif")
    table = table_of(tmp_path, HEADER, "a,L1,nv,55,F", "b,L2,mel,old,M")
    good, bad = entries_of(table)
    assert good.labels == tmp_path / "masks" / "a_mask.tif"
    assert bad.problem is not None
    assert (bad.further["dx"], bad.labels) == ("mel", None)
    assert isinstance(read_table_rows(table).rows[1], BadRow)


def test_a_column_is_what_was_said_of_it(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif", "drawn/m_1.tif")
    cohort = cohort_of(
        tmp_path,
        "Picture,id,Stage,age,age_at_biopsy,Drawn By,lesion_id,Clinic",
        "a,7,T2,55,54,drawn/m_1.tif,L1,X",
        "b,8,T3,40,39,,L1,X",
        columns={
            "picture": "image",
            "Drawn by": "labels",
            "Stage": "severity",
            "age_at_biopsy": "age",
            "Clinic": "subject",
            "lesion_id": "",
        },
    )
    first, second = cohort.rows
    assert (first.image.name, first.id, second.id) == ("a.tif", "7", "8")
    assert first.labels == tmp_path / "drawn" / "m_1.tif"
    assert first.patient == Patient(severity="T2", age=54)
    assert first.subject == second.subject == "X"
    assert first.further == {"age": "55", "lesion_id": "L1", "Clinic": "X"}
    said = "\n".join(cohort.notices)
    assert "Stage as severity, age_at_biopsy as age" in said
    assert "columns not used: age, lesion_id" in said


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"sexx": "severity"},
            r"no column 'sexx' \(is 'sex' meant\?\): it has image_id",
        ),
        ({"dx": "agee"}, r"no attribute 'agee': is age meant\?"),
        ({"dx": "age", "sex": "Age"}, "dx and sex are both to be age: name one"),
        ({"dx": "image", "sex": "image"}, "dx and sex are both to be image"),
        ({"image_id": ""}, "has no column 'image'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    tmp_path: Path, columns: dict[str, str], said: str
) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif")
    with pytest.raises(CohortError, match=said):
        cohort_of(tmp_path, HEADER, *LINES, columns=columns)


def test_two_columns_may_tell_subjects(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif")
    lines = "image_id,P,Q", "a,1,2", "b,3,2"
    columns = {"P": "subject", "Q": "subject"}
    first, second = cohort_of(tmp_path, *lines, columns=columns).rows
    assert first.subject == second.subject is not None
