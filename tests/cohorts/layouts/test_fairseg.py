"""Harvard-FairSeg: folders of archives, lists of names, and what is never unpickled."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import MASK, archive, fairseg
from numpy.lib import format as npy

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.layouts.archives import Archive
from napari_dmoe.cohorts.layouts.checking import checked
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.cohorts.problems import lines_told
from napari_dmoe.patient import Patient

NAMES = ["data_00003.npz", "data_00001.npz"]


def test_a_case_has_its_pixels_classes_and_patient(tmp_path: Path) -> None:
    cohort = open_cohort(fairseg(tmp_path))
    assert cohort.layout == "fairseg"
    assert cohort.classes == ("background", "rim", "cup")
    assert [row.id for row in cohort.rows] == ["data_00001", "data_00002", "data_00003"]
    case = cohort[0]
    assert case.image.axes == ("y", "x")
    assert case.image.unit is None
    assert case.labels is not None
    assert np.array_equal(case.labels.data, -MASK)
    assert case.labels.data.dtype == np.uint8
    assert np.array_equal(cohort.rows[0].read_labels().data, -MASK)
    others = {"ethnicity": "not Hispanic", "marital_status": "divorced"}
    known = Patient(sex="female", race="Black", age=63.0, others=others)
    assert case.patient == known


@pytest.mark.parametrize(
    ("at", "list_file"),
    [
        ("", "test.txt"), ("", "test"), ("FairSeg", "test.txt"),
        ("FairSeg", "lists/test.txt"), ("lists/test.txt", None),
        ("", "../lists/test.txt"),
    ],
)  # fmt: skip
def test_a_list_is_found_wherever_it_is_kept(
    tmp_path: Path, at: str, list_file: str | None
) -> None:
    fairseg(tmp_path, test=NAMES, train=["data_00002.npz"])
    if list_file == "../lists/test.txt":
        list_file = str(tmp_path / "lists" / "test.txt")
    cohort = open_cohort(tmp_path / at, list_file=list_file)
    assert [row.id for row in cohort.rows] == ["data_00003", "data_00001"]
    assert [row.number for row in cohort.rows] == [1, 2]
    assert cohort.title == "test.txt"


def test_a_list_beside_the_archives_counts_too(tmp_path: Path) -> None:
    fairseg(tmp_path)
    (tmp_path / "FairSeg" / "own.txt").write_text("data_00002\n\n", "utf-8")
    cohort = open_cohort(tmp_path / "FairSeg", list_file="own.txt")
    assert [row.id for row in cohort.rows] == ["data_00002"]


def test_lists_that_nobody_chose_are_named(tmp_path: Path) -> None:
    cohort = open_cohort(fairseg(tmp_path, test=NAMES))
    assert len(cohort) == 3
    assert any("test.txt" in notice for notice in cohort.notices)


def test_opening_reads_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"data_{n:05d}.npz" for n in range(500)]
    fairseg(tmp_path, n=0, test=names)
    (tmp_path / "FairSeg").mkdir()
    for name in names:
        (tmp_path / "FairSeg" / name).write_bytes(b"no archive")

    def refuse(*_: object) -> None:
        pytest.fail("an archive was opened")

    monkeypatch.setattr(Archive, "__init__", refuse)
    assert len(open_cohort(tmp_path, list_file="test.txt")) == 500


def test_names_without_archive_twice_or_empty_are_problems(tmp_path: Path) -> None:
    fairseg(tmp_path, test=[*NAMES, "data_00009.npz", NAMES[0], "data_00004"])
    (tmp_path / "FairSeg" / "data_00004.npz").write_bytes(b"")
    cohort = open_cohort(tmp_path, list_file="test.txt")
    assert len(cohort) == 3
    cohort = checked(cohort)
    assert len(cohort) == 2
    assert [(p.row, p.value) for p in cohort.problems] == [
        (3, "data_00009.npz"),
        (4, "data_00003.npz"),
        (5, "data_00004.npz"),
    ]
    assert "line 1" in cohort.problems[1].expected
    assert "cannot be read" in cohort.problems[2].expected


def test_a_list_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"there is no list val\.txt"):
        open_cohort(fairseg(tmp_path), list_file="val.txt")


def test_several_folders_of_archives_are_not_guessed_between(tmp_path: Path) -> None:
    for name in ("one", "two"):
        archive(tmp_path / name / "data_00001.npz")
    with pytest.raises(CohortError, match="one, two"):
        open_cohort(tmp_path)


@pytest.mark.formats("archives of FairSeg (`.npz`) with attributes as pickled objects")
@pytest.mark.parametrize("key", ["race", "gender", "age", "language"])
def test_a_pickled_attribute_is_unknown_and_said(tmp_path: Path, key: str) -> None:
    archive(tmp_path / "data_00001.npz", pickled=[key])
    archive(tmp_path / "data_00002.npz")
    cohort = open_cohort(tmp_path)
    case = cohort[0]
    name = "sex" if key == "gender" else key
    assert name not in case.patient.known()
    (said,) = case.image.notices
    assert said.startswith(f"{key} is unknown: it is stored as a pickled object")
    looked = checked(cohort)
    assert len(looked) == 2
    assert looked.problems == ()
    assert any(f"in 1 archives {key}" in notice for notice in looked.notices)


class Evil:
    """Would leave a file if it were unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("key", ["race", "slo_fundus", "disc_cup_mask"])
