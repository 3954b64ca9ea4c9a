"""A split parts no subject and no picture, and says what it could not hold out."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import square, squares

from napari_dmoe.cohorts.case import Selection
from napari_dmoe.cohorts.datasets import Cohort, patients_of
from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.held_out import hold_out_cases, notices_of_split
from napari_dmoe.training.cases.together import together
from napari_dmoe.training.settings import TrainSettings

SEX = CardAttribute(name="sex", values=("female", "male"))
AGE = CardAttribute(name="age", values=("young", "old"), edges=(60,), unit="years")
RULES = ("auto", "cases", "every")


def table(
    subjects: Sequence[str | None],
    sexes: Sequence[str | None] | None = None,
    ages: Sequence[float | None] | None = None,
) -> Cohort:
    """Return rows whose files are not there: a split reads none."""
    n = len(subjects)
    known = zip(sexes or ["female"] * n, ages or [None] * n, strict=True)
    return Cohort(
        tuple(
            CohortRow(
                i + 2, f"c{i}", Path(f"{i}.png"), None, Patient(sex=sex, age=age), own
            )
            for i, (own, (sex, age)) in enumerate(zip(subjects, known, strict=True))
        )
    )


def split(
    cases: Sequence,
    rule: str = "cases",
    step: int = 5,
    by: tuple[CardAttribute, ...] = (SEX,),
) -> tuple[Selection, Selection, list[str]]:
    settings = TrainSettings(hold_out=rule, hold_out_every=step)
    patients = patients_of(cases)
    training, held = hold_out_cases(cases, patients, by, settings)
    assert sorted([*training.places, *held.places]) == list(range(len(cases)))
    return training, held, notices_of_split(patients, by, settings, held)


def subjects_in(part: Selection, cases: Cohort) -> set[str]:
    return {s for p in part.places if (s := cases.rows[p].subject) is not None}


@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from("abcdefgh"),
            st.sampled_from(["female", "male", None]),
        ),
        min_size=2,
        max_size=60,
    ),
    st.sampled_from(RULES),
    st.integers(2, 7),
)
def test_no_rule_parts_a_subject(
    rows: list[tuple[str | None, str | None]], rule: str, step: int
) -> None:
    cases = table([s for s, _ in rows], [sex for _, sex in rows])
    training, held, _ = split(cases, rule, step)
    assert not subjects_in(training, cases) & subjects_in(held, cases)
    assert len(training)


@given(
    st.lists(st.sampled_from(["female", "male", None]), min_size=10, max_size=80),
    st.integers(2, 7),
)
def test_without_subjects_each_group_gives_the_same_cases_as_ever(
    sexes: list[str | None], step: int
) -> None:
    cases = table([None] * len(sexes), sexes)
    groups = [
        [i for i, sex in enumerate(sexes) if sex == own]
        for own in ("female", "male", None)
    ]
    expected = sorted(i for group in groups for i in group[step // 2 :: step])
    if expected:
        assert split(cases, "cases", step)[1].places == expected
    assert split(cases, "every", step)[1].places == list(range(0, len(sexes), step))


def test_lesions_of_a_published_table_stay_on_one_side(tmp_path: Path) -> None:
    draw, lines = np.random.default_rng(0), []
    for lesion in range(600):  # one to six pictures each, as HAM10000 has them
        sex = draw.choice(["male", "female", "unknown"], p=[0.5, 0.49, 0.01])
        for _ in range(int(draw.choice([1, 1, 1, 2, 3, 6]))):
            lines.append((f"ISIC_{len(lines)}", f"HAM_{lesion:07d}", sex))
    draw.shuffle(lines)
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "lesion_id", "sex"), *lines])
    with (tmp_path / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sexes = [None if r["sex"] == "unknown" else r["sex"] for r in rows]
    cases = table([r["lesion_id"] for r in rows], sexes)
    for rule, step in (("cases", 5), ("auto", 5), ("every", 25)):
        training, held, _ = split(cases, rule, step)
        assert not subjects_in(training, cases) & subjects_in(held, cases)
        assert len(held) == pytest.approx(len(cases) / step, rel=0.03)
        assert split(cases, rule, step)[1].places == held.places
    _, held, notices = split(cases)
    for sex in ("female", "male"):
        n = sum(cases.rows[p].patient.sex == sex for p in held.places)
        assert n == pytest.approx(sexes.count(sex) / 5, abs=2)
    assert notices == []


def test_one_in_so_many_moves_whole_subjects_and_says_so() -> None:
    cases = table([*"aabbccddee"])
    assert split(table(["a", None, None, None, None, "b"]), "every")[2] == []
    _, held, notices = split(cases, "every")
    assert held.places == [0, 1]
    assert notices == [
        "one case in 5, from the first, would part cases of one subject or picture: "
        "whole subjects are held out instead, 2 cases"
    ]


def test_a_large_subject_is_not_held_out_where_little_would_be_left() -> None:
    cases = table([*"aaaaaaaabc"])  # the wished for are of a
    assert split(cases)[1].places == [8, 9]
    _, held, notices = split(table(["a"] * 10))
    assert held.places == []
    assert notices == [
        "no case is held out: there are too few cases, or too few subjects, for some "
        "to be left out of training"
    ]


def test_a_value_is_never_left_without_cases_to_train_on() -> None:
    cases = table([*"aaabbbcccd"], ["male"] * 3 + ["female"] * 7)
    training, held, notices = split(cases)
    assert held.places
    assert {cases.rows[p].patient.sex for p in training.places} == {"male", "female"}
    assert notices == ["no case of sex=male (3) is held out: too few cases or subjects"]


def test_what_is_too_rare_to_be_held_out_is_named_with_its_number() -> None:
    cases = table([None] * 22, ["female"] * 20 + ["male"] * 2)
    assert split(cases)[2] == [
        "no case of sex=male (2) is held out: too few cases or subjects"
    ]
    assert split(cases, "none")[2] == []


def test_a_value_that_is_rare_in_every_group_is_held_out_all_the_same() -> None:
    # Old men and old women are two each: too few alone, and enough together.
    sexes = ["female"] * 12 + ["male"] * 12
    ages = [70.0, 70.0, *[30.0] * 10] * 2
    _, held, _ = split(table([None] * 24, sexes, ages), by=(SEX, AGE))
    assert any(ages[p] == 70 for p in held.places)
    assert [p for p in held.places if ages[p] == 30] == [4, 9, 16, 21]


@pytest.mark.parametrize("rule", RULES)
def test_copies_and_links_of_a_file_are_not_parted(tmp_path: Path, rule: str) -> None:
    draw = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(10)]
    for path in paths[:9]:
        path.write_bytes(draw.bytes(200_000))
    shutil.copy(paths[2], paths[9])
    (tmp_path / "link.png").symlink_to(paths[0])
    paths += [tmp_path / "link.png", paths[5]]
    rows = tuple(
        CohortRow(i + 2, f"c{i}", path, None, Patient(sex="male"))
        for i, path in enumerate(paths)
    )
    for step in (2, 3, 4, 5):
        _, held, _ = split(Cohort(rows), rule, step)
        for pair in ({2, 9}, {0, 10}, {5, 11}):
            assert len(pair & set(held.places)) in (0, 2)


def test_pictures_in_memory_are_not_parted() -> None:
    cases = [*squares(9), *squares(3)]  # the last three are the first again
    for step in (2, 3, 4, 5):
        _, held, _ = split(cases, "cases", step, by=())
        for place in range(3):
            assert len({place, place + 9} & set(held.places)) in (0, 2)


def test_subjects_of_cases_in_memory_count_too() -> None:
    cases = [square(i, "healthy") for i in range(10)]
    for place in (2, 3):
        object.__setattr__(cases[place], "subject", "s")
    assert split(cases, by=())[1].places == [2, 3]


def test_subjects_in_memory_are_one_however_they_are_written() -> None:
    ways = ["7", 7.0, "007", " Anna B", "anna  b", np.nan, np.nan, "", ""]
    cases = [replace(square(i, "healthy"), subject=way) for i, way in enumerate(ways)]
    assert together(cases).tolist() == [0, 0, 0, 1, 1, 2, 3, 4, 5]
