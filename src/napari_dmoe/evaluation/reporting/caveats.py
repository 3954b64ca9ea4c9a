"""What a reader has to keep in mind, said only where it applies."""

from __future__ import annotations

from collections.abc import Iterator

from napari_dmoe.evaluation.groups.membership import SMALL_GROUP
from napari_dmoe.evaluation.reporting.content import Content, ModelContent
from napari_dmoe.evaluation.reporting.measured import Measured
from napari_dmoe.evaluation.reporting.privacy import FEWEST

_ALWAYS = (
    "Differences between groups show how a model behaves on these images, not biology, "
    "and not why: groups differ in more than the attribute that names them.",
    "Attributes are as somebody recorded them. Race and sex are categories of "
    "registration here.",
    "Groups that hardly differ still differ by chance: an interval of a gap, or of an "
    "equity-scaled score, says less where groups are small or alike.",
)


def caveats(content: Content) -> tuple[str, ...]:
    """Return the caveats of a report, in sentences."""
    said = [
        sentence
        for model in content.models
        for sentence in _of_model(model, is_alone=len(content.models) == 1)
    ]
    return (*dict.fromkeys([*said, *_between(content)]), *_ALWAYS)


def _of_model(model: ModelContent, *, is_alone: bool) -> Iterator[str]:
    whose = "" if is_alone else f"{model.name}: "
    yield from (f"{whose}{text}" for text in _of_scores(model))
    card = model.card
    if card is not None and card.training.phantoms:
        yield (
            f"{whose}The model was trained on {card.training.phantoms} phantoms alone: "
            "made-up images, which say nothing of patients."
        )
    if card is not None and card.notice:
        yield f"{whose}{card.notice}"
    yield from (f"{whose}{_sentence(notice)}" for notice in model.notices)


def _of_scores(model: ModelContent) -> Iterator[str]:
    first = {each.region: each for each in reversed(model.measured)}
    cells = [cell for m in first.values() for by in m.by for cell in by.cells]
    n_small = sum(cell.is_small and not cell.is_hidden for cell in cells)
    if n_small:
        yield (
            f"Groups of fewer than {SMALL_GROUP} counted cases are marked: their means "
            "say little."
        )
    if any(cell.is_hidden for cell in cells):
        yield (
            f"Groups of fewer than {FEWEST} cases are hidden, and what would give them "
            "away. The equity-scaled scores count them; gap and worst group do not."
        )
    for each in sorted(
        first.values(), key=lambda m: model.facts.regions.index(m.region)
    ):
        yield from _of_region(each)
    unknown = [
        f"{by.attribute.replace('_', ' ')} in {by.n_unknown:,}"
        for by in (next(iter(first.values())).by if first else ())
        if by.n_unknown > 0 and len(by.attribute.split(" x ")) == 1
    ]
    if unknown:
        yield f"Not known, and in no group: {', '.join(unknown)} cases."


def _of_region(each: Measured) -> Iterator[str]:
    if each.n_missed:
        yield (
            f"{each.region.capitalize()}: {each.n_missed:,} misses, where one mask "
            "lacks what the other has. Their overlap is 0, and they have no distance."
        )
    if each.n_no_score:
        yield (
            f"{each.region.capitalize()}: {each.n_no_score:,} cases have no "
            f"{each.title}, and do not count."
        )


def _between(content: Content) -> Iterator[str]:
    facts = [model.facts for model in content.models]
    for what, values in (
        ("how empty masks are scored", {each.convention for each in facts}),
        ("on which pixels they are scored", {each.scored_at for each in facts}),
        ("their cohorts", {(each.cohort, each.n_cases) for each in facts}),
    ):
        if len(values) > 1:
            yield f"The models differ in {what}: their figures are not of one kind."
    if any(model.published for model in content.models):
        yield (
            "Published figures are second-hand, and of other data than these unless "
            "the cohort is the published one; what is not known is left empty."
        )


def _sentence(text: str) -> str:
    plain = text[:1].upper() + text[1:]
    return plain if plain.endswith(".") else f"{plain}."
