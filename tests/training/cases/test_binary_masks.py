"""Masks of 0 and 255 train, guard and score a model of one class as 0 and 1 do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_cases import CARD, CONFIG, PLAIN, square, squares

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.training.cases.annotation import (
    Annotation,
    TrainingError,
    read_classes,
)
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.guarding.guard import Guard, guard_cases
from napari_dmoe.training.guarding.scores import score_cases
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.tuning.tune import tune

ONE = CARD.model_copy(update={"classes": ("background", "lesion")})


def one_class_model() -> LoadedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = CONFIG.model_copy(update={"n_classes": 2})
        return new_model("dmoe-vit", config, ONE)


def masked(case: Case, value: int) -> Case:
    labels = replace(case.labels, data=(case.labels.data > 0).astype(np.uint8) * value)
    return replace(case, labels=labels)


def mixed(n: int = 4) -> list[Case]:
    return [masked(case, 1 if i % 2 else 255) for i, case in enumerate(squares(n))]


def test_masks_of_255_train_as_those_of_1() -> None:
    model, settings = one_class_model(), PLAIN.model_copy(update={"epochs": 1})
    plain = fit(model, [masked(c, 1) for c in squares(4)], settings=settings)
    found = fit(model, mixed(), settings=settings)
    state = plain.loaded.module.state_dict()
    for name, tensor in found.loaded.module.state_dict().items():
        assert torch.equal(tensor, state[name])
    assert "255 is taken for lesion" in " ".join(found.notices)


def test_a_foreground_named_unlabelled_is_refused_where_both_kinds_are_mixed() -> None:
    settings = PLAIN.model_copy(update={"unlabelled": 255})
    with pytest.raises(TrainingError, match="255 is named as not annotated, but case"):
        fit(one_class_model(), mixed(), settings=settings)


def test_several_classes_refuse_a_mask_of_two_values() -> None:
    with pytest.raises(TrainingError, match="labels are 0 and 255, but the card has"):
        read_pool([masked(square(0), 255)], CARD)


def test_labels_below_0_are_no_places_without_labels() -> None:
    case = square(0)
    labels = replace(case.labels, data=case.labels.data.astype(int) - 1)
    with pytest.raises(TrainingError, match="labels begin at -1"):
        read_pool([replace(case, labels=labels)], CARD)
    named = read_classes(
        replace(case, labels=labels), ("y", "x"), n_classes=3, annotation=Annotation(-1)
    )
    assert np.unique(named).tolist() == [0, 1, 255]


def test_a_guard_of_255_guards_as_one_of_1(tmp_path: Path) -> None:
    model = one_class_model()
    rows = []
    for value in (1, 255):
        write_cohort(tmp_path / str(value), [masked(c, value) for c in squares(3)])
        guard = Guard(kind="cohort", name=str(tmp_path / str(value)))
        cases = guard_cases(guard, ONE)
        rows.append(score_cases(model, cases, attributes=ONE.attributes))
    assert rows[0] == rows[1]
    assert any(score.dice["lesion"] > 0 for score in rows[1])
    several = guard_cases(Guard(kind="cohort", name=str(tmp_path / "255")), CARD)
    with pytest.raises(CohortError, match="labels are 0 and 255, but the card has"):
        several[0]


def test_a_tuning_says_how_its_guard_was_read(tmp_path: Path) -> None:
    write_cohort(tmp_path / "guard", [masked(c, 255) for c in squares(2)])
    guard = Guard(kind="cohort", name=str(tmp_path / "guard"))
    settings = PLAIN.model_copy(update={"epochs": 1})
    cases = [masked(c, 1) for c in squares(2, first=9)]
    report = tune(one_class_model(), cases, settings=settings, guard=guard).report
    assert "the guard: masks of 0 and 255" in " ".join(report.notices)
