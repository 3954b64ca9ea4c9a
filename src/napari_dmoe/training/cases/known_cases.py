"""What a pool of prepared cases knows of them beside pixels and routers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from napari_dmoe.patient import Patient


@dataclass(frozen=True, kw_only=True)
class KnownCases:
    """What is known of each case of a pool; nothing where nobody asks.

    Parameters
    ----------
    patients : tuple of Patient
        Whom they show.
    sizes : tuple of tuple of int
        Pixels of the images along their axes, before they were prepared.
    ids : tuple of str
        What the cases are called.
    subjects : tuple of (str or None)
        What cases of one patient or lesion share; None where nobody says.
    phantoms : tuple of str or None
        Kinds of phantom that they were drawn as; None where they are not known to be
        one.
    altered : tuple of bool
        Whether these have other labels, or values of their patients, than were drawn.
    sample_ml : tuple of (float or None)
        Volume of a sample in mL; None for planes, and where it is not known.
    pictures : tuple of tuple of slice
        The part of each prepared case that shows its picture; the rest is padding.
        Empty where no case is padded.
    """

    patients: tuple[Patient, ...] = ()
    sizes: tuple[tuple[int, ...], ...] = ()
    ids: tuple[str, ...] = ()
    subjects: tuple[str | None, ...] = ()
    phantoms: tuple[str | None, ...] = ()
    altered: tuple[bool, ...] = ()
    sample_ml: tuple[float | None, ...] = ()
    pictures: tuple[tuple[slice, ...], ...] = ()

    def shown(self, place: int) -> tuple[slice, ...]:
        """Return the part of a prepared case that shows its picture; () for all."""
        return self.pictures[place] if self.pictures else ()

    def known(self, places: Sequence[int]) -> dict[str, Any]:
        """Return the same of some of the cases, by name."""
        found = {}
        for field in fields(KnownCases):
            whole = getattr(self, field.name)
            found[field.name] = tuple(whole[i] for i in places) if whole else ()
        return found
