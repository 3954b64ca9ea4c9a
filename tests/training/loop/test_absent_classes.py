"""A class that no training case shows is not unlearnt in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_cases import (
    CARD,
    CUBE_CARD,
    CUBE_CONFIG,
    PLAIN,
    cube,
    mixed_squares,
    square,
    squares,
    tiny_model,
    weights,
)

from napari_dmoe.cohorts.case import Case
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.training.cases.annotation import IGNORED, Annotation, TrainingError
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.loop import absent
from napari_dmoe.training.loop.evaluation import logits_of
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.settings import TrainSettings

LEARN = TrainSettings(
    epochs=30, batch=4, learning_rate=1e-2, augmentation=None, keep="last", dropout=0
)
FURTHER = LEARN.model_copy(update={"epochs": 15, "learning_rate": 3e-3})


def without_cup(case: Case) -> Case:
    """Return a case whose labels show the whole disc as its rim."""
    labels = np.minimum(np.asarray(case.labels.data), 1)
    return replace(case, labels=replace(case.labels, data=labels))


@pytest.fixture(scope="module")
def start() -> LoadedModel:
    """Return a model that finds the core of squares."""
    return fit(tiny_model(), mixed_squares(24), settings=LEARN).loaded


def discs(n: int = 6, first: int = 50) -> list[Case]:
    return [without_cup(case) for case in squares(n, first=first)]


def cup_dice(loaded: LoadedModel, cases: Sequence[Case]) -> float:
    """Return the Dice of the core over all cases, at the network's resolution."""
    pool = read_pool(cases, loaded.card)
    images, truth = pool.whole(torch.arange(len(pool)))
    with torch.inference_mode():
        logits = logits_of(loaded.module.eval(), images, pool.category, None, 4)
    found = logits.argmax(1)
    both = ((found == 2) & (truth == 2)).sum()
    return float(2 * both / ((found == 2).sum() + (truth == 2).sum()))


def test_a_trained_model_keeps_a_class_that_no_case_shows(start: LoadedModel) -> None:
    judged = squares(6, first=80)
    before = cup_dice(start, judged)
    assert before > 0.6
    learn = FURTHER.model_copy(update={"absent_classes": "learn"})
    kept = fit(start, discs(), settings=FURTHER)
    unlearnt = fit(start, discs(), settings=learn)
    assert cup_dice(kept.loaded, judged) > before - 0.1
    assert cup_dice(unlearnt.loaded, judged) < 0.2
    assert any("no case shows any cup: it is kept" in n for n in kept.notices)
    assert any("the model learns to find none" in n for n in unlearnt.notices)


def test_the_dice_of_a_kept_class_is_not_claimed(start: LoadedModel) -> None:
    fitted = fit(start, discs(), settings=PLAIN, held_out=discs(2, 70))
    assert set(fitted.loaded.card.training.dice) == {"rim"}
    assert all(np.isnan(epoch.dice["cup"]) for epoch in fitted.history)
    assert fitted.history[0].worst is not None
    shown = fit(start, discs(), settings=PLAIN, held_out=squares(2, first=70))
    assert set(shown.loaded.card.training.dice) == {"rim", "cup"}


def test_it_stops_where_that_is_asked_for(start: LoadedModel) -> None:
    settings = PLAIN.model_copy(update={"absent_classes": "stop"})
    with pytest.raises(TrainingError, match=r"shows any cup, so that .* would unlearn"):
        fit(start, discs(), settings=settings)


def test_a_new_model_stops_as_it_has_nothing_to_keep() -> None:
    with pytest.raises(TrainingError, match="no case shows any cup, so that a new"):
        fit(tiny_model(), discs(), settings=PLAIN)
    learn = PLAIN.model_copy(update={"absent_classes": "learn"})
    assert fit(tiny_model(), discs(), settings=learn).n_cases == 6


def test_a_new_model_of_sparse_labels_says_what_it_was_not_shown() -> None:
    case = discs(1)[0]
    labels = np.asarray(case.labels.data).copy()
    labels[:2] = IGNORED
    sparse = replace(case, labels=replace(case.labels, data=labels))
    settings = PLAIN.model_copy(update={"unlabelled": IGNORED})
    notices = fit(tiny_model(), [sparse], settings=settings).notices
    assert any("cannot find what it was never shown" in notice for notice in notices)


def test_nothing_changes_where_every_class_is_shown(start: LoadedModel) -> None:
    mixed = [*discs(3), square(5)]
    stop = PLAIN.model_copy(update={"absent_classes": "stop"})
    one, other = (fit(start, mixed, settings=s) for s in (PLAIN, stop))
    assert torch.equal(weights(one.loaded), weights(other.loaded))
    assert not [n for n in one.notices if "shows any" in n]


