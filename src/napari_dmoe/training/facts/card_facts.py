"""What a trained model's card states of its training."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from napari_dmoe.models.card import ModelCard, TrainingFacts
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.class_spans import ClassSpans, joined
from napari_dmoe.training.facts.case_counts import with_counts
from napari_dmoe.training.facts.data_facts import Shown, begun, continued
from napari_dmoe.training.settings import TrainSettings


def with_facts(
    card: ModelCard,
    *,
    cases_per_router: Sequence[int],
    images: Shown,
    unknown: Sequence[int] = (),
    dice: Mapping[str, float],
    n_held_out: int = 0,
    held_out: Literal["cases", "slices"] = "cases",
    settings: TrainSettings,
    spans: ClassSpans = (),
    is_fine_tuned: bool = False,
) -> ModelCard:
    """State in a card what a model was trained on, and what it reached.

    Cases that the card states already count too. `cases_per_router` and `images` are
    those of this training that the model had not seen before; held-out `dice`, of
    `n_held_out` cases or of their slices, is left out where it is no number;
    `spans` are those of its cases; `unknown` is of how many of them each attribute was
    not known; `is_fine_tuned` is whether the model was trained before, by whomever.
    """
    card = card.model_copy(update={"training": without_verdict(card.training)})
    n_before = card.training.n_cases
    is_first = is_new(card, is_fine_tuned=is_fine_tuned)
    is_unknown = n_before is None and is_fine_tuned
    counted = with_counts(card, cases_per_router, is_fine_tuned=is_fine_tuned)
    words = begun(card, images) if is_first else continued(card, images)
    facts = words.pop("training") | {
        "n_cases": None if is_unknown else images.n + (n_before or 0),
        "n_unknown": _unknown(card, unknown),
        "dice": {k: round(v, 3) for k, v in dice.items() if not math.isnan(v)} or None,
        "n_held_out": n_held_out or None,
        "held_out": held_out if n_held_out else None,
        "settings": _stated(settings),
        "class_spans": _spans(card, spans, is_first=is_first),
    }
    training = counted.training.model_copy(update=facts)
    return counted.model_copy(update={**words, "training": training})


def without_verdict(facts: TrainingFacts) -> TrainingFacts:
    """Return facts without what a guard allowed to say: that was of another model."""
    if not facts.guard:
        return facts
    title = r"(?: \((?:(?!Groups \().)*\))?"  # which may have parentheses of its own
    said = rf"\s*Groups{title}: {re.escape(facts.guard)}"
    note = re.sub(said, "", facts.note or "", flags=re.DOTALL)
    return facts.model_copy(update={"guard": None, "note": note or None})


def is_new(card: ModelCard, *, is_fine_tuned: bool) -> bool:
    """Say whether nothing has been trained on yet, as far as anybody knows."""
    return card.training.n_cases is None and not is_fine_tuned


def was_trained(loaded: LoadedModel) -> bool:
    """Say whether a model was trained before, or has routers beside trained ones."""
    facts = loaded.card.training
    is_counted = facts.n_cases is not None or facts.n_per_value is not None
    return bool(loaded.sha256) or is_counted


def _spans(card: ModelCard, new: ClassSpans, *, is_first: bool) -> ClassSpans | None:
    """Return the spans of all trainings; None where nobody knows of an earlier one."""
    before = card.training.class_spans
    if before is None and not is_first:
        return None
    return (joined((), new) if is_first else joined(before or (), new)) or None


def _unknown(card: ModelCard, new: Sequence[int]) -> dict[str, int] | None:
    """Return of how many cases each attribute was not known, in all trainings."""
    counts = dict(card.training.n_unknown or {})
    for attribute, n in zip(card.attributes, new, strict=False):
        counts[attribute.name] = counts.get(attribute.name, 0) + n
    return {name: n for name, n in counts.items() if n} or None


def _stated(settings: TrainSettings) -> dict[str, str | int | float | bool | None]:
    kind = settings.augmentation.kind if settings.augmentation else "none"
    left_out = {"device", "augmentation", "schema_version"}
    return {**settings.model_dump(exclude=left_out), "augmentation": kind}
