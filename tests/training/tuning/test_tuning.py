"""Tuning on corrected cases: what is trained, what is measured, what may be said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from training_cases import (
    CARD,
    PLAIN,
    SEVERITY,
    cube,
    cube_model,
    mixed_squares,
    square,
    squares,
    tiny_model,
    weights,
)

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.training.cases.annotation import Annotation, TrainingError
from napari_dmoe.training.guarding import guard as guards
from napari_dmoe.training.guarding import scores as case_scores
from napari_dmoe.training.guarding.guard import (
    Guard,
    groups_to_compare,
    guard_cases,
    phantom_guard,
    tries_to_fill,
    watched,
)
from napari_dmoe.training.guarding.scores import score_cases
from napari_dmoe.training.loop.folder import LAST
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.recipes import RECIPES
from napari_dmoe.training.tuning.corrected import (
    StoredCases,
    annotated_case,
    write_cases,
)
from napari_dmoe.training.tuning.presets import PRESETS, tuning_settings
from napari_dmoe.training.tuning.tune import AFTER, BEFORE, TRAINING, tune

SHORT = PLAIN.model_copy(update={"epochs": 3, "steps_per_epoch": 2})


def guard_of(tmp_path: Path, cases: list[Case]) -> Guard:
    write_cohort(tmp_path / "guard", cases)
    return Guard(kind="cohort", name=str(tmp_path / "guard"))


def test_a_tuning_measures_before_trains_and_measures_after(tmp_path: Path) -> None:
    loaded, stages, epochs = tiny_model(), [], []
    before = weights(loaded)
    tuned = tune(
        loaded,
        squares(2, first=50),
        settings=SHORT,
        guard=guard_of(tmp_path, mixed_squares(30)),
        progress=lambda stage, _: stages.append(stage),
        on_epoch=epochs.append,
    )
    assert list(dict.fromkeys(stages)) == [BEFORE, TRAINING, AFTER]
    assert len(epochs) == 3
    assert set(epochs[0].groups) == {f"severity={v}" for v in SEVERITY.values}
    assert (weights(loaded) == before).all()
    assert (weights(tuned.loaded) != before).any()
    report = tuned.report
    assert report.n_cases == 2
    assert {c.group for c in report.cases} == {"all", "severity=suspect"}
    assert {c.region for c in report.guard} == {"rim", "cup", "disc"}
    assert [c.n for c in report.guard if c.region == "rim"] == [30, 10, 10, 10]
    assert report.guard_title == "guard"
    assert not any("fewer than" in reason for reason in report.reasons)
    assert tuned.loaded.card.training.guard == report.said
    assert report.said in str(tuned.loaded.card.training.note)


def test_without_a_guard_groups_are_not_checked() -> None:
    report = tune(tiny_model(), squares(1), settings=SHORT).report
    assert report.guard == ()
    assert report.verdict == "not checked"
    assert report.worst_group is None


def test_cases_that_choose_the_round_are_not_trained_on(tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    held = {"hold_out": "cases", "keep": "best", "epochs": 4, "steps_per_epoch": 3}
    settings = SHORT.model_copy(update=held)
    cases = mixed_squares(15)
    others = [square(60 + i, SEVERITY.values[i % 3]) for i in range(33)]
    guard = guard_of(tmp_path, [*others, cases[2]])
    tuned = tune(
        tiny_model(), cases, settings=settings, guard=guard, on_epoch=epochs.append
    )
    report, scores = tuned.report, [epoch.worst for epoch in epochs]
    assert report.n_cases == 12
    assert {c.n for c in report.cases if c.group == "all"} == {12}
    assert [epoch.n for epoch in epochs] == [3] * 4
    best = scores.index(max(s for s in scores if s is not None)) + 1
    said = f"3 cases held out: round {best} was the best on them and is kept"
    assert said in report.notices
    assert not any("also chose" in each for each in report.notices)
    assert {c.n for c in report.guard if c.group == "all"} == {33}
    assert "12 corrected cases" in str(tuned.loaded.card.training.note)
    assert report.steps == 12


def test_it_ends_early_where_held_out_cases_get_no_better() -> None:
    changes = {"hold_out": "cases", "keep": "best", "patience": 2}
    changes |= {"learning_rate": 1e-12, "epochs": 9, "steps_per_epoch": 1}
    settings = SHORT.model_copy(update=changes)
    report = tune(tiny_model(), mixed_squares(15), settings=settings).report
    assert report.steps == 3
    said = "3 cases held out: round 1 was the best on them and is kept"
    assert f"{said}; it ended early, after 3 rounds" in report.notices


def test_of_one_subject_nothing_is_held_out_and_the_last_round_is_kept() -> None:
    changes = {"hold_out": "cases", "keep": "best", "patience": 1}
    settings = SHORT.model_copy(update={**changes, "learning_rate": 1e-12})
    cases = [replace(case, subject="one") for case in mixed_squares(15)]
    report = tune(tiny_model(), cases, settings=settings).report
    assert report.n_cases == 15
    assert any(each.startswith("no case is held out") for each in report.notices)
    assert not any("ended early" in each for each in report.notices)


def test_the_card_says_what_it_was_tuned_on_and_what_it_reached(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, tiny_model())
    loaded = load_checkpoint(path)
    guard = guard_of(tmp_path, mixed_squares(3))
    tuned = tune(loaded, squares(1, first=50), settings=SHORT, guard=guard)
    card = tuned.loaded.card
    assert card.name == "tiny-tuned"
    assert card.title == "Tiny, fine-tuned"
    assert loaded.sha256[:12] in str(card.training.note)
    assert tuned.report.parent == loaded.sha256
    overall = {c.region: c.after for c in tuned.report.guard if c.group == "all"}
    assert card.training.dice == pytest.approx(overall, abs=5e-4)
    assert card.training.n_held_out == 3
    alone = tune(loaded, squares(1), settings=SHORT)
    assert alone.loaded.card.training.dice is None
    assert alone.loaded.card.training.n_held_out is None
    assert "not checked" in str(alone.loaded.card.training.note)
    again = tune(tuned.loaded, squares(1), settings=SHORT)
    assert again.loaded.card.name == "tiny-tuned"


def test_what_is_not_annotated_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    case = square(0)
    found = SimpleNamespace(axes=("y", "x"), labels=np.full((32, 32), 1, np.uint8))
    monkeypatch.setattr(case_scores, "segment", lambda *_, **__: found)
    sparse = np.full((32, 32), 255, np.uint8)
    sparse[0, :3] = (1, 1, 2)
    labels = SpatialImage(sparse, ("y", "x"))
    only = Case("only", case.image, labels, case.patient)
    (score,) = score_cases(tiny_model(), [only], attributes=(SEVERITY,))
    assert score.groups == ("severity=suspect",)
    assert score.dice == {"rim": pytest.approx(0.8), "cup": 0.0, "disc": 1.0}


def test_a_label_without_a_class_is_not_measured_as_background() -> None:
    case = square(0)
    wrong = case.labels.data.copy()
    wrong[0, 0] = 9
    odd = Case("odd", case.image, SpatialImage(wrong, ("y", "x")), case.patient)
    with pytest.raises(CohortError, match="case odd: labels reach from 0 to 9"):
        score_cases(tiny_model(), [odd], attributes=())


def test_a_stopped_tuning_is_resumed_as_if_there_had_been_no_break(
    tmp_path: Path,
) -> None:
    whole = tune(tiny_model(), squares(2), settings=SHORT, folder=tmp_path / "whole")

    def stop(stage: str, at: Progress) -> None:
        if stage == TRAINING and at.message.startswith("epoch 2"):
            raise Cancelled

    folder = tmp_path / "parts"
    with pytest.raises(Cancelled):
        tune(tiny_model(), squares(2), settings=SHORT, folder=folder, progress=stop)
    assert (folder / LAST).is_file()
    stages = []
    parts = tune(
        tiny_model(),
        squares(2),
        settings=SHORT,
        folder=folder,
        resume=True,
        progress=lambda stage, _: stages.append(stage),
    )
    assert BEFORE not in stages  # it was measured already
    assert (weights(parts.loaded) == weights(whole.loaded)).all()
    assert parts.report == whole.report


def test_what_was_reached_at_a_stop_can_be_compared(tmp_path: Path) -> None:
    def stop(stage: str, at: Progress) -> None:
        if stage == TRAINING and at.message.startswith("epoch 2"):
            raise Cancelled

    options = {"settings": SHORT, "folder": tmp_path}
    with pytest.raises(Cancelled):
        tune(tiny_model(), squares(2), progress=stop, **options)
    compared = tune(tiny_model(), squares(2), only_compare=True, **options)
    assert (weights(compared.loaded) != weights(tiny_model())).any()
    with pytest.raises(TrainingError, match="nothing was trained yet"):
        tune(tiny_model(), squares(2), settings=SHORT, only_compare=True)


def test_a_stop_before_training_resumes_from_the_start(tmp_path: Path) -> None:
    def stop(stage: str, at: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        tune(tiny_model(), squares(1), settings=SHORT, folder=tmp_path, progress=stop)
    tune(tiny_model(), squares(1), settings=SHORT, folder=tmp_path, resume=True)


def test_no_cases_are_refused() -> None:
    with pytest.raises(TrainingError, match="tick at least one pair"):
        tune(tiny_model(), [], settings=SHORT)


def test_volumes_are_tuned_too(tmp_path: Path) -> None:
    settings = tuning_settings("balanced", cube_model().card).model_copy(
        update={"epochs": 1, "steps_per_epoch": 1, "device": "cpu"}
    )
    guard = guard_of(tmp_path, [cube(1), cube(2)])
    report = tune(cube_model(), [cube(3)], settings=settings, guard=guard).report
    assert [c.n for c in report.guard] == [2, 1, 1]


def test_earlier_cases_are_replayed_but_not_counted_as_corrected() -> None:
    report = tune(
        tiny_model(), squares(1), settings=SHORT, replay=squares(2, first=5)
    ).report
    assert (report.n_cases, report.n_replayed) == (1, 2)


def test_the_card_tells_corrected_cases_from_earlier_ones() -> None:
    earlier = squares(2, first=5)
    first = tune(tiny_model(), earlier, settings=SHORT).loaded
    again = tune(first, squares(1), settings=SHORT, replay=earlier).loaded
    note = str(again.card.training.note)
    assert "on 2 corrected cases." in note
    assert "on 1 corrected case, and on 2 earlier ones." in note


def test_replayed_cases_count_where_nothing_was_trained_before() -> None:
    loaded = tune(
        tiny_model(), squares(1), settings=SHORT, replay=squares(2, "glaucoma", 5)
    ).loaded
    assert loaded.card.training.n_cases == 3
    assert loaded.card.counts("severity") == {"healthy": 0, "suspect": 1, "glaucoma": 2}


def test_replayed_cases_count_once_in_the_card_however_often_it_is_tuned() -> None:
    earlier = squares(2, first=5)
    loaded = tune(tiny_model(), earlier, settings=SHORT).loaded
    assert loaded.card.training.n_cases == 2
    for number in range(2):
        new = squares(1, "glaucoma", 20 + number)
        loaded = tune(loaded, new, settings=SHORT, replay=earlier).loaded
        earlier += new
    assert loaded.card.training.n_cases == 4
    assert loaded.card.attributes[0].frequencies == (0, 0.5, 0.5)


def test_a_correction_without_a_class_does_not_unlearn_it_in_silence() -> None:
    model = load_checkpoint("fundus-phantom")
    case = square(0)
    disc = np.minimum(np.asarray(case.labels.data), 1)
    labels = SpatialImage(disc, ("y", "x"))
    corrected = Case("a", case.image, labels, case.patient)
    report = tune(model, [corrected], settings=SHORT).report
    assert any("no case shows any cup: it is kept" in n for n in report.notices)


# The private folder


def test_cases_travel_as_they_are_with_the_drivers_alone(tmp_path: Path) -> None:
    case = square(0, sex="female", age=63)
    ready = annotated_case(case, CARD, Annotation(unlabelled=0, background=1))
    assert ready.patient == Patient(severity="suspect")
    assert set(np.unique(ready.labels.data)) == {0, 2, 255}
    folder = tmp_path / "cases"
    write_cases(folder, [ready])
    write_cases(folder, [annotated_case(square(1), CARD, Annotation())])
    stored = StoredCases.of(folder)
    assert stored.ids() == ("0", "1")
    np.testing.assert_array_equal(stored[0].image.data, case.image.data)
    np.testing.assert_array_equal(stored[0].labels.data, ready.labels.data)
    assert stored[0].patient == ready.patient
    assert folder.stat().st_mode & 0o077 == 0
    assert b"female" not in b"".join(p.read_bytes() for p in folder.iterdir())
    assert [case.id for case in stored.only(["1"])] == ["1"]
    assert StoredCases.of(tmp_path / "nothing") == StoredCases(())


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (7, TrainingError, "labels reach from 0 to 7"),
        (0, TrainingError, "nothing is annotated"),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(
    value: int, error: type[ValueError], words: str
) -> None:
    case = square(0)
    wrong = np.zeros((32, 32), np.uint8)
    wrong[0, 0] = value
    changed = Case("a", case.image, SpatialImage(wrong, ("y", "x")), case.patient)
    unlabelled = 0 if value == 0 else None
    with pytest.raises(error, match=words):
        annotated_case(changed, CARD, Annotation(unlabelled=unlabelled))


# The guard


def test_phantoms_guard_the_models_that_were_trained_on_them() -> None:
    card = RECIPES["fundus-phantom"].card
    guard = phantom_guard(card)
    assert guard == phantom_guard(
        card.model_copy(update={"name": card.name + "-tuned"})
    )
    assert guard is not None
    assert guard.title == "60 fundus phantoms"
    assert phantom_guard(CARD) is None
    named = CARD.model_copy(update={"name": "fundus-phantom"})
    assert phantom_guard(named) is None  # a name tells nothing of the images
    volumes = phantom_guard(RECIPES["pelvis-phantom"].card)
    assert volumes is not None
    assert volumes.n == 40  # ten of each of four stages


def test_phantoms_are_balanced_over_the_groups() -> None:
    card = RECIPES["skin-phantom"].card
    guard = Guard(kind="phantoms", name="skin", n=10)
    told = []
    cases = guard_cases(guard, card, progress=told.append)
    groups = [tuple(card.categories(case.patient)) for case in cases]
    assert len(set(groups)) == len(groups) == 10
    assert told[-1].fraction == 1
    assert len(watched(cases, card)) == 10


def test_drawing_a_guard_is_told_by_its_draws_and_not_by_its_cases() -> None:
    """The last groups take most of them: counted by cases, it would seem to stall."""
    card = RECIPES["skin-phantom"].card
    told = []
    guard = Guard(kind="phantoms", name="skin", n=20)
    guard_cases(guard, card, progress=lambda at: told.append(at.fraction))
    n = len(told) - 1
    assert n > 30
    assert told == sorted(told)
    assert max(abs(at - i / n) for i, at in enumerate(told)) < 0.25


def test_draws_that_fill_all_groups_are_foretold() -> None:
    assert tries_to_fill([1, 1]) == pytest.approx(3, rel=0.01)
    assert tries_to_fill([0, 2]) == pytest.approx(4, rel=0.01)
    of_four = 4 * (1 + 1 / 2 + 1 / 3 + 1 / 4)
    assert tries_to_fill([1] * 4) == pytest.approx(of_four, rel=0.01)
    assert tries_to_fill([0, 0]) == 0


def test_phantoms_that_show_nothing_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cohort(n: int, *, seed: int) -> Iterator[Case]:
        for number, case in enumerate(mixed_squares(n)):
            assert case.labels is not None
            labels = np.asarray(case.labels.data) * (number % 3 > 0)
            yield replace(case, labels=replace(case.labels, data=labels))

    kind = replace(KINDS["skin"], cohort=cohort)
    monkeypatch.setattr(guards, "KINDS", {"squares": kind})
    cases = guard_cases(Guard(kind="phantoms", name="squares", n=4), CARD)
    assert len(cases) == 4
    assert all(np.asarray(case.labels.data).any() for case in cases if case.labels)


def test_a_guard_without_labels_is_refused(tmp_path: Path) -> None:
    case = square(0)
    guard = guard_of(tmp_path, [Case("a", case.image, None, case.patient)])
    with pytest.raises(TrainingError, match="has no labels"):
        guard_cases(guard, CARD)
    with pytest.raises(TrainingError, match="there are no 'dogs' phantoms"):
        guard_cases(Guard(kind="phantoms", name="dogs"), CARD)


def test_groups_of_a_table_are_compared_though_they_do_not_drive(
    tmp_path: Path,
) -> None:
    cases = [
        square(i, "suspect", race=race, age=60.0)
        for i, race in enumerate(("Asian", "Black"))
    ]
    guard = guard_of(tmp_path, cases)
    attributes = groups_to_compare(guard, [c.patient for c in cases], CARD)
    assert [a.name for a in attributes] == ["severity", "race"]
    trained = squares(1, first=50)
    report = tune(tiny_model(), trained, settings=SHORT, guard=guard).report
    groups = list(dict.fromkeys(c.group for c in report.guard))
    assert groups == ["all", "severity=suspect", "race=Asian", "race=Black"]
    assert report.missing == ("severity=healthy", "severity=glaucoma")


def test_guard_cases_without_a_driver_are_measured_but_not_watched() -> None:
    cases = [square(0, None), square(1)]
    assert [case.id for case in watched(cases, CARD)] == ["1"]
    assert watched([square(0, None)], CARD) == ()


def steps_of(settings: TrainSettings) -> int:
    return settings.epochs * (settings.steps_per_epoch or 0)


def test_every_preset_is_accepted_and_fits_its_model() -> None:
    for name in PRESETS:
        assert tuning_settings(name, CARD).unlabelled == 255
        single = CARD.model_copy(update={"attributes": ()})
        steps = [steps_of(tuning_settings(name, CARD, n)) for n in (1, 5, 20)]
        assert steps == ([20, 60, 200] if name == "quick" else [40, 120, 400])
        assert "routers" not in tuning_settings(name, single).train
    with pytest.raises(ValueError, match="there is no preset 'x'"):
        tuning_settings("x", CARD)


def test_a_tuning_that_goes_on_with_another_guard_compares_the_same_cases(
    tmp_path: Path,
) -> None:
    trained = squares(2, first=500)
    options = {"settings": SHORT, "folder": tmp_path / "run"}
    guard = guard_of(tmp_path / "one", mixed_squares(3))
    tune(tiny_model(), trained, guard=guard, **options)
    others = [replace(square(70 + i), id=str(i)) for i in range(3)]
    again = guard_of(tmp_path / "other", others)
    compared = tune(tiny_model(), trained, guard=again, only_compare=True, **options)
    anew = tune(tiny_model(), trained, guard=again, settings=SHORT)
    assert compared.report.guard == anew.report.guard
