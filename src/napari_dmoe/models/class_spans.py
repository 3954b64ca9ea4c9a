"""How large each class was in the cases of a training, and how much of its ellipse.

A card carries this in numbers, so that a mask can be called implausible.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from napari_dmoe.quantities import percent, sized

DISC, DISC_PARTS = "disc", ("rim", "cup")
"""What rim and cup are together."""

ENOUGH_CASES = 16
"""Fewer do not tell how much others differ."""

MARGIN = 1.3
"""What is so many times larger than the largest, or smaller than the smallest, is far
from all; phantoms that were held out reach 1.2."""

SHAPE_MARGIN = 0.9
"""The same of the share of its ellipse that a class fills."""

Share = Annotated[float, Field(gt=0, le=1)]
Volume = Annotated[float, Field(gt=0, le=1e9)]


class ClassSpan(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The least and the most of one class, over the training cases that show it."""

    name: str = Field(min_length=1, max_length=200)
    """The class, or :data:`DISC`."""
    n: int = Field(ge=1)
    """Cases that show it."""
    least: Share
    most: Share
    """Share of the picture, or of the volume."""
    least_ml: Volume | None = None
    most_ml: Volume | None = None
    """Volume in mL, where it is known."""
    least_filled: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Share of its ellipse that it fills at least, so how ragged, bent or in pieces it
    may be; see :func:`napari_dmoe.imaging.ellipses.filled_share`."""

    @model_validator(mode="after")
    def _ends_in_order(self) -> ClassSpan:
        if (self.least_ml is None) != (self.most_ml is None):
            raise ValueError("needs both volumes, or none")
        if self.least > self.most or (self.least_ml or 0) > (self.most_ml or 0):
            raise ValueError("the least cannot be more than the most")
        return self

    @property
    def share_words(self) -> str:
        """The shares in words, such as ``0.8 % to 28 %``."""
        return f"{percent(self.least)} to {percent(self.most)}"

    @property
    def ml_words(self) -> str:
        """The volumes in words, such as ``2–120 mL``; nothing where none is stated."""
        if self.least_ml is None or self.most_ml is None:
            return ""
        return f"{sized(self.least_ml)}–{sized(self.most_ml)} mL"

    def is_size_far(self, share: float) -> bool:
        """Say whether a share of the picture is far from those of the training."""
        # Near the whole picture there is no room for a margin.
        far = min(MARGIN * self.most, (1 + self.most) / 2)
        return self.n >= ENOUGH_CASES and not self.least / MARGIN <= share <= far

    def is_volume_far(self, ml: float) -> bool:
        """Say the same of a volume in mL; never where none is stated."""
        if self.least_ml is None or self.most_ml is None or self.n < ENOUGH_CASES:
            return False
        return not self.least_ml / MARGIN <= ml <= MARGIN * self.most_ml

    def is_shape_far(self, filled: float) -> bool:
        """Say whether a class fills far less of its ellipse than any in training."""
        return self.n >= ENOUGH_CASES and filled < SHAPE_MARGIN * self.least_filled

    def joined(self, other: ClassSpan) -> ClassSpan:
        """Return the span of both trainings; volumes only where both state them."""
        volumes: dict[str, float] = {}
        if self.least_ml is not None and other.least_ml is not None:
            volumes["least_ml"] = min(self.least_ml, other.least_ml)
        if self.most_ml is not None and other.most_ml is not None:
            volumes["most_ml"] = max(self.most_ml, other.most_ml)
        return ClassSpan(
            name=self.name,
            n=self.n + other.n,
            least=min(self.least, other.least),
            most=max(self.most, other.most),
            least_filled=min(self.least_filled, other.least_filled),
            **volumes,
        )


ClassSpans = Annotated[tuple[ClassSpan, ...], Field(max_length=257)]


def structures(classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return what has a span: the labels of each class, and of the disc before them."""
    found: dict[str, tuple[int, ...]] = {
        name: (label,) for label, name in enumerate(classes) if label
    }
    if set(DISC_PARTS) <= set(found) and DISC not in found:
        return {DISC: tuple(found[part][0] for part in DISC_PARTS), **found}
    return found


def joined(before: Iterable[ClassSpan], new: Iterable[ClassSpan]) -> ClassSpans:
    """Return the spans of a training that went on after another."""
    spans = {span.name: span for span in before}
    for span in new:
        earlier = spans.get(span.name)
        spans[span.name] = span if earlier is None else earlier.joined(span)
    return tuple(spans.values())
