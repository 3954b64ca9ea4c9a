"""What is measured of masks: each class, and what several of them make together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Region:
    """What is measured: one class, or several together.

    Parameters
    ----------
    name : str
        Name in tables.
    labels : tuple of int
        The labels that belong to it.
    whole : tuple of int, optional
        The labels that it is a part of: rim and cup for the cup.
    """

    name: str
    labels: tuple[int, ...]
    whole: tuple[int, ...] | None = None


def regions_of(classes: Sequence[str]) -> tuple[Region, ...]:
    """Return what is measured of a model's masks.

    Parameters
    ----------
    classes : sequence of str
        Class names, background first.

    Returns
    -------
    tuple of Region
        Every class but the background; where there are rim and cup, also the disc,
        which is both of them together. The rim is the disc without its cup.

    Examples
    --------
    >>> [region.name for region in regions_of(("background", "rim", "cup"))]
    ['rim', 'cup', 'disc']
    """
    regions = [Region(name, (i,)) for i, name in enumerate(classes) if i > 0]
    if not {"rim", "cup"} <= set(classes):
        return tuple(regions)
    disc = (classes.index("rim"), classes.index("cup"))
    own = (replace(r, whole=disc if r.name == "cup" else None) for r in regions)
    return (*own, Region("disc", disc))