def test_a_class_that_only_the_held_out_cases_lack_is_told(start: LoadedModel) -> None:
    fitted = fit(start, squares(4), settings=PLAIN, held_out=discs(2, 70))
    told = "no held-out case shows any cup: nothing is known of how well that is found"
    assert told in fitted.notices


def test_what_is_not_annotated_stays_so(start: LoadedModel) -> None:
    pool = read_pool(discs(2), start.card)
    pool.labels[:, :16] = IGNORED
    before = pool.labels.clone()
    found = absent.filled(start, pool, None, PLAIN).pool.labels
    assert torch.equal(pool.labels, before)
    assert (found[:, :16] == IGNORED).all()
    assert (found[:, 16:] == 2).any()
    is_other = found != 2
    assert torch.equal(found[is_other], before[is_other])


def strokes(n: int = 6) -> list[Case]:
    """Return squares of which no background is annotated, and some columns of 7."""
    cases = []
    for case in squares(n, first=50):
        labels = np.asarray(case.labels.data).copy()
        labels[labels == 0] = IGNORED
        labels[np.arange(len(labels)) % 7 > 0] = IGNORED
        cases.append(replace(case, labels=replace(case.labels, data=labels)))
    return cases


def background_share(loaded: LoadedModel) -> float:
    pool = read_pool(squares(6, first=80), loaded.card)
    images, truth = pool.whole(torch.arange(len(pool)))
    with torch.inference_mode():
        logits = logits_of(loaded.module.eval(), images, pool.category, None, 4)
    found = logits.argmax(1)
    return float((found[truth == 0] == 0).float().mean())


def test_strokes_without_background_do_not_unlearn_it(start: LoadedModel) -> None:
    settings = FURTHER.model_copy(update={"unlabelled": IGNORED})
    learn = settings.model_copy(update={"absent_classes": "learn"})
    before = background_share(start)
    kept, unlearnt = (fit(start, strokes(), settings=s) for s in (settings, learn))
    assert background_share(kept.loaded) > before - 0.05
    assert background_share(unlearnt.loaded) < before - 0.1
    (told,) = kept.kept_classes
    assert told.startswith("no case shows any background: it is kept where the model")
    stop = settings.model_copy(update={"absent_classes": "stop"})
    with pytest.raises(TrainingError, match="shows any background, so that"):
        fit(start, strokes(), settings=stop)


def test_what_is_annotated_never_becomes_background(start: LoadedModel) -> None:
    pool = read_pool(strokes(2), start.card, annotation=Annotation(IGNORED))
    before = pool.labels.clone()
    found = absent.filled(start, pool, None, PLAIN).pool.labels
    is_annotated = before != IGNORED
    assert torch.equal(found[is_annotated], before[is_annotated])
    assert (found == 0).any()


def test_a_wholly_annotated_image_without_background_stays(start: LoadedModel) -> None:
    pool = read_pool(squares(1), start.card)
    pool.labels[pool.labels == 0] = 1
    filled = absent.filled(start, pool, None, PLAIN)
    assert filled.pool is pool
    assert not filled.notices


def test_volumes_keep_a_class_too() -> None:
    card = CUBE_CARD.model_copy(update={"classes": ("background", "cube", "core")})
    config = CUBE_CONFIG.model_copy(update={"n_classes": 3})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = new_model("dmoe-unet3d", config, card)
    with torch.no_grad():
        head = model.module.get_parameter("out.conv.weight")
        head[:, 2] = 10 * head[:, 2].abs()
    pool = read_pool([cube(0)], card)
    start, told = replace(model, sha256="1" * 64), []
    filled = absent.filled(start, pool, None, PLAIN, progress=told.append)
    assert [(each.done, each.total) for each in told] == [(1, 1)]
    assert (filled.pool.labels[0] == 2).any()
    assert filled.pool.labels[0].dtype == torch.uint8
    one = PLAIN.model_copy(update={"epochs": 1, "batch": 1})
    assert fit(start, [cube(0)], settings=one).kept_classes == filled.notices


def test_many_absent_classes_are_named_in_short() -> None:
    classes = ("background", *(f"organ {i}" for i in range(61)))
    card = CARD.model_copy(update={"classes": classes})
    said = absent._named(range(1, 62), card)
    assert said == "organ 0, organ 1, organ 2, organ 3, organ 4 or 56 other classes"
    assert absent._named([1, 2], card) == "organ 0 or organ 1"
