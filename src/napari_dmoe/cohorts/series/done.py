"""What became of one image of a series, and of all of them together."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from napari_dmoe.cohorts.series.rows import Status, scored_regions, series_row
from napari_dmoe.inference.masks.truth import RegionScore

TRUTH_NOT_USED = "the truth is not used"
"""Begins what an outcome says of a truth that cannot be used."""


@dataclass(frozen=True)
class Done:
    """What became of one image."""

    name: str
    outcome: str
    """For which values it was segmented and with which notices, or what went wrong."""
    headline: str = ""
    """What came out, in the words of every result."""
    labels: Path | None = None
    """The mask's file; None where it failed."""
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Sizes of the classes, with the unit in the key, and the cup-to-disc ratio."""
    seconds: float = 0.0
    error: Exception | None = None
    file: str = ""
    """Name of the image's file."""
    number: int | None = None
    """Which row of a cohort's table it is; the header is row 1."""
    status: Status = "segmented"
    """What became of it, in a word."""
    scores: tuple[RegionScore, ...] = ()
    """How well it agrees with the truth, where there is one that can be used."""
    cells: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The line of the table, which may tell who the patient is."""

    @property
    def is_kept(self) -> bool:
        """Whether an earlier run made the mask, and this one left it."""
        return self.status in ("kept", "corrected")

    def row(self) -> dict[str, str]:
        """Return the line of the table."""
        if self.cells:
            return dict(self.cells)
        labels = {} if self.labels is None else {"labels": self.labels.name}
        return series_row(
            self.name,
            "failed" if self.error is not None else self.status,
            self.outcome,
            headline=self.headline,
            file=self.file,
            sizes=self.sizes,
            scores=self.scores,
            files=labels,
        )


class AllDone(list[Done]):
    """What became of each image of a series, in order."""

    notices: tuple[str, ...] = ()
    """What was understood of the truth, each once."""


def dice_summary(rows: Iterable[Mapping[str, str]]) -> str:
    """Say mean and median Dice of each region; nothing where there is no truth.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of a series' table.

    Examples
    --------
    >>> dice_summary([{"lesion Dice": "0.5"}, {"lesion Dice": "0.9"}, {"id": "c"}])
    'Dice over 2 images with a truth: lesion mean 0.700, median 0.700'
    """
    found: dict[str, list[float]] = {}
    n = n_not_used = 0
    for row in rows:
        is_not_used = TRUTH_NOT_USED in row.get("outcome", "")
        is_met = row.get("truth") and row.get("status") != "failed" and not is_not_used
        n_not_used += is_not_used
        dice: dict[str, float] = {}
        for region in scored_regions(row):
            with suppress(ValueError):  # empty where neither mask has the region
                dice[region] = float(row[f"{region} Dice"])
        n += bool(dice or is_met)
        for region, value in dice.items():
            found.setdefault(region, []).append(value)
    if not found:
        return ""
    said = ", ".join(_said(region, values, n) for region, values in found.items())
    images = "1 image" if n == 1 else f"{n:,} images"
    truths = "1 truth" if n_not_used == 1 else f"{n_not_used:,} truths"
    rest = f"; {truths} could not be used" if n_not_used else ""
    return f"Dice over {images} with a truth: {said}{rest}"


def _said(region: str, values: list[float], n: int) -> str:
    mean, median = statistics.fmean(values), statistics.median(values)
    own = f" (in {len(values):,} of them)" if len(values) != n else ""
    return f"{region} mean {mean:.3f}, median {median:.3f}{own}"
