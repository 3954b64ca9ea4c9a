"""Figures of the publication, as far as they are known: second-hand, the rest is null.

They were taken from reports of the paper, not computed here; which attribute a figure
goes by is not told where it stands as null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CITATION = (
    "Y. Oh et al., Distribution-aware Fairness Learning in Medical Image Segmentation "
    "From A Control-Theoretic Perspective, ICML 2025, arXiv:2502.00619"
)

ES_FORM = "es_sum"
"""The form of every published equity-scaled score: ``I / (1 + sum_g |I - I_g|)``."""


@dataclass(frozen=True)
class PublishedFigure:
    """One row of the published tables; None where a figure is not known."""

    model: str
    cohort: str
    region: str
    dice: float | None = None
    es_dice: float | None = None
    groups: tuple[tuple[str, int | None, float | None], ...] = ()
    """Name, n and mean of groups."""


_FAIRSEG, _HAM, _PROSTATE = "Harvard-FairSeg", "HAM10000", "prostate CT"

PUBLISHED: tuple[PublishedFigure, ...] = (
    PublishedFigure("dMoE", _FAIRSEG, "rim", es_dice=0.743),
    PublishedFigure("dMoE", _FAIRSEG, "cup", es_dice=0.832),
    PublishedFigure("dMoE", _HAM, "lesion", dice=0.884),
    PublishedFigure(
        "dMoE",
        _PROSTATE,
        "target",
        dice=0.709,
        groups=(("T3", 114, 0.693), ("T4", 21, 0.778)),
    ),
)

_LAYOUTS = {"fairseg": _FAIRSEG, "ham10000": _HAM}


def published_beside(
    regions: Sequence[str], *, layout: str = "", card: str = ""
) -> tuple[PublishedFigure, ...]:
    """Return what was published of the cohort that a layout or a card tells of.

    Parameters
    ----------
    regions : sequence of str
        What was measured.
    layout : str
        How the cohort lies on disk: ``"fairseg"``, ``"ham10000"``.
    card : str
        Name of the model's card.
    """
    cohort = _LAYOUTS.get(layout, "")
    if card.startswith("prostate"):
        cohort = _PROSTATE
    return tuple(
        each
        for each in PUBLISHED
        if each.cohort == cohort and (each.region in regions or cohort == _PROSTATE)
    )
