"""What a model's card says its training images were: what is known of them, in words.

Facts about images come from the cases that were read and from whoever trains, never
from the recipe or the card that a new model is made by.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import title_of
from napari_dmoe.foreign import printable
from napari_dmoe.models.card import LONGEST_NAME, ModelCard, Text, TrainingFacts
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.validation import said

BASELINES: Mapping[str, str] = {"single-router": "single router", "no-moe": "no MoE"}
"""Networks without routers to choose from: ends of their names, and of their titles."""

BEGAN = "began from "
"""Begin of the notice of a new model that tells which weights it began from."""

NOT_STATED = "what the images are is not stated"
RESEARCH = "Research only, never a clinical decision."

_LONGEST_STATED = 500
_MOST_NAMED = 3

_ONLY_DRAWN = "Trained on made-up"
_FIRST_DRAWN = "First trained on made-up images"
_LATER_DRAWN = "Fine-tuned on made-up images, too"
_MADE_UP = (
    f"{_ONLY_DRAWN} images: what the attributes change in them is invented, and says "
    "nothing about people."
)
_TUNED = re.compile(r"then fine-tuned on ([\d,]+) further cases?")
_COUNTED = re.compile(r"([\d,]+) ([\w-]+) phantoms?")
_CALLED_DRAWN = re.compile(r"phantom|made[- ]up|synthetic", re.IGNORECASE)
_BEFORE = "before it was fine-tuned: "
_NONE_BUT_DRAWN = re.compile(r"; no (photograph|scan)\b")


@dataclass(frozen=True)
class Shown:
    """What is known of the images that a training shows a model for the first time."""

    n: int
    """How many."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """How many of them are phantoms, by their kind."""
    table: str = ""
    """File name of the table that they are from, if any."""
    stated: str | None = None
    """What they are, as whoever trains says."""
    altered: int = 0
    """How many phantoms have other labels or patients than were drawn."""
    began: str = ""
    """Weights that a new model began from, if any: of images that nobody sees here."""

    @property
    def n_drawn(self) -> int:
        """How many are phantoms."""
        return sum(self.kinds.values())

    @property
    def kind(self) -> str | None:
        """The kind of phantom that all of them are."""
        is_one = len(self.kinds) == 1 and self.n_drawn == self.n
        return next(iter(self.kinds)) if is_one else None

    @property
    def others(self) -> str:
        """What those are that are not known to be phantoms."""
        return f"stated: {self.stated}" if self.stated else NOT_STATED


def shown(
    phantoms: Sequence[str | None],
    *,
    table: str = "",
    stated: str | None = None,
    altered: int = 0,
    began: str = "",
) -> Shown:
    """Return what is known of cases by the kinds of phantom that they are, or not."""
    kinds = Counter(kind for kind in phantoms if kind is not None)
    kept = dict(sorted(kinds.items()))
    return Shown(len(phantoms), kept, table, stated, altered, began)


def began_from(notices: Sequence[str]) -> str:
    """Return which weights a new model began from, as its notices tell it."""
    told = (n.removeprefix(BEGAN) for n in notices if n.startswith(BEGAN))
    return next(told, "")


def table_of(cases: Sequence[Case]) -> str:
    """Return how cards call the table of some cases; "" where they are of none."""
    return printable(title_of(cases))


def checked(stated: str | None) -> str | None:
    """Return what somebody states of the images, as cards can hold it.

    Raises
    ------
    TrainingError
        For characters that no card can have, and for more than a few sentences.
    """
    if stated is None or not stated.strip():
        return None
    text = " ".join(stated.split())
    try:
        if len(text) <= _LONGEST_STATED:
            return str(TypeAdapter(Text).validate_python(text))
        fault = f"it has {len(text):,} characters, and {_LONGEST_STATED} are the most"
    except ValidationError as error:
        fault = said(error)
    raise TrainingError(f"what is stated of the images cannot be noted: {fault}")


def without_facts(card: ModelCard) -> ModelCard:
    """Return the card of a network that nothing has been trained on yet.

    Numbers of an earlier training go; its words stay until it is known whether they
    are true of this one.
    """
    told = card.training
    words = TrainingFacts(data=told.data, note=told.note, phantoms=told.phantoms)
    return card.model_copy(update={"training": words, "training_images": None})


def tells_of_another(card: ModelCard, images: Shown) -> bool:
    """Say whether a new model's card tells of images that it was not trained on."""
    told = (card.training.data, card.training.note, card.training.phantoms)
    terms = (card.data_licence, card.weights_licence, card.citation, card.notice)
    words = (card.name, card.title, card.modality, card.intended_use)
    is_called_drawn = any(_CALLED_DRAWN.search(word or "") for word in words)
    is_false = is_called_drawn and images.kind is None
    return (any((*told, *terms)) and not _is_own(card, images)) or is_false


