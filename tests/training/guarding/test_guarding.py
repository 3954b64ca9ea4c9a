"""A guard before anything is trained: who may judge, and what speaks against it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_cases import (
    CARD,
    CUBE_CARD,
    PLAIN,
    SEVERITY,
    cube,
    mixed_squares,
    square,
    squares,
    tiny_model,
)

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.card import CardAttribute, TrainingFacts
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.guarding import at_work
from napari_dmoe.training.guarding.at_work import (
    CHOSEN_APART,
    CHOSEN_BY_GUARD,
    MADE_UP,
    ONLY_PICTURES,
    WAS_TRAINED_ON,
    Guarding,
    check_guard,
)
from napari_dmoe.training.guarding.changes import changes
from napari_dmoe.training.guarding.groups import attributes_to_compare
from napari_dmoe.training.guarding.guard import Guard, watched
from napari_dmoe.training.guarding.report import TuningReport, with_verdict
from napari_dmoe.training.guarding.scores import CaseScore
from napari_dmoe.training.loop.folder import LAST, RECORD
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.tuning.tune import tune

SHORT = PLAIN.model_copy(update={"epochs": 1, "steps_per_epoch": 1})
TRAINED = squares(2, first=500)
ONE_CLASS = CARD.model_copy(update={"classes": ("background", "lesion")})


def guard_of(folder: Path, cases: Sequence[Case]) -> Guard:
    write_cohort(folder / "people", cases)
    return Guard(kind="cohort", name=str(folder / "people"))


def labelled(case: Case, labels: np.ndarray) -> Case:
    return replace(case, labels=SpatialImage(labels, ("y", "x")))


def of(folder: Path, cases: Sequence[Case], **how: object) -> Guarding:
    return Guarding.of(
        guard_of(folder, cases), CARD, how.pop("trained", TRAINED), **how
    )


def says(found: Guarding, notice: str) -> bool:
    return f"the guard: {notice}" in found.notices


# It shares nothing with what was trained on


def test_a_guard_that_is_the_training_set_checks_nothing(tmp_path: Path) -> None:
    cases = mixed_squares(30)
    guard = guard_of(tmp_path, cases)
    tuned = tune(tiny_model(), cases, settings=SHORT, guard=guard)
    assert tuned.report.verdict == "not checked"
    assert tuned.report.said == f"not checked: {WAS_TRAINED_ON}."
    assert tuned.report.guard == ()
    assert tuned.loaded.card.training.guard == tuned.report.said
    assert tuned.loaded.card.training.dice is None
    assert check_guard(guard, CARD, read_cohort(guard.name)) == (WAS_TRAINED_ON,)


def test_pictures_that_are_trained_on_do_not_judge(tmp_path: Path) -> None:
    cases = mixed_squares(6)
    picture = np.stack([np.asarray(cases[0].image.data) / 255] * 3, -1)
    shown = Case("layer", SpatialImage(picture, ("y", "x", "c")), None, Patient())
    found = of(tmp_path, cases, trained=[shown, cases[4]])
    assert [case.id for case in found.cases] == ["1", "2", "3", "5"]
    assert (
        "the guard: 2 cases whose picture is trained on are left out" in found.notices
    )
    assert says(found, ONLY_PICTURES)


def test_replayed_cases_were_trained_on_too(tmp_path: Path) -> None:
    cases = mixed_squares(6)
    guard = guard_of(tmp_path, cases)
    tuned = tune(tiny_model(), TRAINED, settings=SHORT, guard=guard, replay=cases[:2])
    assert next(c.n for c in tuned.report.guard) == 4


def test_subjects_that_are_trained_on_do_not_judge(tmp_path: Path) -> None:
    cases = [replace(c, subject=f"P{i % 3}") for i, c in enumerate(mixed_squares(6))]
    trained = [replace(TRAINED[0], subject="p1")]
    found = of(tmp_path, cases, trained=trained)
    assert [case.id for case in found.cases] == ["0", "2", "3", "5"]
    assert (
        "the guard: 2 cases whose patient or lesion is trained on are left out"
        in found.notices
    )
    assert not says(found, ONLY_PICTURES)


@pytest.mark.parametrize(
    ("trained", "own", "n_left"),
    [
        ("patient_id,lesion_id\nP1,L1", "patient_id,lesion_id\nP9,L1\nP8,L8", 1),
        ("patient_id,lesion_id\nP1,L1", "lesion_id\nl1\nL2", 1),
        ("lesion_id\nL1", "subject,lesion_id\nP1,L1\nP2,L2", 1),
        ("patient,lesion_id\nP1,L1\nP2,L1", "Subject ID\nP2\nP3", 1),
        ("patient_id\n7", "patient_id\n7.0\n007", 0),
        ("patient_id\n7", "patient_id\n70\n17", 2),
    ],
)
def test_a_patient_or_lesion_is_known_again_in_another_table(
    tmp_path: Path, trained: str, own: str, n_left: int
) -> None:
    cohorts = []
    for place, text in enumerate((trained, own)):
        folder = tmp_path / str(place)
        header, *cells = text.split("\n")
        write_cohort(folder, squares(len(cells), first=100 * place))
        lines = (folder / "cohort.csv").read_text().splitlines()
        told = zip(lines, (header, *cells), strict=True)
        (folder / "cohort.csv").write_text("\n".join(map(",".join, told)))
        cohorts.append(read_cohort(folder))
    guard = Guard(kind="cohort", name=str(tmp_path / "1"))
    for cases in (cohorts[0], [*cohorts[0]]):  # of a table, and in memory
        assert len(Guarding.of(guard, CARD, cases).cases) == n_left


def test_a_picture_that_is_there_twice_judges_once(tmp_path: Path) -> None:
    cases = [*mixed_squares(3), replace(mixed_squares(1)[0], id="copy")]
    found = of(tmp_path, cases)
    assert len(found.cases) == 3
    assert says(found, "1 case whose picture another has is left out")


# Its labels are the model's classes


def with_values(values: Sequence[int], n: int = 3) -> list[Case]:
    pattern = np.resize(np.array(values, np.uint8), (32, 32))
    return [labelled(case, pattern) for case in mixed_squares(n)]


@pytest.mark.parametrize("values", [(0, 7), (0, 255), (1, 2), (0, 1, 2, 9), (0, 128)])
def test_labels_that_are_no_classes_of_several_are_refused(
    tmp_path: Path, values: tuple[int, ...]
) -> None:
    with pytest.raises((CohortError, TrainingError), match="guard"):
        of(tmp_path, with_values(values))


@pytest.mark.parametrize(
    "values", [(0, 128, 255), (0, 7, 255), (1, 2), (1, 255), (0, 1, 2), (0, 2, 7)]
)
def test_labels_that_may_be_several_things_are_refused_for_one_class(
    tmp_path: Path, values: tuple[int, ...]
) -> None:
    guard = guard_of(tmp_path, with_values(values))
    with pytest.raises((CohortError, TrainingError), match="guard"):
        Guarding.of(guard, ONE_CLASS, TRAINED)


@pytest.mark.parametrize("values", [(0, 1), (0, 7), (0, 255)])
def test_masks_of_two_values_are_the_one_class(
    tmp_path: Path, values: tuple[int, int]
) -> None:
    guard = guard_of(tmp_path, with_values(values))
    found = Guarding.of(guard, ONE_CLASS, TRAINED)
    truth = np.asarray(found.cases[0].labels.data)
    assert set(np.unique(truth)) == {0, 1}


def test_labels_as_floats_are_read(tmp_path: Path) -> None:
    cases = [
        labelled(c, np.asarray(c.labels.data).astype(np.float32))
        for c in mixed_squares(3)
    ]
    assert len(of(tmp_path, cases).cases) == 3


def test_a_case_on_which_nothing_is_annotated_is_none(tmp_path: Path) -> None:
    cases = mixed_squares(4)
    cases[1] = labelled(cases[1], np.full((32, 32), 255, np.uint8))
    found = of(tmp_path, cases)
    assert [case.id for case in found.cases] == ["0", "2", "3"]
    assert (
        "the guard: 1 case on which nothing is annotated is left out" in found.notices
    )
    empty = of(tmp_path / "empty", with_values((255,)))
    assert empty.reasons == ("nothing is annotated in any case of the guard",)


def test_masks_that_are_mostly_not_annotated_are_measured_where_they_are(
    tmp_path: Path,
) -> None:
    cases = []
    for case in mixed_squares(3):
        labels = np.full((32, 32), 255, np.uint8)
        labels[:4] = np.asarray(case.labels.data)[8:12]
        labels[0, 0] = 0
        cases.append(labelled(case, labels))
    assert len(of(tmp_path, cases).cases) == 3


# Its groups


def test_no_text_column_makes_groups_but_attributes(tmp_path: Path) -> None:
    cases = [
        replace(
            case,
            patient=Patient(
                severity=case.patient.severity,
                sex=("female", "male")[i % 2],
                others={"note": f"seen by {i % 2}", "lesion": f"L{i}"},
            ),
        )
        for i, case in enumerate(mixed_squares(6))
    ]
    found = of(tmp_path, cases)
    assert [a.name for a in found.attributes] == ["severity", "sex"]


def test_what_only_one_case_states_is_no_group(tmp_path: Path) -> None:
    cases = [cube(i, severity=None, sex=None, race=f"person {i}") for i in range(3)]
    guard = guard_of(tmp_path, cases)
    found = Guarding.of(guard, CUBE_CARD, [cube(50)])
    assert [a.name for a in found.attributes] == ["severity"]
    assert not any("person" in notice for notice in found.notices)


def test_a_column_called_like_an_attribute_may_hold_notes(tmp_path: Path) -> None:
    cases = [
        square(
            i,
            "healthy",
            race=f"call Doe {i // 3}",
            others={"language": f"asked {i % 2}"},
        )
        for i in range(66)
    ]
    found = attributes_to_compare([c.patient for c in cases], CARD)
    assert [a.name for a in found] == ["severity", "language"]
    guard = guard_of(tmp_path, cases[:9])
    table = tmp_path / "people" / "cohort.csv"
    header, *rows = table.read_text().splitlines()
    whose = [f"{row},P{i // 3}" for i, row in enumerate(rows)]
    table.write_text("\n".join([f"{header},patient_id", *whose]))
    found = Guarding.of(guard, CARD, [square(50, "healthy", race="call Doe 0")])
    assert found.attributes[1].values == ("call Doe 0",)  # two patients, so no person
    assert not any("Doe" in notice for notice in found.notices)
    assert "(n 6): these are in no group" in str(found.notices)
    alone = Guarding.of(guard, CARD, TRAINED)
    assert "race" not in {a.name for a in alone.attributes}
    assert "the guard: race makes no groups" in str(alone.notices)
    assert "race" not in str(check_guard(guard, CARD, TRAINED))


@pytest.mark.parametrize("value", ["MRN 004711", "seen on 2019-04-01", "a " * 40])
def test_a_number_or_a_sentence_makes_no_group(value: str) -> None:
    patients = [Patient(race=value), Patient(race=value), Patient(race="White")]
    _, race = attributes_to_compare(patients, CARD)
    assert race.values == ("White",)


def test_rows_that_miss_a_value_are_unknown_and_said(tmp_path: Path) -> None:
    cases = [square(i, None if i < 2 else "healthy", sex="F") for i in range(5)]
    found = of(tmp_path, cases)
    assert (
        "the guard: severity unknown (n 2): these are in no group of it"
        in found.notices
    )


def test_a_value_that_the_model_does_not_know_is_scored_as_unknown(
    tmp_path: Path,
) -> None:
    cases = [*mixed_squares(6), square(10, "end stage"), square(11, "end stage")]
    guard = guard_of(tmp_path, cases)
    tuned = tune(tiny_model(), TRAINED, settings=SHORT, guard=guard)
    assert {c.group for c in tuned.report.guard} == {
        "all",
        *(f"severity={value}" for value in SEVERITY.values),
    }
    assert next(c.n for c in tuned.report.guard) == 8
    (notice,) = [n for n in tuned.report.notices if "no value that the model" in n]
    assert "(n 2)" in notice
    assert "end stage" not in notice


def test_a_value_that_is_unknown_to_one_of_two_drivers_stops_nothing() -> None:
    sex = CardAttribute(name="sex", values=("female", "male"))
    two = CARD.model_copy(update={"attributes": (SEVERITY, sex)})
    cases = [square(0, "healthy", sex="intersex"), square(1, "healthy", sex="male")]
    assert [case.id for case in watched(cases, two)] == ["1"]


def test_every_group_that_is_trained_on_has_to_be_there(tmp_path: Path) -> None:
    cases = squares(12, "healthy")
    found = of(tmp_path, cases, trained=squares(1, "glaucoma", first=500))
    assert found.required == tuple(f"severity={v}" for v in SEVERITY.values)
    counted = CARD.model_copy(
        update={
            "training": TrainingFacts(
                n_per_value={"severity": {"healthy": 5, "suspect": 0, "glaucoma": 0}}
            )
        }
    )
    guard = Guard(kind="cohort", name=str(tmp_path / "people"))
    trained = [square(500, "glaucoma", sex="male")]
    known = Guarding.of(guard, counted, trained)
    assert known.required == ("severity=healthy", "severity=glaucoma", "sex=male")
    assert check_guard(guard, counted, trained) == (
        "the guard has no case of severity=glaucoma, sex=male",
    )


# What is known before Start, without reading an image


def test_a_guard_that_cannot_be_used_is_refused_beforehand(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="there is no cohort"):
        check_guard(Guard(kind="cohort", name=str(tmp_path / "nowhere")), CARD)
    plain = [replace(case, labels=None) for case in mixed_squares(3)]
    with pytest.raises(TrainingError, match="has no labels"):
        check_guard(guard_of(tmp_path, plain), CARD)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "cohort.csv").write_text("image,labels\ngone.png,gone.png\n")
    with pytest.raises(CohortError, match="does not exist"):
        check_guard(Guard(kind="cohort", name=str(tmp_path / "bad")), CARD)


def test_a_guard_that_is_too_small_or_knows_no_group_is_named(tmp_path: Path) -> None:
    small = guard_of(tmp_path, mixed_squares(6))
    assert check_guard(small, CARD, TRAINED) == (
        "fewer than 10 cases of severity=healthy (n 2), severity=suspect (n 2), "
        "severity=glaucoma (n 2)",
    )
    plain = CARD.model_copy(update={"attributes": ()})
    assert check_guard(small, plain) == (
        "fewer than 10 cases of severity=glaucoma (n 2), severity=healthy (n 2), "
        "severity=suspect (n 2)",
    )
    assert Guarding.of(small, plain, TRAINED).required == ("severity=suspect",)
    nobody = guard_of(tmp_path / "nobody", [square(i, None) for i in range(3)])
    assert "belong to no group" in check_guard(nobody, CARD)[0]
    large = guard_of(tmp_path / "large", mixed_squares(30))
    assert check_guard(large, CARD, TRAINED) == ()


# Made-up guards


def test_made_up_cases_guard_neither_real_models_nor_real_cases() -> None:
    guard = Guard(kind="phantoms", name="fundus", n=3)
    assert check_guard(guard, CARD) == (MADE_UP,)
    tuned = tune(tiny_model(), TRAINED, settings=SHORT, guard=guard)
    assert tuned.report.said == f"not checked: {MADE_UP}."
    facts = TrainingFacts(phantoms="fundus")
    drawn = CARD.model_copy(update={"training": facts})
    assert check_guard(guard, drawn) == ()
    assert check_guard(guard, drawn, TRAINED) == (MADE_UP,)
    phantoms = [replace(case, phantom="fundus") for case in TRAINED]
    assert check_guard(guard, drawn, phantoms) == ()
    assert Guarding.of(guard, drawn, phantoms).reasons == ()


def test_a_cohort_of_made_up_cases_is_no_guard_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = mixed_squares(6)
    drawn = [replace(case, phantom="fundus") for case in cases[:4]]
    monkeypatch.setattr(at_work, "guard_cases", lambda *_, **__: [*drawn, *cases[4:]])
    guard = Guard(kind="cohort", name="people")
    found = Guarding.of(guard, CARD, TRAINED)
    assert [case.id for case in found.cases] == ["4", "5"]
    monkeypatch.setattr(at_work, "guard_cases", lambda *_, **__: drawn)
    assert Guarding.of(guard, CARD, TRAINED).reasons == (MADE_UP,)


# Who chooses the epoch does not judge


def test_cases_that_choose_the_epoch_do_not_judge_where_others_are_left(
    tmp_path: Path,
) -> None:
    best = {"chooses_epoch": True}
    large = of(tmp_path, mixed_squares(60), **best)
    assert (len(large.watch), len(large.cases)) == (24, 36)
    assert not {c.id for c in large.watch} & {c.id for c in large.cases}
    assert CHOSEN_APART in large.notices
    small = of(tmp_path / "small", mixed_squares(30), **best)
    assert len(small.cases) == 30
    assert CHOSEN_BY_GUARD in small.notices
    last = of(tmp_path / "last", mixed_squares(30))
    assert len(last.cases) == 30
    assert not {CHOSEN_APART, CHOSEN_BY_GUARD} & set(last.notices)


def test_a_subject_does_not_choose_the_epoch_and_judge(tmp_path: Path) -> None:
    cases = [replace(c, subject=f"{i // 2}") for i, c in enumerate(mixed_squares(120))]
    found = of(tmp_path, cases, chooses_epoch=True)
    assert CHOSEN_APART in found.notices
    assert not {c.subject for c in found.watch} & {c.subject for c in found.cases}


def test_kept_scores_of_another_guard_are_not_taken(tmp_path: Path) -> None:
    found = of(tmp_path, mixed_squares(3))
    assert found.digest() == of(tmp_path / "again", mixed_squares(3)).digest()
    assert [score.absent for score in found.score(tiny_model())] == [(), (), ()]
    others = [replace(square(70 + i), id=str(i)) for i in range(3)]
    blank = [labelled(c, np.zeros((32, 32), np.uint8)) for c in mixed_squares(3)]
    for name, cases in (("others", others), ("blank", blank)):
        assert of(tmp_path / name, cases).digest() != found.digest()


# What the model's card and its training say


def test_a_card_says_what_the_last_guard_allowed_to_say(tmp_path: Path) -> None:
    guard = guard_of(tmp_path, mixed_squares(6))
    once = tune(tiny_model(), TRAINED, settings=SHORT, guard=guard)
    twice = tune(once.loaded, TRAINED, settings=SHORT)
    note = str(twice.loaded.card.training.note)
    assert note.count("Groups") == 1
    assert note.count("Fine-tuned from") == 2
    assert note.endswith("Groups: not checked: there was no guard.")
    assert twice.loaded.card.training.guard == "not checked: there was no guard."


def test_a_card_counts_the_cases_that_its_dice_is_the_mean_of() -> None:
    def scores(*dice: float) -> list[CaseScore]:
        return [CaseScore(str(i), (), {"cup": d}) for i, d in enumerate(dice)]

    found = changes(scores(0.5, math.nan, 0.7), scores(0.5, 0.2, 0.6))
    facts = with_verdict(tiny_model(), TuningReport((), found)).card.training
    assert (facts.dice, facts.n_held_out) == ({"cup": 0.55}, 2)


def test_the_curves_are_of_the_guard_though_nobody_knows_a_driver(
    tmp_path: Path,
) -> None:
    found = of(tmp_path, [square(i, None) for i in range(3)])
    assert [case.id for case in found.watch] == ["0", "1", "2"]


def test_rows_without_labels_are_told(tmp_path: Path) -> None:
    cases = [*mixed_squares(3), replace(square(20), labels=None)]
    guard = guard_of(tmp_path, cases)
    report = tune(tiny_model(), TRAINED, settings=SHORT, guard=guard).report
    assert "the guard: rows without labels are left out (n 1)" in report.notices


def test_without_a_guard_nothing_is_said_to_be_held_out(tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    tuned = tune(
        tiny_model(),
        TRAINED,
        settings=SHORT,
        folder=tmp_path,
        on_epoch=epochs.append,
    )
    assert epochs[0].dice  # there are curves, of what is trained on
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["held_out"] == "training"
    assert tuned.loaded.card.training.dice is None
    last = load_checkpoint(tmp_path / LAST).card.training
    assert (last.dice, last.n_held_out) == (None, None)
    assert "not checked: there was no guard." in str(tuned.loaded.card.training.note)


def test_a_tuning_is_resumed_where_an_older_version_kept_the_scores(
    tmp_path: Path,
) -> None:
    guard = guard_of(tmp_path, mixed_squares(6))
    options = {"settings": SHORT, "guard": guard, "folder": tmp_path / "run"}
    whole = tune(tiny_model(), TRAINED, **options)
    (tmp_path / "run" / "before.json").write_text('{"cases": [], "guard": []}')
    again = tune(tiny_model(), TRAINED, only_compare=True, **options)
    assert again.report == whole.report
