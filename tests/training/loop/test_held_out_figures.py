"""What was held out is told: how many, of which groups, by which ids; and what was not
held out is never called so."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_cases import (
    CARD,
    CONFIG,
    PLAIN,
    SEVERITY,
    cube,
    cube_model,
    mixed_squares,
    square,
    squares,
    tiny_model,
)
from training_runs import StopAt, saved_facts, train

from napari_dmoe.cohorts.case import Case
from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.models.card import CardAttribute, TrainingFacts
from napari_dmoe.models.checkpoint import load_checkpoint, new_model
from napari_dmoe.models.saving import write_safetensors
from napari_dmoe.models.weights import read_weights
from napari_dmoe.progress import Cancelled
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop.evaluation import Evaluation
from napari_dmoe.training.loop.fit import fit, fit_cohort
from napari_dmoe.training.loop.folder import RESUME, STATE_KEY, RunFolder
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.settings import TrainSettings

LARGE, ONE = "severity=healthy", "severity=glaucoma"


def held_out_of(*n: int) -> list[Case]:
    """Return so many new cases of each severity."""
    return [
        square(100 + 20 * place + i, value)
        for place, (value, many) in enumerate(zip(SEVERITY.values, n, strict=False))
        for i in range(many)
    ]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "held_out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_figures_carry_the_number_of_their_cases(tmp_path: Path) -> None:
    held_out = held_out_of(6, 0, 2)
    fitted = fit(
        tiny_model(),
        mixed_squares(),
        settings=PLAIN,
        held_out=held_out,
        folder=RunFolder(tmp_path),
    )
    assert (fitted.held_out, fitted.n_held_out) == ("cases", 8)
    epoch = fitted.history[-1]
    assert epoch.n == 8
    assert epoch.n_groups == {LARGE: 6, ONE: 2}
    assert fitted.kept is not None
    facts = fitted.loaded.card.training
    assert (facts.n_held_out, facts.held_out) == (8, "cases")
    assert facts.dice_in_words.endswith(" (8 held-out cases)")
    with (tmp_path / "history.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[-1]
    assert (row["n"], row[f"n, {LARGE}"], row[f"n, {ONE}"]) == ("8", "6", "2")
    assert row["group that is worst"] == LARGE
    (_, last) = json.loads((tmp_path / "history.json").read_text())["history"]
    assert (last["n"], last["n_groups"]) == (8, {LARGE: 6, ONE: 2})


def test_a_group_of_one_does_not_choose_the_best_epoch() -> None:
    settings = TrainSettings(epochs=8, batch=4, learning_rate=0.02, augmentation=None)
    fitted = fit(
        tiny_model(), mixed_squares(), settings=settings, held_out=held_out_of(6, 0, 1)
    )
    means = [sum(e.groups[LARGE].values()) / 2 for e in fitted.history]
    assert [e.worst for e in fitted.history] == pytest.approx(means)
    assert fitted.best_epoch == means.index(max(means))
    assert {(e.worst_group, e.n_worst) for e in fitted.history} == {(LARGE, 6)}
    assert (
        "the best epoch is chosen by groups of at least 5 held-out cases: "
        "severity=suspect (0), severity=glaucoma (1) are not among them"
    ) in fitted.notices


@pytest.mark.parametrize("sampling", ["uniform", "worst-group"])
def test_many_pictures_of_one_subject_are_a_group_of_one(sampling: str) -> None:
    own = [replace(c, subject="S") for c in held_out_of(0, 0, 6)]
    settings = PLAIN.model_copy(update={"sampling": sampling})
    fitted = fit(
        tiny_model(), mixed_squares(), settings=settings, held_out=held_out_of(6) + own
    )
    assert {epoch.worst_group for epoch in fitted.history} == {LARGE}
    assert fitted.history[0].n_groups == {LARGE: 6, ONE: 6}
    assert (
        "the best epoch is chosen by groups of at least 5 held-out cases: "
        "severity=suspect (0), severity=glaucoma (6 of one subject) are not among them"
    ) in fitted.notices


def test_where_every_group_is_small_all_cases_choose_together() -> None:
    fitted = fit(
        tiny_model(), mixed_squares(), settings=PLAIN, held_out=held_out_of(4, 2, 1)
    )
    epoch = fitted.history[-1]
    assert (epoch.worst_group, epoch.n_worst) == (EVERYBODY, 7)
    assert epoch.worst == pytest.approx(sum(epoch.dice.values()) / 2)
    assert any(
        said.startswith(
            "no group has 5 held-out cases: the best epoch is chosen by all"
        )
        for said in fitted.notices
    )


def test_the_worst_of_some_groups_takes_no_number_for_none() -> None:
    nan = math.nan
    groups = {
        "a": {"rim": 0.9, "cup": nan},
        "b": {"rim": nan, "cup": nan},
        "c": {"rim": 0.1, "cup": 0.3},
    }
    cases = torch.tensor([[0.9, nan], [nan, nan], [0.1, 0.3]])
    found = Evaluation(cases, {"rim": 0.5, "cup": 0.3}, groups, {"a": 1, "c": 1})
    assert found.n == 2
    assert found.worst_of(["a", "b"]) == ("a", 0.9)
    assert found.worst_of(["b"]) == (EVERYBODY, pytest.approx(0.4))
    assert found.worst == pytest.approx(0.2)


def test_a_small_group_does_not_draw_all_cases_to_itself() -> None:
    settings = PLAIN.model_copy(update={"sampling": "worst-group"})
    by_one = fit(
        tiny_model(), mixed_squares(), settings=settings, held_out=held_out_of(4, 4, 1)
    )
    balanced = fit(
        tiny_model(),
        mixed_squares(),
        settings=settings.model_copy(update={"sampling": "group"}),
        held_out=held_out_of(4, 4, 1),
    )
    assert by_one.history == balanced.history
    assert (
        "no group has 5 held-out cases to find the worst by: all are shown as often"
        in by_one.notices
    )


def test_a_picture_that_is_trained_on_is_not_measured() -> None:
    cases = mixed_squares()
    again = replace(cases[3], id="again")
    measured = [*held_out_of(3), again]
    fitted = fit(tiny_model(), cases, settings=PLAIN, held_out=measured)
    assert (fitted.held_out, fitted.n_held_out) == ("cases", 3)
    assert fitted.history[-1].n == 3
    assert "cases 3 and again are the same picture: keep one" in fitted.notices
    assert "not measured, as their picture is trained on: again" in fitted.notices


def test_a_picture_with_two_labels_is_told() -> None:
    cases = mixed_squares()
    other = replace(cases[0], id="other", labels=cases[3].labels)
    fitted = fit(tiny_model(), [*cases, other], settings=PLAIN)
    assert fitted.notices == (
        "cases 0 and other are the same picture with different labels: keep one",
    )


def test_a_subject_that_is_trained_on_is_not_measured() -> None:
    cases = [replace(c, subject=f"s{c.id}") for c in mixed_squares()]
    held_out = held_out_of(3)
    held_out[1] = replace(held_out[1], subject="s4")
    fitted = fit(tiny_model(), cases, settings=PLAIN, held_out=held_out)
    assert fitted.n_held_out == 2
    assert "not measured, as their subject is trained on: 101" in fitted.notices


def test_what_is_trained_on_is_never_called_held_out(tmp_path: Path) -> None:
    cases = mixed_squares()
    fitted = fit(
        tiny_model(),
        cases,
        settings=PLAIN,
        held_out=cases[:6],
        folder=RunFolder(tmp_path),
    )
    assert (fitted.held_out, fitted.n_held_out) == ("training", 0)
    assert fitted.history[-1].dice
    assert fitted.loaded.card.training.dice is None
    assert fitted.loaded.card.training.n_held_out is None
    assert load_checkpoint(tmp_path / "best.safetensors").card.training.dice is None
    assert any(said.startswith("nothing is held out: ") for said in fitted.notices)
    assert json.loads((tmp_path / "history.json").read_text())["held_out"] == "training"
    assert (tmp_path / "held_out.csv").read_text() == "id,subject\n"


AGE = CardAttribute(name="age", values=("young", "old"), edges=(60,), unit="years")


def test_a_run_lists_what_was_held_out(tmp_path: Path) -> None:
    card = CARD.model_copy(update={"attributes": (AGE,)})
    config = CONFIG.model_copy(update={"n_routers": 2})
    model = new_model("dmoe-vit", config, card)
    cases = [
        replace(
            square(i, None, age=63.0 if i % 2 else 41.0, sex="male"),
            subject=f"=s{i // 2}",
        )
        for i in range(20)
    ]
    fitted = fit_cohort(model, cases, settings=PLAIN, folder=RunFolder(tmp_path))
    rows = table(tmp_path)
    assert len(rows) == fitted.n_held_out
    assert list(rows[0]) == ["id", "subject", "age"]
    for row in rows:
        place = int(row["id"])
        assert row["subject"] == f"'=s{place // 2}"  # as spreadsheets may read it
        assert row["age"] == ("old" if place % 2 else "young")
    assert not {"63", "41", "male"} & set(
        (tmp_path / "held_out.csv").read_text().split(",")
    )
    # It belongs to the run: replaced with it, and there after it is gone on with.
    settings = PLAIN.model_copy(update={"hold_out": "none"})
    folder = RunFolder(tmp_path, overwrite=True)
    fit_cohort(model, cases, settings=settings, folder=folder)
    assert (tmp_path / "held_out.csv").read_text() == "id,subject\n"


def test_slices_that_are_held_out_are_listed(tmp_path: Path) -> None:
    settings = TrainSettings(epochs=1, batch=2, augmentation="fuller")
    cases = [replace(cube(i), subject=f"s{i}") for i in range(2)]
    fitted = fit(cube_model(), cases, settings=settings, folder=RunFolder(tmp_path))
    assert (fitted.held_out, fitted.n_held_out) == ("slices", 2)
    facts = load_checkpoint(tmp_path / "last.safetensors").card.training
    assert facts.held_out == "slices"
    assert facts.dice_in_words.endswith(
        " (2 cases trained on, of held-out slices alone)"
    )
    row, _ = table(tmp_path)
    assert (row["id"], row["subject"], row["severity"]) == ("cube-0", "s0", "T2")
    assert row["slices"].split()[:2] == ["2", "7"]


def test_the_list_is_there_after_going_on(tmp_path: Path) -> None:
    train(tmp_path)
    before = (tmp_path / "held_out.csv").read_bytes()
    (tmp_path / "held_out.csv").unlink()
    train(tmp_path, resume=True)
    assert (tmp_path / "held_out.csv").read_bytes() == before
    assert before.count(b"\n") == 5


def test_a_split_by_subject_is_the_same_after_a_break(tmp_path: Path) -> None:
    cases = [replace(c, subject=f"s{int(c.id) // 3}") for c in mixed_squares(24)]
    whole = fit_cohort(
        tiny_model(), cases, settings=PLAIN, folder=RunFolder(tmp_path / "whole")
    )
    options = {"settings": PLAIN, "folder": RunFolder(tmp_path / "cut")}
    with pytest.raises(Cancelled):
        fit_cohort(tiny_model(), cases, progress=StopAt(3), **options)
    resumed = fit_cohort(tiny_model(), cases, resume=True, **options)
    assert resumed.history == whole.history
    assert resumed.n_held_out == whole.n_held_out == 6
    lists = [
        (tmp_path / name / "held_out.csv").read_bytes() for name in ("whole", "cut")
    ]
    assert lists[0] == lists[1]
    assert len({row["subject"] for row in table(tmp_path / "cut")}) == 2


def as_of_an_earlier_version(folder: Path, **belongs_to: str) -> None:
    """Take out of a saved state what earlier versions did not write."""
    facts = saved_facts(folder)
    facts["belongs_to"].pop("measured", None)
    facts["belongs_to"] |= belongs_to
    facts["notices"] = []
    for epoch in facts["history"]:
        for name in ("n", "n_groups", "worst_group"):
            epoch.pop(name, None)
    tensors = read_weights(folder / RESUME).tensors
    write_safetensors(folder / RESUME, tensors, header={STATE_KEY: json.dumps(facts)})


def test_a_run_of_an_earlier_version_is_gone_on_with(tmp_path: Path) -> None:
    before = train(tmp_path)
    as_of_an_earlier_version(tmp_path)
    after = train(tmp_path, resume=True)
    assert [e.dice for e in after.history] == [e.dice for e in before.history]
    assert {e.n for e in after.history} == {0}
    assert any("was chosen by groups of any size" in said for said in after.notices)
    as_of_an_earlier_version(tmp_path, cohort="0" * 64)
    with pytest.raises(TrainingError, match="begun by an earlier version"):
        train(tmp_path, resume=True)


def test_a_run_is_not_gone_on_with_on_other_measured_cases(tmp_path: Path) -> None:
    options = {"settings": PLAIN, "folder": RunFolder(tmp_path)}
    fit(tiny_model(), squares(), held_out=held_out_of(3), **options)
    with pytest.raises(TrainingError, match="with other cases to measure"):
        fit(tiny_model(), squares(), held_out=held_out_of(4), resume=True, **options)


def test_histories_and_cards_without_numbers_are_read() -> None:
    facts = Epoch(0, 0.5, {"rim": 0.25}, {LARGE: {"rim": 0.25}}, 0.25).facts()
    for name in ("n", "n_groups", "worst_group"):
        del facts[name]
    old = Epoch.from_facts(facts)
    assert (old.n, old.n_worst, old.n_groups, old.worst) == (0, 0, {}, 0.25)
    assert TrainingFacts(dice={"rim": 0.5}).n_held_out is None


def test_a_cohort_says_what_could_not_be_held_out() -> None:
    cases = [*squares(10, "healthy", 40), square(60, "glaucoma")]
    fitted = fit_cohort(tiny_model(), cases, settings=PLAIN)
    assert (
        "no case of severity=glaucoma (1) is held out: too few cases or subjects"
        in fitted.notices
    )
