"""Cohorts on disk: the round trip, what blank means, and every clear refusal."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from dead_ones import a_dead_ones_partial_file
from holding import another_process

from napari_dmoe.cohorts.case import Case, CohortError, Selection
from napari_dmoe.cohorts.datasets import read_cohort, read_rows
from napari_dmoe.cohorts.tables.rows import BadRow
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.fundus.cohort import NOTICE, fundus_cohort
from napari_dmoe.phantoms.pelvis.cohort import pelvis_cohort
from napari_dmoe.progress import Cancelled

PIXELS = np.arange(20, dtype=np.uint8).reshape(4, 5)


def make_case(identity="a", patient=None, *, labels=True):
    image = SpatialImage.from_array(PIXELS, axes="yx", spacing=(0.01, 0.02), unit="mm")
    truth = SpatialImage.from_array(PIXELS % 3, axes="yx", spacing=(0.01, 0.02))
    return Case(identity, image, truth if labels else None, patient or Patient())


def table(folder, *lines):
    write_tiff(folder / "one.tif", PIXELS, axes="yx")
    write_tiff(folder / "two.tif", PIXELS, axes="yx")
    path = folder / "cases.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_phantoms_survive_the_round_trip(tmp_path):
    cases = list(fundus_cohort(4, seed=1, size=(48, 64)))
    assert write_cohort(tmp_path / "out", cases, notice=NOTICE).name == "cohort.csv"
    found = read_cohort(tmp_path / "out")
    assert len(found) == 4
    for before, after in zip(cases, found, strict=True):
        assert after.id == before.id
        assert after.patient == before.patient
        assert after.image.axes == before.image.axes
        assert after.image.unit == "mm"
        assert after.image.spacing == pytest.approx(before.image.spacing)
        np.testing.assert_array_equal(after.image.data, before.image.data)
        np.testing.assert_array_equal(after.labels.data, before.labels.data)
    assert "invented" in (tmp_path / "out" / "README.txt").read_text("utf-8")


def test_unknown_values_stay_unknown(tmp_path):
    patient = Patient(age="63.5 y", others={"language": "Spanish"})
    write_cohort(tmp_path, [make_case("a", patient), make_case("b", labels=False)])
    first, second = read_cohort(tmp_path)
    assert first.patient == patient
    assert second.patient == Patient()
    assert second.labels is None


def test_image_without_a_known_pixel_size_gets_none(tmp_path):
    image = SpatialImage.from_array(PIXELS, axes="yx")
    write_cohort(tmp_path, [Case("a", image, None, Patient())])
    assert read_cohort(tmp_path)[0].image.unit is None


def test_formulas_are_escaped_and_come_back_unchanged(tmp_path):
    patient = Patient(severity="+1|2", others={"group": "@SUM(A1)"})
    write_cohort(tmp_path, [make_case("=1+1", patient)])
    with (tmp_path / "cohort.csv").open(encoding="utf-8", newline="") as file:
        cells = list(itertools.chain.from_iterable(csv.reader(file)))
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    (case,) = read_cohort(tmp_path)
    assert case.id == "=1+1"
    assert case.patient == patient


def test_images_are_read_only_when_asked_for(tmp_path):
    path = table(tmp_path, "image", "one.tif", "two.tif")
    cohort = read_cohort(path)
    (tmp_path / "two.tif").write_bytes(b"no image")
    assert cohort[0].id == "one.tif"
    assert [row.image.name for row in cohort[1:].rows] == ["two.tif"]
    with pytest.raises(CohortError, match=r"row 3: two\.tif"):
        cohort[1]


def test_columns_may_carry_a_byte_order_mark_blanks_and_more_attributes(tmp_path):
    path = table(tmp_path, "\ufeff id , image,sex,language", "a,one.tif,F,", ",,,")
    (case,) = read_cohort(path)
    assert case.id == "a"
    assert case.patient == Patient(sex="female")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,sex", "a,F"], "no column 'image': found id, sex"),
        ([""], "no column 'image'"),
        (["image"], "no rows"),
        (["image,image", "one.tif,two.tif"], "'image' twice"),
        (["image", "one.tif", "three.tif"], r"row 3: three\.tif does not exist"),
        (["image,labels", "one.tif,none.tif"], r"row 2: none\.tif does not exist"),
        (["image,sex", ",F"], "row 2: no image is named"),
        (["image,id", "one.tif,a", "two.tif,a"], "rows 2 and 3 have the same id 'a'"),
        (["image", "one.tif", "one.tif"], "same id"),
        (["image,sex", "one.tif,F,x"], "row 2: 3 cells"),
        (["image,age", "one.tif,old"], "row 2: .*age"),
    ],
)
def test_a_bad_table_is_refused_by_row(tmp_path, lines, message):
    with pytest.raises(CohortError, match=message):
        read_cohort(table(tmp_path, *lines))


def test_a_patient_s_value_is_not_repeated_in_the_error(tmp_path):
    with pytest.raises(CohortError) as caught:
        read_cohort(table(tmp_path, "image,age", "one.tif,secret 63"))
    assert "secret" not in str(caught.value)


def test_a_missing_cohort_and_a_binary_table_are_refused(tmp_path):
    with pytest.raises(CohortError, match=r"folder with cohort\.csv"):
        read_cohort(tmp_path)
    (tmp_path / "cohort.csv").write_bytes(b"image\n\xff\xfe\x00")
    with pytest.raises(CohortError, match="UTF-8"):
        read_cohort(tmp_path)


def test_labels_of_another_size_are_refused(tmp_path):
    path = table(tmp_path, "image,labels", "one.tif,small.tif")
    write_tiff(tmp_path / "small.tif", PIXELS[:2], axes="yx")
    with pytest.raises(
        CohortError, match=r"\(2, 5\) pixels, but the image has \(4, 5\)"
    ):
        read_cohort(path)[0]


def test_labels_in_colour_or_with_fractions_are_refused(tmp_path):
    path = table(tmp_path, "image,labels", "one.tif,colour.tif", "two.tif,part.tif")
    colours = np.stack([PIXELS, PIXELS, 9 + PIXELS], -1)
    write_tiff(tmp_path / "colour.tif", colours, axes="yxc")
    write_tiff(tmp_path / "part.tif", PIXELS.astype(np.float32) / 2, axes="yx")
    with pytest.raises(CohortError, match=r"row 2: colour\.tif: .* axes y, x, c"):
        read_cohort(path)[0]
    with pytest.raises(CohortError, match=r"row 3: part\.tif: .*probabilities"):
        read_cohort(path)[1]


def test_whole_numbers_stored_as_floats_become_labels(tmp_path):
    path = table(tmp_path, "image,labels", "one.tif,float.tif")
    write_tiff(tmp_path / "float.tif", (PIXELS % 3).astype(np.float32), axes="yx")
    labels = read_cohort(path)[0].labels
    assert labels.data.dtype == np.int32
    np.testing.assert_array_equal(labels.data, PIXELS % 3)


@pytest.mark.parametrize(
    ("affine", "is_refused"),
    [
        (np.diag([2.0, 1, 1, 1]), False),
        (np.diag([2.0, 1, 1, 1]) + 0.4 * np.eye(4, k=3), False),
        (np.diag([2.0, 1, 1, 1]) + 0.6 * np.eye(4, k=3), True),
        (np.diag([2.0, -1, 1, 1]), True),
        (np.diag([4.0, 1, 1, 1]), True),
    ],
)
def test_labels_that_lie_elsewhere_are_refused(tmp_path, affine, is_refused):
    volume = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
    axes = ("z", "y", "x")
    here = np.diag([2.0, 1, 1, 1])
    write_nifti(tmp_path / "v.nii.gz", SpatialImage(volume, axes, here, "mm"))
    write_nifti(tmp_path / "l.nii.gz", SpatialImage(volume % 2, axes, affine, "mm"))
    (tmp_path / "cohort.csv").write_text("image,labels\nv.nii.gz,l.nii.gz\n")
    if is_refused:
        with pytest.raises(CohortError, match=r"l\.nii\.gz: the labels lie up to"):
            read_cohort(tmp_path)[0]
    else:
        np.testing.assert_array_equal(read_cohort(tmp_path)[0].labels.data, volume % 2)


def test_volumes_survive_the_round_trip(tmp_path):
    cases = list(pelvis_cohort(2, seed=3, shape=(8, 10, 12)))
    write_cohort(tmp_path, cases)
    for before, after in zip(cases, read_cohort(tmp_path), strict=True):
        assert (after.id, after.patient) == (before.id, before.patient)
        assert (after.image.axes, after.image.unit) == (("z", "y", "x"), "mm")
        np.testing.assert_allclose(after.image.affine, before.image.affine, atol=1e-5)
        np.testing.assert_array_equal(after.image.data, before.image.data)
        np.testing.assert_array_equal(after.labels.data, before.labels.data)


def test_a_table_may_stand_beside_its_folder_and_name_any_attribute(tmp_path):
    (tmp_path / "pictures").mkdir()
    write_tiff(tmp_path / "pictures" / "a b.tif", PIXELS, axes="yx")
    (tmp_path / "mine.csv").write_text(
        "image,sex,race,age,severity,body_site,group\n"
        "pictures/a b.tif,m,,045Y,T2,Back,2\n",
        encoding="utf-8",
    )
    (case,) = read_cohort(tmp_path / "mine.csv")
    assert case.id == "pictures/a b.tif"
    assert case.labels is None
    assert case.patient == Patient(
        sex="male", age=45, severity="T2", others={"body_site": "back", "group": "2"}
    )


def test_a_cohort_is_never_overwritten(tmp_path):
    write_cohort(tmp_path, [make_case()])
    with pytest.raises(CohortError, match="already holds"):
        write_cohort(tmp_path, [make_case("b")])
    assert read_cohort(tmp_path)[0].id == "a"


def test_a_cancelled_write_leaves_no_table(tmp_path):
    seen = []

    def stop(progress):
        seen.append((progress.done, progress.total))
        if progress.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_cohort(
            tmp_path, (make_case(str(i)) for i in range(5)), total=5, progress=stop
        )
    assert seen == [(1, 5), (2, 5)]
    assert not (tmp_path / "cohort.csv").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CohortError, match="cannot be written"):
        write_cohort(tmp_path / "file" / "out", [make_case()])


def test_a_selection_reads_only_what_it_is_asked_for(tmp_path):
    write_cohort(tmp_path, [make_case(name) for name in "abcd"])
    chosen = Selection(read_cohort(tmp_path), [3, 0, 1])
    assert [case.id for case in chosen] == ["d", "a", "b"]
    assert [case.id for case in chosen[1:]] == ["a", "b"]


def test_bad_rows_do_not_hide_the_good_ones(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), axes=("y", "x"))
    (tmp_path / "cohort.csv").write_text(
        "image,age\na.tif,63\na.tif,old\nmissing.tif,\na.tif,64\n", encoding="utf-8"
    )
    rows = read_rows(tmp_path)
    assert [isinstance(row, BadRow) for row in rows] == [False, True, True, False]
    assert "row 3: age" in str(rows[1].problem)
    assert "old" not in str(rows[1].problem)
    assert "missing.tif does not exist" in str(rows[2].problem)
    with pytest.raises(CohortError, match="row 3"):
        read_cohort(tmp_path)


def test_two_cases_of_one_id_are_no_cohort(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="two cases have the id 'a'"):
        write_cohort(tmp_path / "out", [make_case("a"), make_case("a")])
    assert not (tmp_path / "out" / "images").exists()


@pytest.mark.parametrize("name", ["images/00000.tif", "labels/mine.tif", "README.txt"])
def test_files_that_are_no_cohorts_are_not_replaced(tmp_path, name):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(CohortError, match="is there already"):
        write_cohort(tmp_path, [make_case()], notice=NOTICE)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "cohort.csv").exists()


def test_a_cohort_that_was_broken_off_leaves_nothing_in_the_way(tmp_path):
    def stop(step):
        if step.done == 2:
            raise Cancelled

    cases = [make_case("a"), make_case("b"), make_case("c")]
    with pytest.raises(Cancelled):
        write_cohort(tmp_path / "c", cases, progress=stop)
    assert not (tmp_path / "c").exists()
    (tmp_path / "c" / "images").mkdir(parents=True)
    a_dead_ones_partial_file(tmp_path / "c" / "images", "00000.tif")
    assert len(read_cohort(write_cohort(tmp_path / "c", cases))) == 3
    assert len(list((tmp_path / "c" / "images").iterdir())) == 3


def test_a_folder_that_another_run_writes_is_not_said_to_be_emptied(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "00000.tif").write_bytes(b"of the other run")
    with (
        another_process(tmp_path),
        pytest.raises(CohortError, match=r"another run .*wait for it"),
    ):
        write_cohort(tmp_path, [make_case()])
    assert (tmp_path / "images" / "00000.tif").read_bytes() == b"of the other run"
