"""Tables, rows of masks alone, and cases that are open: everything is a cohort."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import fairseg, ham

from napari_dmoe.cohorts.case import Case, CohortError, Selection
from napari_dmoe.cohorts.datasets import subjects_of
from napari_dmoe.cohorts.layouts.checking import why_no_image
from napari_dmoe.cohorts.layouts.opening import cohort_of, open_cohort, usable_cohort
from napari_dmoe.cohorts.tables import telling
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.tables import read_table
from napari_dmoe.patient import Patient

PIXELS = np.arange(20, dtype=np.uint8).reshape(4, 5)


def table(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    """Write a table, and every .tif that it names."""
    for line in lines:
        for cell in line.replace(";", ",").replace("\t", ",").split(","):
            if cell.endswith(".tif") and not cell.startswith("lost"):
                (folder / cell).parent.mkdir(parents=True, exist_ok=True)
                write_tiff(folder / cell, PIXELS % 2, axes="yx")
    path = folder / "cohort.csv"
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def case(name: str, **known: object) -> Case:
    image = SpatialImage.from_array(PIXELS, axes="yx")
    return Case(name, image, replace(image, data=PIXELS % 2), Patient(**known))


def test_a_table_goes_before_the_layout_of_its_folder(tmp_path: Path) -> None:
    fairseg(tmp_path)
    table(tmp_path, "image", "a.tif")
    assert open_cohort(tmp_path).layout == "folder"
    assert open_cohort(tmp_path, layout="fairseg").layout == "fairseg"


@pytest.mark.parametrize("layout", ["fairseg", "ham10000", "bids"])
def test_another_layout_than_stated_is_refused(tmp_path: Path, layout: str) -> None:
    table(tmp_path, "image", "a.tif")
    with pytest.raises(CohortError, match=f"not laid out as {layout}: expected"):
        open_cohort(tmp_path, layout=layout)


def test_what_cannot_be_stated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no layout 'nifti': expected one of auto"):
        open_cohort(tmp_path, layout="nifti")
    with pytest.raises(CohortError, match="no such file or folder"):
        open_cohort(tmp_path / "nowhere")
    path = table(tmp_path, "image", "a.tif")
    with pytest.raises(CohortError, match="a list is for the layouts"):
        open_cohort(path, list_file="test.txt")
    fairseg(tmp_path / "eyes")
    with pytest.raises(CohortError, match="fairseg are known"):
        open_cohort(tmp_path / "eyes", columns={"race": "group"})


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "id,image,labels,age,sex",
        "a,a.tif,la.tif,63,F",
        "b,lost.tif,lost_too.tif,old,F",
        "a,b.tif,lb.tif,63,F",
        "c,c.tif,lost.tif,-3,F",
        "d,d.tif,,,",
        "e,,ld.tif,50,M",
        "f,f.tif,lf.tif,50,M,more",
    )
    cohort = open_cohort(path)
    assert [row.id for row in cohort.rows] == ["a", "d"]
    found = [(p.row, p.column, p.value) for p in cohort.problems]
    assert found == [
        (3, "image", "lost.tif"),
        (3, "labels", "lost_too.tif"),
        (3, "age", "old"),
        (4, "id", "a"),
        (5, "labels", "lost.tif"),
        (5, "age", "-3"),
        (7, "image", ""),
        (8, "", "6 cells"),
    ]
    assert all(problem.expected for problem in cohort.problems)
    private = {p.column for p in cohort.problems if p.is_private}
    assert private == {"age"}


def test_rows_without_a_truth_are_problems_where_one_is_needed(tmp_path: Path) -> None:
    path = table(tmp_path, "id,image,labels", "a,a.tif,la.tif", "b,b.tif,")
    assert open_cohort(path).problems == ()
    cohort = open_cohort(path, needs_labels=True)
    assert [row.id for row in cohort.rows] == ["a"]
    assert [(p.row, p.column) for p in cohort.problems] == [(3, "labels")]


def test_files_that_are_no_images_are_problems(tmp_path: Path) -> None:
    path = table(tmp_path, "id,image,labels", *(f"{x},{x}.tif,l{x}.tif" for x in "abc"))
    (tmp_path / "a.tif").write_bytes(b"")
    (tmp_path / "lb.tif").write_bytes(b"%PDF-1.7")
    cohort = open_cohort(path)
    assert [row.id for row in cohort.rows] == ["c"]
    assert [(p.row, p.column) for p in cohort.problems] == [(2, "image"), (3, "labels")]
    assert "empty" in cohort.problems[0].expected
    assert "a PDF" in cohort.problems[1].expected


@pytest.mark.parametrize(
    ("name", "head", "is_fine"),
    [
        ("a.nii", (348).to_bytes(4, "little"), True),
        ("a.nii", (540).to_bytes(4, "big"), True),
        ("a.nii", b"\x1f\x8b\x08\0", False),
        ("a.nii.gz", b"\x1f\x8b\x08\0", True),
        ("a.nii.gz", (348).to_bytes(4, "little"), False),
        ("a.nii", b"\x89PNG", False),
        ("a.png", b"\xff\xd8\xff\xe0", True),
    ],
)
def test_files_are_told_by_their_first_bytes(
    tmp_path: Path, name: str, head: bytes, is_fine: bool
) -> None:
    (tmp_path / name).write_bytes(head + bytes(600))
    assert (why_no_image(tmp_path / name) == "") is is_fine


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_of_any_country_are_read(
    tmp_path: Path, separator: str, encoding: str
) -> None:
    lines = ["id,image,age,psa,clinic", "a,a.tif,63|5,8|9,Zürich", "b,b.tif,40,10,Köln"]
    plain = [line.replace(",", separator).replace("|", ",") for line in lines]
    path = table(tmp_path, *plain, encoding=encoding)
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, PIXELS, axes="yx")
    cohort = open_cohort(path)
    others = {"psa": "8.9", "clinic": "Zürich"}
    assert cohort.rows[0].patient == Patient(age=63.5, others=others)
    assert any("fractions of numbers" in n and "age, psa" in n for n in cohort.notices)
    is_told = any("Windows-1252" in n or "UTF-16" in n for n in cohort.notices)
    assert is_told is encoding.startswith(("utf-16", "cp1252"))


def test_a_wide_table_is_gone_through_a_few_times_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"score_{n}" for n in range(40)]
    cells = ["1;234"] * 39 + ["5;8"]
    lines = [",".join(["image", *names]), ",".join(["a.tif", *cells])]
    path = table(tmp_path, *(x.replace(",", "\t").replace(";", ",") for x in lines))
    write_tiff(tmp_path / "a.tif", PIXELS, axes="yx")
    times = []

    def counted(*arguments: Any, **options: Any) -> Any:
        times.append(arguments)
        return read_table(*arguments, **options)

    monkeypatch.setattr(telling, "read_table", counted)
    known = open_cohort(path).rows[0].patient.others
    assert (known["score_0"], known["score_39"]) == ("1,234", "5.8")
    assert len(times) < 10


@pytest.mark.formats(
    "columns that tell who somebody is, or a day of theirs: `PatientName`, "
    "`BirthDate`, `StudyDate`"
)
def test_columns_that_tell_who_somebody_is_go_nowhere(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "image,Patient Name,PatientBirthDate,study_date,E-Mail,clinic",
        "a.tif,Doe^Jane,19500101,20200101,jane@example.org,X",
    )
    cohort = open_cohort(path)
    (row,) = cohort.rows
    assert row.patient.known() == {"clinic": "X"}
    assert dict(row.further) == {"clinic": "X"}
    (said,) = (each for each in cohort.notices if "who somebody is" in each)
    assert said.endswith("Patient Name, PatientBirthDate, study_date, E-Mail")
    stated = open_cohort(path, columns={"study_date": "era"})
    assert stated.rows[0].patient.known() == {"era": "20200101", "clinic": "X"}


def test_commas_that_may_be_thousands_stay(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", PIXELS, axes="yx")
    path = table(tmp_path, "image;psa;list", "a.tif;1,234;1,2,3")
    known = open_cohort(path).rows[0].patient
    assert known.others == {"psa": "1,234", "list": "1,2,3"}


def test_unknown_stays_unknown(tmp_path: Path) -> None:
    path = table(tmp_path, "image,sex,age,race", "a.tif,unknown,,n/a", "b.tif,?,NaN,-")
    cohort = open_cohort(path)
    assert [row.patient.known() for row in cohort.rows] == [{}, {}]
    assert cohort.problems == ()


def test_masks_need_no_image(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "id,subject,labels,prediction,centre",
        "a,1,labels/a.tif,predictions/a.tif,X",
        "b,1,labels/b.tif,predictions/b.tif,Y",
    )
    with pytest.raises(CohortError, match="no column 'image'"):
        open_cohort(path)
    cohort = open_cohort(path, needs_image=False)
    row = cohort.row_of("b")
    assert row.image == Path()
    assert row.labels is not None
    assert row.prediction is not None
    assert row.prediction.parent.name == "predictions"
    assert row.patient.known() == {"centre": "Y"}
    assert subjects_of(cohort) == ("1", "1")
    assert np.array_equal(row.read_labels().data, PIXELS % 2)
    with pytest.raises(CohortError, match="row 3: no image is named"):
        row.read()
    assert any("group by: centre" in notice for notice in cohort.notices)


def test_images_that_are_not_there_are_told_where_none_is_needed(
    tmp_path: Path,
) -> None:
    path = table(tmp_path, "id,image,labels", "a,lost.tif,ta.tif", "b,b.tif,tb.tif")
    cohort = open_cohort(path, needs_image=False)
    assert [row.image.name for row in cohort.rows] == ["", "b.tif"]
    assert any("(2) without an image" in notice for notice in cohort.notices)


def test_a_missing_prediction_is_a_problem(tmp_path: Path) -> None:
    path = table(tmp_path, "image,prediction", "a.tif,pa.tif", "b.tif,lost.tif")
    cohort = open_cohort(path)
    assert [(p.row, p.column) for p in cohort.problems] == [(3, "prediction")]


def test_a_predicted_diagnosis_is_no_mask(tmp_path: Path) -> None:
    path = table(tmp_path, "image,prediction", "a.tif,melanoma", "b.tif,naevus")
    cohort = open_cohort(path)
    assert [row.prediction for row in cohort.rows] == [None, None]
    assert cohort.rows[0].patient.known() == {"prediction": "melanoma"}


def test_a_cohort_keeps_what_it_is_when_it_is_cut(tmp_path: Path) -> None:
    cohort = open_cohort(fairseg(tmp_path))
    part = cohort[:2]
    assert (len(part), part.layout, part.classes) == (2, "fairseg", cohort.classes)
    assert part.notices == cohort.notices
    with pytest.raises(CohortError, match="no case of FairSeg has that id"):
        cohort.row_of("x")


def test_open_cases_are_a_cohort() -> None:
    cases = [case("a", sex="F"), case("b"), case("a")]
    cohort = cohort_of(cases, title="layers")
    assert (cohort.layout, cohort.title, len(cohort)) == ("open", "layers", 2)
    first = cohort.rows[0]
    assert (first.image, first.labels, first.prediction) == (Path(), None, None)
    assert first.patient == Patient(sex="female")
    assert cohort[0] is cases[0]
    assert np.array_equal(first.read_labels().data, PIXELS % 2)
    assert [(p.row, p.value) for p in cohort.problems] == [(3, "a")]
    assert repr(first) == "OpenRow(number=1)"


def test_an_open_case_without_labels_says_so() -> None:
    bare = replace(case("a"), labels=None)
    with pytest.raises(CohortError, match="case 1 has no labels"):
        cohort_of([bare]).rows[0].read_labels()


def test_a_part_of_a_cohort_stays_unread(tmp_path: Path) -> None:
    cohort = open_cohort(ham(tmp_path, "A,HAM10000_images/A.jpg,M,3,back"))
    assert cohort_of(cohort) is cohort
    part = cohort_of(Selection(cohort, [0]))
    (row,) = part.rows
    assert row.image == cohort.rows[0].image
    assert row.patient == cohort.rows[0].patient
    assert part[0].id == "A"


def test_a_cohort_to_train_on_has_no_problems(tmp_path: Path) -> None:
    fairseg(tmp_path, train=["data_00001.npz"], test=["data_00002", "data_00009"])
    assert len(usable_cohort(tmp_path / "lists" / "train.txt")) == 1
    with pytest.raises(CohortError, match="problems in 1 row: row 2, name: expected"):
        usable_cohort(tmp_path / "lists" / "test.txt")
    table(tmp_path / "own", "image", "a.tif")
    assert usable_cohort(tmp_path / "own").layout == "folder"