def begun(card: ModelCard, images: Shown) -> dict[str, Any]:
    """Return what changes in a new model's card; of `training` only its own fields."""
    if _is_own(card, images):
        data = card.training.data or _described(images)
        stated = f"; stated: {images.stated}" if images.stated else ""
        return {"training": {"data": data + stated}}
    facts: dict[str, Any] = {"data": _described(images), "note": None, "phantoms": None}
    if not images.began and not images.altered:
        facts["phantoms"] = images.kind
    changes: dict[str, Any] = {"training": facts}
    if tells_of_another(card, images):
        changes |= {"name": _name(card), "title": _title(card), "modality": None}
        changes |= {"weights_licence": None, "data_licence": None, "citation": None}
        changes |= {"intended_use": RESEARCH, "notice": None}
    if images.n_drawn == images.n:
        changes["notice"] = _MADE_UP
    elif images.n_drawn:
        changes["notice"] = f"Trained in part on made-up images: {_kinds(images)}."
    return changes


def continued(card: ModelCard, images: Shown) -> dict[str, Any]:
    """Return what changes in the card of a model that is trained further."""
    if not images.n:
        return {"training": {}}
    told, before = card.training.data or "not stated", card.training.phantoms
    others = "which are not known to be made up" if _began_drawn(card) else ""
    is_like = before is not None and images.kind == before and not images.altered
    if _began_drawn(card) and not is_like:
        told = _NONE_BUT_DRAWN.sub("", told)
    data = f"{told}; then {_further(images, others=others)}"
    if is_like:
        return {"training": {"data": data}}
    changes: dict[str, Any] = {"training": {"data": data}}
    changes["notice"] = _notice(card, images, data)
    if before is None:
        return changes | _terms_before(card)
    note = card.training.note and f"Of its first training: {card.training.note}"
    changes["training"] |= {"note": note, "phantoms": None}
    changes["title"] = f"{card.title}, fine-tuned"
    return changes | {"weights_licence": None, "data_licence": None}


def _terms_before(card: ModelCard) -> dict[str, str | None]:
    """Return the licences of a model before it saw images that nobody states one of."""
    return {
        name: stated and f"{_BEFORE}{stated.removeprefix(_BEFORE)}"
        for name in ("weights_licence", "data_licence")
        for stated in (getattr(card, name),)
    }


def _is_own(card: ModelCard, images: Shown) -> bool:
    """Say whether all images are of the kind that a new model's card tells of."""
    is_kind = images.kind is not None and images.kind == card.training.phantoms
    return is_kind and not images.began and not images.altered


def _described(images: Shown) -> str:
    """Say what a new model was trained on."""
    began = f"; begun from {images.began}" if images.began else ""
    return _described_cases(images) + began


def _described_cases(images: Shown) -> str:
    said = f"{images.n:,} case{'s' * (images.n != 1)}"
    said += f" of {images.table}" if images.table else ""
    if not images.n_drawn:
        return f"{said}; {images.others}"
    said += f": {_kinds(images)}{_altered(images)}, which are made up"
    left = images.n - images.n_drawn
    if left:
        return f"{said}, and {left:,} other{'s' * (left != 1)}; {images.others}"
    return f"{said}; stated: {images.stated}" if images.stated else said


