"""What a sweep over a driver's values found, in arrays, in rows and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.masks.agreement import FlippingRegion
from napari_dmoe.inference.masks.measures import ClassSize, CupToDisc
from napari_dmoe.inference.results.provenance import RESEARCH_ONLY, Provenance
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation

BEHAVIOUR = "This is this model's behaviour, not biology."
"""What is said of every sweep: differences are easily mistaken for biology."""

MIXTURE = "the mixture of all values"
MAJORITY = "the majority of the values"
"""Names of what values are compared with where the patient's own is unknown."""


@dataclass(frozen=True)
class Reference:
    """What the values of a sweep are compared with."""

    name: str
    """The patient's own value, or what stands for it where it is unknown."""
    labels: NDArray[np.uint8]
    """(*S) uint8 array: its mask."""
    place: int | None
    """Its place among the values; None where it is none of them."""
    sizes: tuple[ClassSize, ...]
    """Area or volume of each class but the background."""
    ratio: CupToDisc | None
    """The cup-to-disc ratio, for models with rim and cup."""


@dataclass(frozen=True)
class SweptValue:
    """The result for one value, or one pair of values."""

    name: str
    """``"40-59"``, or ``"female, 40-59"`` for a pair."""
    values: tuple[str, ...]
    """The value of each swept attribute."""
    result: Segmentation
    """Mask, routing and record, as :func:`segment` returns them."""
    is_chosen: bool
    """Whether it is the patient's own."""
    sizes: tuple[ClassSize, ...]
    """Area or volume of each class but the background."""
    ratio: CupToDisc | None
    """The cup-to-disc ratio, for models with rim and cup."""
    dice: tuple[float, ...]
    """Dice to the reference for each class but the background; NaN where neither mask
    has the class."""
    n_different: int
    """Pixels whose label is not the reference's."""
    untrained: tuple[str, ...] = ()
    """Those of its values that no training case had: nothing trained their routers."""

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The mask."""
        return self.result.labels

    @property
    def routing(self) -> RoutingMaps | None:
        """Gates of every block."""
        return self.result.routing

    @property
    def provenance(self) -> Provenance:
        """The record."""
        return self.result.provenance


class SweepRecord(BaseModel, frozen=True, extra="forbid"):
    """A sweep in a file: what was compared, in words, and each value's record."""

    schema_version: int = 1
    attributes: tuple[str, ...]
    reference: str
    summary: str
    values: dict[str, Provenance]
    statement: str = RESEARCH_ONLY


@dataclass(frozen=True)
class Sweep:
    """An image segmented for every value of one or two drivers.

    Parameters
    ----------
    attributes, titles : tuple of str
        What was swept, by name and for a person.
    shape : tuple of int
        Number of values of each of them.
    values : tuple of SweptValue
        One for each value or pair, the last attribute running fastest.
    reference : Reference
        What they are compared with: the patient's own value where it is known.
    differs : (*S) uint8 array
        In how many values the label is not the reference's.
    entropy : (*S) float32 array
        Entropy of the values' votes in bits; 0 where all agree.
    votes : (K, *S) uint8 array
        How many values give each pixel each class.
    regions : tuple of FlippingRegion
        Regions whose class depends on the value, the largest first.
    n_regions : int
        How many there are; `regions` may hold fewer.
    """

    attributes: tuple[str, ...]
    titles: tuple[str, ...]
    shape: tuple[int, ...]
    values: tuple[SweptValue, ...]
    reference: Reference
    differs: NDArray[np.uint8]
    entropy: NDArray[np.float32]
    votes: NDArray[np.uint8]
    regions: tuple[FlippingRegion, ...]
    n_regions: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, background first."""
        return self.values[0].result.classes

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the maps' axes."""
        return self.values[0].result.axes

    @property
    def grid(self) -> Grid:
        """Where the maps lie in the source image."""
        return self.values[0].result.grid

    @property
    def pixel_name(self) -> str:
        """What the masks consist of: ``"pixels"`` or ``"voxels"``."""
        return "voxels" if len(self.grid.shape) == 3 else "pixels"

    @property
    def caution(self) -> str:
        """What must be said with it, whatever was swept."""
        return BEHAVIOUR

    @cached_property
    def summary(self) -> str:
        """One sentence that says how much the values matter, and the caution."""
        n = int(np.count_nonzero(self.votes.max(0) < len(self.values)))
        what = " and ".join(title.lower() for title in self.titles)
        what = f"{'values' if len(self.titles) == 1 else 'pairs'} of {what}"
        if not n:
            text = f"All {len(self.values)} {what} give the same mask."
        else:
            text = (
                f"Across {len(self.values)} {what}, the label changes in "
                f"{n:,} of {self.differs.size:,} {self.pixel_name} "
                f"({n / self.differs.size:.2%})"
                f"{self._largest_change()}."
            )
        return " ".join((text, *self.notices, self.caution))

    @property
    def untrained(self) -> tuple[str, ...]:
        """Values, or pairs, whose masks come from a router that nothing trained."""
        return tuple(value.name for value in self.values if value.untrained)

    @property
    def notices(self) -> tuple[str, ...]:
        """What must be said of its values, and of what they are compared with."""
        never = self.untrained
        if not never:
            return ()
        between = "; " if any(", " in name for name in never) else ", "
        masks = "its mask says" if len(never) == 1 else "their masks say"
        return (
            f"Never trained, as no training case had it: {between.join(never)}; "
            f"{masks} nothing of such a patient.",
        )

    def _largest_change(self) -> str:
        """Name the class whose size depends most on the value."""
        spans = []
        for place, size in enumerate(self.values[0].sizes):
            by_size = sorted(self.values, key=lambda v: v.sizes[place].n_pixels)
            least, most = by_size[0].sizes[place], by_size[-1].sizes[place]
            share = (most.n_pixels - least.n_pixels) / max(most.n_pixels, 1)
            text = (
                f"; {size.name}: {_number(least.size)} ({by_size[0].name}) to "
                f"{_number(most.size)} {most.unit} ({by_size[-1].name})"
            )
            spans.append((share, text))
        share, text = max(spans)
        return text if share > 0 else ""

    def rows(self) -> list[dict[str, str | float | int]]:
        """Return a table, one row a value: sizes, ratios, Dice, and what to know."""
        return [self._row(value) for value in self.values]

    def _row(self, value: SweptValue) -> dict[str, Any]:
        row: dict[str, Any] = dict(zip(self.attributes, value.values, strict=True))
        row["chosen"] = "yes" if value.is_chosen else ""
        for size, agreement in zip(value.sizes, value.dice, strict=True):
            row[f"{size.name} ({size.unit})"] = size.size
            row[f"{size.name} ({self.pixel_name})"] = size.n_pixels
            known = "" if math.isnan(agreement) else agreement
            row[f"{size.name} Dice to {self.reference.name}"] = known
        if value.ratio is not None:
            row["cup/disc (area)"] = value.ratio.area
            row["cup/disc (vertical)"] = value.ratio.vertical
        row[f"{self.pixel_name} that differ"] = value.n_different
        never = ", ".join(value.untrained)
        untrained = f"Never trained: no training case had {never}." if never else ""
        row["note"] = " ".join(filter(None, (self.caution, untrained, RESEARCH_ONLY)))
        return row

    def record(self) -> SweepRecord:
        """Return what goes into a file beside the masks."""
        return SweepRecord(
            attributes=self.attributes,
            reference=self.reference.name,
            summary=self.summary,
            values={value.name: value.provenance for value in self.values},
        )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
