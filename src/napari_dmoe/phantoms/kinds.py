"""The table of phantoms: what can be drawn, and what must be said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from napari_dmoe.cohorts.case import Case
from napari_dmoe.phantoms.fundus import cohort as fundus
from napari_dmoe.phantoms.pelvis import cohort as pelvis
from napari_dmoe.phantoms.skin import cohort as skin


@dataclass(frozen=True)
class Kind:
    """One kind of phantom."""

    title: str
    cohort: Callable[..., Iterator[Case]]
    """From a number of cases and ``seed`` to them, one at a time; a larger cohort holds
    a smaller one."""
    notice: str
    """What must be said wherever such phantoms appear."""
    case: Callable[..., Case]
    """From the seed and a number to that case of the cohort."""


KINDS: Mapping[str, Kind] = {
    "fundus": Kind(
        "fundi whose cup depends on severity",
        fundus.fundus_cohort,
        fundus.NOTICE,
        fundus.fundus_case,
    ),
    "fundus-race": Kind(
        "plain fundi whose disc depends on race, and their cup on severity",
        fundus.fundus_race_cohort,
        fundus.RACE_NOTICE,
        fundus.fundus_race_case,
    ),
    "skin": Kind(
        "skin lesions whose border depends on sex and age",
        skin.skin_cohort,
        skin.NOTICE,
        skin.skin_case,
    ),
    "pelvis": Kind(
        "CT-like pelvis volumes whose target depends on the T stage",
        pelvis.pelvis_cohort,
        pelvis.NOTICE,
        pelvis.pelvis_case,
    ),
}
"""What can be drawn, by name."""