def _further(images: Shown, *, others: str = "") -> str:
    """Say what a model was trained on after what its card tells already."""
    said = f"fine-tuned on {images.n:,} further case{'s' * (images.n != 1)}"
    stated = f" (stated: {images.stated})" if images.stated else ""
    if images.kind:
        return f"{said}, {images.kind} phantoms{_altered(images)}{stated}"
    if images.n_drawn:
        return f"{said}, among them {_kinds(images)}, which are made up{stated}"
    return f"{said}{stated}" if stated or not others else f"{said}, {others}"


def _notice(card: ModelCard, images: Shown, data: str) -> str | None:
    """Return the notice of a model that saw other images than phantoms, too.

    `data` is what its card says of all its trainings.
    """
    notice = card.notice or ""
    if _began_drawn(card):
        counts = (int(n.replace(",", "")) for n in _TUNED.findall(data))
        n = sum(counts)
        return (
            f"{_FIRST_DRAWN}, in which what the attributes change is invented, then "
            f"fine-tuned on {n:,} further case{'s' * (n != 1)}."
        )
    if not images.n_drawn:
        return card.notice
    notice, kinds = _without_later(notice)
    both = Counter(kinds) + Counter(images.kinds)
    drawn = replace(images, kinds=dict(sorted(both.items())))
    return " ".join(filter(None, (notice, f"{_LATER_DRAWN}: {_kinds(drawn)}.")))


def _without_later(notice: str) -> tuple[str, dict[str, int]]:
    """Return a notice without what it says of phantoms that came later, and these."""
    first, _, later = notice.partition(f"{_LATER_DRAWN}: ")
    said, _, rest = later.partition(".")
    kinds = {kind: int(n.replace(",", "")) for n, kind in _COUNTED.findall(said)}
    return " ".join(filter(None, (first.strip(), rest.strip()))), kinds


def _began_drawn(card: ModelCard) -> bool:
    """Say whether a model's first training was on phantoms alone.

    Those that were tuned since, or before cards had `phantoms`, tell by their notice.
    """
    is_told = (card.notice or "").startswith((_ONLY_DRAWN, _FIRST_DRAWN))
    return card.training.phantoms is not None or is_told


def _altered(images: Shown) -> str:
    """Say how many phantoms are not as they were drawn."""
    n = images.altered
    return f" ({n:,} with other labels or attributes than were drawn)" if n else ""


def _kinds(images: Shown) -> str:
    """Return ``200 skin phantoms and 1 pelvis phantom``."""
    return " and ".join(
        f"{n:,} {kind} phantom{'s' * (n != 1)}" for kind, n in images.kinds.items()
    )


def _name(card: ModelCard) -> str:
    """Return a name of a new model's own, in place of one that tells of others.

    A recipe's loses its "phantom"; a card's is made of the classes and drivers.
    """
    if card.training.phantoms is not None:
        parts = [part for part in card.name.split("-") if part != "phantom"]
        return "-".join(parts) or "new"
    end = next((end for end in BASELINES if card.name.endswith(f"-{end}")), "")
    drivers = ["by", *(a.name for a in card.attributes)] if card.attributes else []
    parts = [*_classes(card), *drivers, end]
    return "-".join("-".join(parts).split()).strip("-")[:LONGEST_NAME]


def _title(card: ModelCard) -> str:
    """Return a title that says no more than what is found, and by what."""
    found = " and ".join(_classes(card)).capitalize()
    drivers = " and ".join(a.label.lower() for a in card.attributes)
    title = f"{found}, driven by {drivers}" if drivers else found
    end = next((f" ({t})" for t in BASELINES.values() if f"({t})" in card.title), "")
    return title[: LONGEST_NAME - len(end)] + end


def _classes(card: ModelCard) -> list[str]:
    names = list(card.classes[1:])
    return names if len(names) <= _MOST_NAMED else [f"{len(names)} classes"]
