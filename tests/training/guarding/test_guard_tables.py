"""What a guard's table tells of whom its cases are, and names that no card can hold."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from training_cases import CARD, mixed_squares, square, squares, tiny_model

from napari_dmoe.cohorts.datasets import Cohort, read_cohort
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.cases.annotation import Annotation
from napari_dmoe.training.facts.card_facts import without_verdict
from napari_dmoe.training.guarding.at_work import (
    WAS_TRAINED_ON,
    Guarding,
    check_guard,
)
from napari_dmoe.training.guarding.changes import Change
from napari_dmoe.training.guarding.guard import Guard
from napari_dmoe.training.guarding.report import TuningReport, with_verdict
from napari_dmoe.training.tuning.corrected import (
    StoredCases,
    annotated_case,
    write_cases,
)

N = 6


def named(letter: str) -> list[str]:
    return [f"{letter}{i}" for i in range(N)]


def table(folder: Path, first: int, columns: dict[str, Sequence[str]]) -> Cohort:
    """Write squares with further columns, and read them."""
    cases = [square(first + i, ("healthy", "suspect")[i % 2]) for i in range(N)]
    path = write_cohort(folder, cases)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        row.update({name: cells[i % len(cells)] for name, cells in columns.items()})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return read_cohort(folder)


BOTH = {"patient_id": named("P"), "lesion_id": named("L")}


@pytest.mark.parametrize(
    ("trained", "guard", "n"),
    [
        (BOTH, {"lesion_id": named("L")}, 0),
        ({"Lesion ID": named("l")}, BOTH, 0),
        (BOTH, {**BOTH, "patient_id": named("Q")}, 0),
        (BOTH, {**BOTH, "patient_id": [""]}, 0),
        (BOTH, {"patient_id": named("p")}, 0),
        (BOTH, {"patient_id": named("Q"), "lesion_id": named("M")}, N),
        ({"subject": ["1", "2", "3"]}, {"patient_id": ["1.0", "02", "3"]}, 0),
        # Numbers of patients and of lesions are two things.
        (
            {"patient_id": ["1", "2", "3"], "lesion_id": ["11", "12", "13"]},
            {"patient_id": ["11", "12", "13"], "lesion_id": ["1", "2", "3"]},
            N,
        ),
        # Lesions that are counted anew in each patient are nobody's.
        (
            {"patient_id": named("P"), "lesion_id": ["1", "1", "2"]},
            {"patient_id": named("Q"), "lesion_id": ["1", "1", "2"]},
            N,
        ),
    ],
)
def test_a_lesion_or_patient_is_known_by_whichever_column_tells_it(
    tmp_path: Path, trained: dict[str, list[str]], guard: dict[str, list[str]], n: int
) -> None:
    cases = table(tmp_path / "trained", 0, trained)
    table(tmp_path / "guard", 100, guard)
    which = Guard(kind="cohort", name=str(tmp_path / "guard"))
    found = Guarding.of(which, CARD, cases)
    assert len(found.cases) == n
    assert found.reasons == (() if n else (WAS_TRAINED_ON,))


def test_what_tells_a_lesion_travels_sealed(tmp_path: Path) -> None:
    cases = table(tmp_path / "trained", 0, BOTH)
    corrected = [annotated_case(case, CARD, Annotation()) for case in cases]
    write_cases(tmp_path / "private", [*corrected, *cases])
    every = b"".join(p.read_bytes() for p in (tmp_path / "private").iterdir())
    assert b"l3" not in every
    assert b"P3" not in every
    table(tmp_path / "guard", 100, {"lesion_id": named("L")})
    guard = Guard(kind="cohort", name=str(tmp_path / "guard"))
    stored = StoredCases.of(tmp_path / "private")
    assert Guarding.of(guard, CARD, stored).reasons == (WAS_TRAINED_ON,)


@pytest.mark.parametrize("value", ["Asian\u200b", "a\x07b", "B\u202eX", "x" * 300])
def test_a_value_that_could_name_no_group_stops_nothing(
    tmp_path: Path, value: str
) -> None:
    table(tmp_path / "guard", 100, {"race": [value, "Black", "Black"]})
    guard = Guard(kind="cohort", name=str(tmp_path / "guard"))
    known = check_guard(guard, CARD, squares(2))
    found = Guarding.of(guard, CARD, squares(2))
    race = next(a for a in found.attributes if a.name == "race")
    assert race.values in (("Black",), ("Asian\u200b", "Black"))
    assert not any(
        value in told and len(value) > 9 for told in (*known, *found.notices)
    )


# A card that cannot be read any more would cost the whole tuning


def kept(folder: Path, report: TuningReport, note: str = "") -> object:
    model = with_verdict(tiny_model(), report, note=note)
    save_checkpoint(folder / "m.safetensors", model)
    return load_checkpoint(folder / "m.safetensors").card.training


def fallen(*groups: str, regions: int = 1) -> tuple[Change, ...]:
    return tuple(
        Change(g, f"organ {i}", 4, 0, 0.8, 0.2, -0.9, 0.1)
        for g in ("all", *groups)
        for i in range(regions)
    )


def test_a_report_of_very_many_groups_has_room_on_the_card(tmp_path: Path) -> None:
    guard = fallen(*(f"race=people {i}" for i in range(40)), regions=60)
    report = TuningReport((), guard=guard, guard_title="people")
    facts = kept(tmp_path, report)
    assert facts.guard == report.said
    assert report.said in facts.note
    assert "and 10 more; too few cases to tell" in report.said
    assert len(report.said) < 10_000


@pytest.mark.parametrize("title", ["isic (2).csv", "a\u200bb", "Groups: x", "a\nb", ""])
def test_a_verdict_is_found_again_whatever_the_guard_is_called(
    tmp_path: Path, title: str
) -> None:
    report = TuningReport((), guard=fallen("sex=male"), guard_title=title)
    facts = kept(tmp_path, report, note="Groups (of cases) are known. Tuned.")
    assert facts.guard == report.said
    assert str(facts.note).endswith(report.said)
    assert without_verdict(facts).note == "Groups (of cases) are known. Tuned."


def test_the_guard_of_a_large_training_has_few_cases_of_everybody(
    tmp_path: Path,
) -> None:
    write_cohort(tmp_path / "guard", [square(100, "healthy")])
    guard = Guard(kind="cohort", name=str(tmp_path / "guard"))
    told = check_guard(guard, CARD, mixed_squares(3))
    assert told == (
        "the guard has no case of severity=suspect, severity=glaucoma",
        "fewer than 10 cases of severity=healthy (n 1)",
    )