def test_no_pickle_is_ever_run(tmp_path: Path, key: str) -> None:
    trace = tmp_path / "trace"
    evil = np.empty((), object)
    evil[()] = Evil(trace)
    archive(tmp_path / "data_00001.npz", pickled=[key], **{key: evil})
    cohort = open_cohort(tmp_path)
    if key == "race":
        assert cohort[0].patient.race is None
    else:
        with pytest.raises(CohortError, match=f"{key} is refused: .* pickled"):
            cohort[0]
        (problem,) = checked(cohort).problems
        assert key in problem.expected
    assert not trace.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("race", 7), ("gender", 0.5), ("age", -40.0), ("age", 90_000.0), ("race", [1, 2])],
)
def test_values_that_nobody_knows_are_unknown_and_problems(
    tmp_path: Path, key: str, value: Any
) -> None:
    archive(tmp_path / "data_00001.npz", **{key: value})
    cohort = open_cohort(tmp_path)
    name = {"gender": "sex"}.get(key, key)
    assert name not in cohort.rows[0].patient.known()
    (problem,) = checked(cohort).problems
    assert (problem.row, problem.column) == (1, key)
    assert problem.is_private
    assert not problem.shown


@pytest.mark.parametrize("value", [-1, np.nan])
def test_minus_one_is_unknown_and_no_problem(tmp_path: Path, value: float) -> None:
    archive(tmp_path / "data_00001.npz", race=value, gender=value, age=value)
    cohort = open_cohort(tmp_path)
    assert checked(cohort).problems == ()
    assert not {"race", "sex", "age"} & set(cohort.rows[0].patient.known())


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"disc_cup_mask": np.full((6, 8), 3)}, "holds 3: expected 0 background"),
        ({"disc_cup_mask": np.zeros((5, 8))}, "has .5, 8. pixels"),
        ({"disc_cup_mask": None}, "disc_cup_mask is not there"),
        ({"slo_fundus": np.zeros((2, 6, 8, 3))}, r"shape \(2, 6, 8, 3\)"),
        ({"slo_fundus": None}, "slo_fundus is not there: the archive has disc_cup"),
    ],
)
def test_an_archive_that_cannot_be_used_says_why(
    tmp_path: Path, arrays: dict[str, Any], said: str
) -> None:
    archive(tmp_path / "data_00001.npz", **arrays)
    with pytest.raises(CohortError, match=said):
        open_cohort(tmp_path)[0]


@pytest.mark.parametrize("at", [0.3, 0.9])
def test_a_cut_archive_is_a_problem(tmp_path: Path, at: float) -> None:
    path = archive(tmp_path / "data_00001.npz")
    archive(tmp_path / "data_00002.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * at)])
    cohort = open_cohort(tmp_path)
    with pytest.raises(CohortError, match=r"data_00001\.npz cannot be read"):
        cohort[0]
    with pytest.raises(CohortError, match="row 1"):
        _ = cohort.rows[0].patient
    looked = checked(cohort)
    assert [row.id for row in looked.rows] == ["data_00002"]
    assert [problem.row for problem in looked.problems] == [1]


def test_an_array_that_claims_more_than_is_there_is_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole" / "data_00001.npz")
    with (
        zipfile.ZipFile(whole) as there,
        zipfile.ZipFile(tmp_path / "data_00001.npz", "w") as other,
    ):
        for name in there.namelist():
            stored = there.read(name)
            if name.startswith("slo_fundus"):
                assert b"(6, 8), }" in stored
                stored = stored.replace(b"(6, 8), }   ", b"(6000, 8), }")
            other.writestr(name, stored)
    with pytest.raises(CohortError, match=r"claims 48,000 bytes, and 48 are stored"):
        open_cohort(tmp_path)[0]


@pytest.mark.formats(
    "such an archive whose image or mask is pickled, missing, damaged, or of over "
    "268 MB"
)
def test_what_is_wrong_with_many_archives_is_told_once(tmp_path: Path) -> None:
    for number in range(1, 5):
        archive(tmp_path / f"data_{number}.npz", pickled=["slo_fundus"])
    (line,) = lines_told(checked(open_cohort(tmp_path)).problems)
    assert line.startswith("rows 1, 2, 3, ... (4), slo_fundus: expected an archive")
    assert line.endswith("found data_1.npz, data_2.npz, data_3.npz, ...")
    assert "data_1.npz: " not in line


@pytest.mark.formats("an archive's name that is a link leading nowhere")
def test_empty_archives_and_links_that_lead_nowhere_are_problems(
    tmp_path: Path,
) -> None:
    archive(tmp_path / "data_1.npz")
    (tmp_path / "data_2.npz").symlink_to(tmp_path / "nowhere")
    (tmp_path / "data_3.npz").write_bytes(b"")
    cohort = open_cohort(tmp_path)
    assert [(p.row, p.value) for p in cohort.problems] == [(2, "data_2.npz")]
    assert "leads nowhere" in cohort.problems[0].expected
    looked = checked(cohort)
    assert [p.row for p in looked.problems] == [2, 3]
    assert "damaged, or no archive" in looked.problems[1].expected


def test_an_array_beyond_any_photograph_is_refused_unread(tmp_path: Path) -> None:
    header = BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": (2**15, 2**14)}
    npy.write_array_header_1_0(header, described)
    path = tmp_path / "data_1.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as there:
        for key in ("slo_fundus", "disc_cup_mask"):
            with there.open(f"{key}.npy", "w") as stream:
                stream.write(header.getvalue())
                for _ in range(32):
                    stream.write(bytes(2**24))
    assert path.stat().st_size < 2**21
    (problem,) = checked(open_cohort(tmp_path)).problems
    assert "the most that are read" in problem.expected


def test_reprs_tell_nothing_of_patients(tmp_path: Path) -> None:
    row = open_cohort(fairseg(tmp_path)).rows[0]
    _ = row.patient
    assert repr(row) == "FairSegRow(number=1)"
