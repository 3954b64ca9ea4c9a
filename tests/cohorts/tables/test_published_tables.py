"""Tables as cohorts are published: other names, no paths, lesions and patients."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.datasets import (
    Cohort,
    read_cohort,
    read_rows,
    subjects_of,
)
from napari_dmoe.cohorts.series.listing import entries_of
from napari_dmoe.cohorts.tables.subjects import subjects_told
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient

formats = pytest.mark.formats

PIXELS = np.arange(20, dtype=np.uint8).reshape(4, 5)


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_tiff(folder / name, PIXELS % 3, axes="yx")


def cohort_of(folder: Path, *lines: str, **how: object) -> Cohort:
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    return read_cohort(folder / "metadata.csv", **how)


def files_of(cohort: Cohort) -> list[tuple[str, str]]:
    return [
        (row.image.name, row.labels.parent.name + "/" + row.labels.name)
        if row.labels
        else (row.image.name, "")
        for row in cohort.rows
    ]


def said(cohort: Cohort) -> str:
    return "\n".join(cohort.notices)


@formats("tables as cohorts are published, which name images without paths")
@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("image_id", "A_1"), ("isic_id", "A_1"), ("Image ID", "A_1"), ("id", "A_1"),
        ("filename", "A_1.tif"), ("file", "images/A_1.tif"), ("name", "a_1"),
        ("image", "A_1"), ("image_name", "A_1.jpg"), ("Filename", "other/A_1.tif"),
        ("image", "A_1.tif"), ("Image", "a_1.JPG"),
    ],
)  # fmt: skip
def test_images_and_labels_are_found_by_name(
    tmp_path: Path, column: str, cell: str
) -> None:
    pictures(tmp_path, "images/A_1.tif", "images/A_2.tif", "masks/A_1.tif")
    cohort = cohort_of(tmp_path, f"{column},sex", f"{cell},F")
    assert files_of(cohort) == [("A_1.tif", "masks/A_1.tif")]
    assert cohort[0].patient == Patient(sex="female")
    assert f"images were found by their names in the column {column}: 1" in said(cohort)
    assert "1 image of the folder without a row left out: A_2.tif" in said(cohort)


@pytest.mark.parametrize(
    "labels",
    [
        "masks/A_1.tif", "labels/A_1_segmentation.tif", "A_1_mask.tif",
        "images/A_1_segmentation.tif", "Training_GroundTruth/A_1_segmentation.tif",
        "segmentations/deep/A_1.tif", "mask_A_1.tif",
    ],
)  # fmt: skip
def test_labels_are_called_like_their_image(tmp_path: Path, labels: str) -> None:
    pictures(tmp_path, "images/A_1.tif", labels)
    pictures(tmp_path, "predictions/A_1.tif", "images/A_1_superpixels.tif")
    pictures(tmp_path, ".cache/A_1.tif", "images/._A_1.tif")
    (row,) = cohort_of(tmp_path, "image_id", "A_1").rows
    assert row.labels == tmp_path / labels


def test_a_mask_of_its_image_s_name_beside_it_is_told_by_its_values(
    tmp_path: Path,
) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint8)
    for name, pixels in (("a.jpg", photo), ("a.png", photo // 128 * 255)):
        iio.imwrite(tmp_path / name, pixels)
    cohort = cohort_of(tmp_path, "image_id,sex", "a,F")
    assert [row.image.name for row in cohort.rows] == ["a.jpg"]
    assert cohort.rows[0].labels == tmp_path / "a.png"
    iio.imwrite(tmp_path / "a.png", photo)  # two photographs of one name
    with pytest.raises(CohortError, match=r"row 2: a.jpg, a.png are called alike"):
        cohort_of(tmp_path, "image_id,sex", "a,F")


def test_results_of_an_earlier_run_are_neither_images_nor_labels(
    tmp_path: Path,
) -> None:
    pictures(tmp_path, "images/A_1.tif", "mine/A_1.labels.tif")
    (tmp_path / "mine" / "A_1.labels.json").write_text("{}")
    cohort = cohort_of(tmp_path, "image_id", "A_1")
    assert files_of(cohort) == [("A_1.tif", "")]


@pytest.mark.parametrize("column", ["labels", "mask", "label", "Segmentation"])
def test_a_column_of_labels_is_found(tmp_path: Path, column: str) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif", "masks/m_9.tif")
    cohort = cohort_of(tmp_path, f"image_id,{column}", "a,m_9.tif", "b,m_8.tif")
    assert files_of(cohort) == [("a.tif", "masks/m_9.tif"), ("b.tif", "")]
    assert "1 row (3) without labels, as there is no file of that name" in said(cohort)


@pytest.mark.parametrize(
    "column",
    [
        *("mask", "label", "Segmentation", "mask_path", "masks", "lesion_mask", "GT"),
        *("annotation", "annotations", "Ground Truth", "seg", "Lesion Mask"),
    ],
)
def test_paths_of_labels_are_read_whatever_their_column_is_called(
    tmp_path: Path, column: str
) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif", "truth/m_9.tif")
    header = f"image,{column},sex"
    cohort = cohort_of(tmp_path, header, "images/a.tif,truth/m_9.tif,F", "images/b.tif")
    assert files_of(cohort) == [("a.tif", "truth/m_9.tif"), ("b.tif", "")]
    assert f"columns read: {column} as labels" in said(cohort)
    whole = tmp_path / "truth" / "m_9.tif"
    cohort = cohort_of(tmp_path, header, f"images/a.tif,{whole},F")
    assert files_of(cohort) == [("a.tif", "truth/m_9.tif")]
    with pytest.raises(CohortError, match=r"row 2: truth/gone\.tif does"):
        cohort_of(tmp_path, header, "images/a.tif,truth/gone.tif,F")


def test_no_column_of_labels_is_told_with_the_columns_there_are(
    tmp_path: Path,
) -> None:
    pictures(tmp_path, "a.tif", "b.tif", "drawn_a.tif")
    cohort = cohort_of(tmp_path, "image,drawing,sex", "a.tif,drawn_a.tif,F", "b.tif")
    assert files_of(cohort) == [("a.tif", ""), ("b.tif", "")]
    told = (
        r"^metadata\.csv has no labels to train on\. Found are the columns image, "
        r"drawing, sex: call the one that names the masks labels or mask, or say which "
        r"it is with --column NAME=labels$"
    )
    with pytest.raises(CohortError, match=told):
        cohort.refuse_without_labels(" to train on")
    stated = read_cohort(
        tmp_path / "metadata.csv", columns={"drawing": "labels", "sex": ""}
    )
    stated.refuse_without_labels(" to train on")


@formats("names of masks in a column, beside paths of images")
@pytest.mark.parametrize("cell", ["m_{}", "m_{}.tif", "M_{}.png"])
@pytest.mark.parametrize("column", ["labels", "mask", "Mask ID"])
def test_names_of_masks_are_found_beside_paths_of_images(
    tmp_path: Path, column: str, cell: str
) -> None:
    pictures(tmp_path, "images/1.tif", "images/2.tif", "masks/m_1.tif", "masks/m_2.tif")
    lines = (f"images/{n}.tif,{cell.format(n)}" for n in (1, 2))
    cohort = cohort_of(tmp_path, f"image,{column}", *lines)
    assert files_of(cohort) == [("1.tif", "masks/m_1.tif"), ("2.tif", "masks/m_2.tif")]
    pictures(tmp_path, "labels/m_1.tif")
    alike = r"row 2: labels/m_1\.tif, masks/m_1\.tif are called alike"
    with pytest.raises(CohortError, match=alike):
        cohort_of(tmp_path, f"image,{column}", "images/1.tif,m_1", "images/2.tif,m_2")


@pytest.mark.parametrize("image", ["images/{}.tif", "{}"])
def test_what_several_cases_share_is_no_mask_s_name(tmp_path: Path, image: str) -> None:
    pictures(tmp_path, "images/1.tif", "images/2.tif", "masks/1.tif", "masks/2.tif")
    lines = [f"{image.format(n)},1" for n in (1, 2)]  # both of class 1
    cohort = cohort_of(tmp_path, "image,label", *lines)
    assert "masks/1.tif" not in files_of(cohort)[1]
    assert "not used, unless the model's card names them: label" in said(cohort)


def test_a_diagnosis_beside_paths_is_no_file(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif", "m.tif")
    cohort = cohort_of(tmp_path, "image,label,mask", "a.tif,melanoma,m.tif")
    assert files_of(cohort)[0][1].endswith("m.tif")
    assert "not used, unless the model's card names them: label" in said(cohort)
    assert files_of(cohort_of(tmp_path, "image,label", "a.tif,1")) == [("a.tif", "")]


def test_a_column_called_label_may_be_no_file(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "masks/a.tif")
    cohort = cohort_of(tmp_path, "image_id,label", "a,melanoma")
    assert files_of(cohort) == [("a.tif", "masks/a.tif")]
    assert "not used, unless the model's card names them: label" in said(cohort)


def test_rows_without_a_file_are_counted_and_left_out(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "images/f.tif")
    cohort = cohort_of(tmp_path, "image_id", *"abcdef")
    assert [row.id for row in cohort.rows] == ["a", "f"]
    assert "4 rows (3, 4, 5, ...) left out, as there is no image of that name" in said(
        cohort
    )
    assert len(read_rows(tmp_path / "metadata.csv")) == 2
    listing = entries_of(tmp_path / "metadata.csv")
    assert [entry.name for entry in listing] == ["a", "f"]
    assert listing.notices == cohort.notices


def test_a_table_none_of_whose_images_is_there_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "images/z.tif")
    with pytest.raises(CohortError) as caught:
        cohort_of(tmp_path, "image_id,sex", "a,F", "b,M")
    assert str(caught.value) == (
        "metadata.csv has no column 'image': found image_id, sex, and no image in its "
        "folder or below is called as 'image_id' says"
    )
    with pytest.raises(CohortError, match=r"row 2: a does not exist"):
        cohort_of(tmp_path, "image", "a")


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".JPEG", ".bmp", ".tif", ".tiff", ".nii", ".nii.gz"]
)
def test_names_are_matched_with_any_suffix_that_is_read(
    tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    image, mask = f"images/Case 1{suffix}", "masks/case 1_Segmentation.PNG"
    for name in (image, mask):
        (tmp_path / name).touch()
    cohort = cohort_of(tmp_path, "Image ID ,SEX", "case 1,F", "Case 2,M")
    (row,) = cohort.rows
    assert (row.image, row.labels) == (tmp_path / image, tmp_path / mask)
    assert row.patient.sex == "female"


@formats("tables without paths, where several files have one name")
def test_a_name_that_two_files_have_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "small/a.tif", "images/b.tif")
    with pytest.raises(CohortError) as caught:
        cohort_of(tmp_path, "image_id", "a", "b")
    assert str(caught.value) == (
        "metadata.csv, row 2: images/a.tif, small/a.tif are called alike: name the "
        "right one in a column of paths"
    )
    pictures(tmp_path, "masks/b.tif", "masks/b_mask.tif")
    with pytest.raises(CohortError, match=r"row 2: masks/b.tif, masks/b_mask.tif are"):
        cohort_of(tmp_path, "image_id", "b")
    pictures(tmp_path, "images/c.tif", "small/c.tif")
    with pytest.raises(CohortError, match=r"2 rows \(2, 3\): are called alike: name"):
        cohort_of(tmp_path, "image_id", "a", "c")  # one reason, told once
    cohort = cohort_of(tmp_path, "filename", "small/a.tif")
    assert cohort.rows[0].image == tmp_path / "small/a.tif"


def test_a_table_of_paths_is_read_as_ever(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif", "a_mask.tif", "b.tif")
    cohort = cohort_of(tmp_path, "image,image_id", "a.tif,b")
    assert files_of(cohort) == [("a.tif", "")]
    assert cohort.rows[0].patient == Patient()
    assert cohort.notices == ("columns not used: image_id",)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_names_are_found_whatever_stands_between(
    tmp_path: Path, separator: str
) -> None:
    pictures(tmp_path, "images/a.tif")
    lines = (line.replace(",", separator) for line in ("Image_ID,Gender", "a,m"))
    assert cohort_of(tmp_path, *lines)[0].patient == Patient(sex="male")


def test_columns_are_the_attributes_that_they_are(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif")
    cohort = cohort_of(
        tmp_path,
        "Image,SEX,age_approx,anatom_site_general,Severity,BMI,dx,lanquage",
        "a.tif,F,55.0,head/neck,T2,31,nv,English",
    )
    assert cohort[0].patient == Patient(
        sex="female",
        age=55,
        severity="T2",
        others={
            "body_site": "head/neck",
            "bmi": "31",
            "dx": "nv",
            "lanquage": "English",
        },
    )
    assert cohort.notices == (
        "columns read: SEX as sex, age_approx as age, anatom_site_general as body_site,"
        " Severity as severity",
        "columns not used, unless the model's card names them: BMI, dx, lanquage (is "
        "language meant?)",
    )


def test_what_does_not_drive_the_model_in_hand_is_told(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif")
    lines = "image,Sex,Age,race,BMI,dx", "a.tif,F,55.0,Black,31,nv"
    assert cohort_of(tmp_path, *lines, drivers=["sex", "bmi"]).notices == (
        "columns read: Sex as sex, Age as age (which does not drive this model)",
        "columns not used: dx",
    )
    assert cohort_of(tmp_path, "image,sex", "a.tif,F").notices == ()


def test_two_columns_of_one_attribute_agree_or_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif", "b.tif")
    alike = cohort_of(tmp_path, "image,sex,gender", "a.tif,F,female", "b.tif,,m")
    assert [case.patient.sex for case in alike] == ["female", "male"]
    with pytest.raises(CohortError, match="row 2: sex and gender contradict each") as e:
        cohort_of(tmp_path, "image,sex,gender", "a.tif,F,male")
    assert "male" not in str(e.value)


@pytest.mark.parametrize("word", ["null", "NA", "n/a", "-", "--", "unk", "missing"])
def test_words_for_unknown_are_blank_cells(tmp_path: Path, word: str) -> None:
    pictures(tmp_path, "a.tif")
    cells = ",".join([word] * 4)
    cohort = cohort_of(tmp_path, "image,sex,age,bmi,patient_id", f"a.tif,{cells}")
    assert cohort[0].patient == Patient()
    assert subjects_of(cohort) == (None,)


SUBJECTS = [
    "patient_id",
    "Patient ID",
    "PATIENTID",
    "subject",
    "lesion_id",
    "Lesion-Id",
]


@pytest.mark.parametrize(
    "column", [*SUBJECTS, "participant_id", "Subject_ID", "patient"]
)
def test_a_column_of_subjects_is_found_by_its_name(tmp_path: Path, column: str) -> None:
    pictures(tmp_path, "a.tif", "b.tif", "c.tif", "d.tif")
    lines = "a.tif,SECRET1", "b.tif,SECRET1", "c.tif,", "d.tif,secret1 "
    cohort = cohort_of(tmp_path, f"image,{column}", *lines)
    assert subjects_of(cohort) == ("SECRET1", "SECRET1", None, "SECRET1")
    assert cohort[1].subject == "SECRET1"
    assert cohort[1].patient == Patient()
    assert cohort.notices == (
        f"cases that share {column} are kept on one side of every split",
    )


def test_another_column_of_subjects_may_be_named(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif", "b.tif")
    lines = "image,Centre,lesion_id", "a.tif,X,1", "b.tif,X,2"
    cohort = cohort_of(tmp_path, *lines, subject="centre")
    assert subjects_of(cohort) == ("X", "X")
    assert cohort[0].patient == Patient()
    assert "cases that share Centre are kept" in said(cohort)
    assert "columns not used: lesion_id" in said(cohort)
    with pytest.raises(CohortError, match=r"no column 'lesion' .*'lesion_id' meant"):
        cohort_of(tmp_path, *lines, subject="lesion")


@pytest.mark.parametrize("column", ["Patient No", "patient_name", "lesion", "MRN"])
def test_a_column_that_may_tell_subjects_is_asked_about(
    tmp_path: Path, column: str
) -> None:
    pictures(tmp_path, "a.tif")
    notices = said(cohort_of(tmp_path, f"image,{column}", "a.tif,X"))
    assert f"{column} (does it tell whose cases are? Then name it as" in notices
    assert "meant?" not in notices


def test_rows_are_of_one_subject_if_they_share_any_cell(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{n}.tif" for n in range(7)))
    cohort = cohort_of(
        tmp_path,
        "image,lesion_id,patient_id",
        "0.tif,l1,p1",
        "1.tif,l2,p1",
        "2.tif,l2,",
        "3.tif,l3,p2",
        "4.tif,l4,",
        "5.tif,,",
        "6.tif,p1,p3",
    )
    first, second, third, other, lesion, nobody, last = subjects_of(cohort)
    assert first == second == third == "p1"
    assert (other, nobody, last) == ("p2", None, "p3")
    assert lesion not in (None, "p1", "p2", "p3")
    assert said(cohort) == (
        "cases that share patient_id or lesion_id are kept on one side of every split"
    )


def test_lesions_that_are_counted_within_patients_join_nobody() -> None:
    cells = [(f"p{n // 3}", str(n % 3)) for n in range(30)]
    found, words = subjects_told(cells, ["patient_id", "lesion_id"])
    assert len(set(found)) == 10
    assert "lesion_id counts within a patient" in words
    apart = [(f"p{n // 3}", str(n // 2)) for n in range(6)]  # one lesion of both
    assert len(set(subjects_told(apart, ["patient_id", "lesion_id"])[0])) == 1


def test_a_long_chain_of_rows_is_one_subject() -> None:
    cells = [(str(n), str(n // 2), str((n + 1) // 2)) for n in range(20_000)]
    found, _ = subjects_told(cells, ["subject", "patient", "person_id"])
    assert len(set(found)) == 1


@pytest.mark.parametrize("column", ["patient_id", "lesion_id"])
def test_a_number_is_one_subject_however_it_is_written(
    tmp_path: Path, column: str
) -> None:
    pictures(tmp_path, *(f"{n}.tif" for n in range(7)))
    cells = "7", "7.0", "007", " 7 ", "70", "7.5", ""
    lines = (f"{n}.tif,{cell}" for n, cell in enumerate(cells))
    found = subjects_of(cohort_of(tmp_path, f"image,{column}", *lines))
    assert found == ("7", "7", "7", "7", "70", "7.5", None)


def test_a_case_in_memory_takes_what_pandas_has_for_a_subject() -> None:
    image = SpatialImage.from_array(PIXELS, axes="yx")
    unknown = float("nan"), "", "n/a", None
    assert {Case("a", image, None, Patient(), s).subject for s in unknown} == {None}
    assert Case("a", image, None, Patient(), np.int64(7)).subject == "7"


def test_subjects_survive_being_written(tmp_path: Path) -> None:
    image = SpatialImage.from_array(PIXELS, axes="yx")
    cases = [
        Case("a", image, None, Patient(), "s1"),
        Case("b", image, None, Patient(others={"bmi": 31.5}), None),
    ]
    write_cohort(tmp_path / "c", cases)
    again = read_cohort(tmp_path / "c")
    assert subjects_of(again) == ("s1", None)
    assert again[1].patient.value("bmi") == "31.5"


def test_the_folder_s_only_table_is_named_where_cohort_csv_is_missing(
    tmp_path: Path,
) -> None:
    (tmp_path / "metadata.csv").write_text("image_id\na")
    with pytest.raises(CohortError, match=r"there is metadata\.csv: name it"):
        read_cohort(tmp_path)
