"""What a sweep over a driver's values found, in arrays, in rows and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.masks.agreement import FlippingRegion
from napari_dmoe.inference.masks.measures import ClassSize, CupToDisc
from napari_dmoe.inference.results.provenance import RESEARCH_ONLY, Provenance
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.what_if import verdict_words
from napari_dmoe.inference.what_if.verdict import Verdict

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
    share: float = math.nan
    """The same as a share of the pixels that either mask gives a class but the
    background, 0 to 1; NaN where neither does."""
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


class StructureRecord(BaseModel, frozen=True, extra="forbid"):
    """How much of one class changes between the values of a sweep, in a file."""

    name: str
    says: str
    """``matters``, ``alike``, ``hardly``, ``none``, ``unsure`` or ``absent``."""
    share: float | None
    """Of the structure, 0 to 1, between the two values farthest apart; None where no
    value has it."""
    between: tuple[str, str]
    dice: float | None
    """The lowest between two values."""
    dice_own: float | None
    """The lowest to the reference."""
    shift: float | None
    rerun: float | None
    """What a shift of the mask by one pixel changes, and a run on the picture that is
    moved by one, 0 to 1; the larger is the yardstick."""
    absent: tuple[str, ...] = ()
    """Values for which none of it is found."""


class SweepRecord(BaseModel, frozen=True, extra="forbid"):
    """A sweep in a file: what was compared, in words, and each value's record.

    Records of version 1 hold no verdict.
    """

    schema_version: Literal[1, 2] = 1
    attributes: tuple[str, ...]
    reference: str
    summary: str
    verdict: str = ""
    """Whether what was swept matters here, in one sentence."""
    says: str = ""
    """The same in a word; see :data:`napari_dmoe.inference.what_if.verdict.Says`."""
    structures: tuple[StructureRecord, ...] = ()
    yardstick_of: str = ""
    """The value that was run on the moved picture."""
    reruns: int = 0
    pixel: tuple[float, ...] = ()
    """How far a shift by one pixel moves along each axis, in pixels of the image."""
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
    verdict : Verdict
        Whether the values matter here: what they change of each class, and what changes
        without any reason.
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
    verdict: Verdict

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
    def headline(self) -> str:
        """Say in one sentence whether the values matter here."""
        return verdict_words.headline(self.verdict, self.titles, self.pixel_name[:-1])

    @cached_property
    def details(self) -> str:
        """Say between which values, of which sizes, and held against what."""
        parts = (
            verdict_words.details(self.verdict, self.titles, self.pixel_name[:-1]),
            self._sizes(),
        )
        return " ".join(filter(None, parts))

    @cached_property
    def summary(self) -> str:
        """Verdict, what stands behind it, notices and the caution."""
        return f"{self.headline} {self.background}"

    @cached_property
    def background(self) -> str:
        """The same without the verdict itself."""
        return " ".join(filter(None, (self.details, *self.notices, self.caution)))

    @cached_property
    def small_regions(self) -> tuple[int, ...]:
        """Places of the regions that are smaller than what the yardstick changes."""
        return tuple(
            place
            for place, region in enumerate(self.regions)
            if self.verdict.is_small(region.n_pixels, region.classes)
        )

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

    def _sizes(self) -> str:
        """Say how small and how large the class is that changes most."""
        lead = self.verdict.lead
        trained = [value for value in self.values if not value.untrained]
        if lead is None or not lead.share or not trained:
            return ""
        place = self.verdict.structures.index(lead)
        by_size = sorted(trained, key=lambda v: v.sizes[place].n_pixels)
        least, most = by_size[0].sizes[place], by_size[-1].sizes[place]
        return (
            f"{lead.name[:1].upper()}{lead.name[1:]}: {_number(least.size)} "
            f"({by_size[0].name}) to {_number(most.size)} {most.unit} "
            f"({by_size[-1].name})."
        )

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
            row[f"{size.name} share that differs"] = _share_of(agreement)
            row[f"{size.name} yardstick"] = self._yardstick(size.name)
        if value.ratio is not None:
            row["cup/disc (area)"] = value.ratio.area
            row["cup/disc (vertical)"] = value.ratio.vertical
        row[f"{self.pixel_name} that differ"] = value.n_different
        row["verdict"] = self.headline
        never = ", ".join(value.untrained)
        untrained = f"Never trained: no training case had {never}." if never else ""
        row["note"] = " ".join(filter(None, (self.caution, untrained, RESEARCH_ONLY)))
        return row

    def _yardstick(self, name: str) -> float | str:
        """Return what of a class changes without any reason; nothing if absent."""
        found = next(s for s in self.verdict.structures if s.name == name)
        return "" if math.isnan(found.yardstick) else found.yardstick

    def record(self) -> SweepRecord:
        """Return what goes into a file beside the masks."""
        verdict, yardstick = self.verdict, self.verdict.yardstick
        structures = []
        for place, each in enumerate(verdict.structures):
            rerun = yardstick.rerun[place] if yardstick.rerun else math.nan
            structures.append(
                StructureRecord(
                    name=each.name,
                    says=each.says,
                    share=_known(each.share),
                    between=each.between,
                    dice=_known(each.dice),
                    dice_own=_known(each.dice_own),
                    shift=_known(yardstick.shift[place]),
                    rerun=_known(rerun),
                    absent=each.absent,
                )
            )
        return SweepRecord(
            schema_version=2,
            attributes=self.attributes,
            reference=self.reference.name,
            summary=self.summary,
            verdict=self.headline,
            says=verdict.says,
            structures=tuple(structures),
            yardstick_of=yardstick.value,
            reruns=yardstick.n_reruns,
            pixel=yardstick.pixel,
            values={value.name: value.provenance for value in self.values},
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _share_of(dice: float) -> float | str:
    """Return 1 - IoU from a Dice; nothing where neither mask has the class."""
    return "" if math.isnan(dice) else 2 * (1 - dice) / (2 - dice)


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
