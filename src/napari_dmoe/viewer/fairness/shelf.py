"""The audits of a viewer: cohorts that were evaluated, or reopened, and are looked at.

They stay whether or not the dock is open. Whoever shows numbers reads
:attr:`Audits.shown` and listens to :attr:`Audits.changed`; whoever opens a case asks
its :class:`Audit` for the row of the cohort, or for the layer. Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Image
from psygnal import Signal

from napari_dmoe.viewer.layers.placement import plain

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import CaseRow
    from napari_dmoe.cohorts.datasets import Cohort
    from napari_dmoe.evaluation.evaluating.scored import Evaluated

_MOST = 12
"""Audits that stay; a folder can be reopened at any time."""


@dataclass(eq=False)
class Audit:
    """One model, or one folder of predictions, on one cohort."""

    evaluated: Evaluated
    cohort: Cohort | None = None
    """Whose cases they are, with their files; None where that is not known, as of a
    table alone. The paths of the cases may still lead to files."""
    layers: Mapping[str, weakref.ref[Image]] = field(default_factory=dict)
    """The open image of each case, by its id, where open layers were audited."""
    audited: Any = None
    """What came of asking for every value of every case; None where nobody did."""

    def __repr__(self) -> str:
        """Show nothing of a patient."""
        return f"Audit({self.title!r}, {len(self.evaluated)} cases)"

    @property
    def title(self) -> str:
        """What was evaluated, as tables call it."""
        return self.evaluated.facts.title

    @property
    def folder(self) -> Path | None:
        """Where its files are; None for a table alone."""
        return self.evaluated.folder

    def row_of(self, case_id: str) -> CaseRow | None:
        """Return a case's row of the cohort, which reads it; None where none is known.

        Cases of open layers have a row, too: see :meth:`layer_of`.
        """
        return self._rows.get(case_id)

    def layer_of(self, case_id: str) -> Image | None:
        """Return the open image of a case; None for files, and where it was closed."""
        reference = self.layers.get(case_id)
        return None if reference is None else reference()

    @cached_property
    def _rows(self) -> dict[str, CaseRow]:
        rows = () if self.cohort is None else self.cohort.rows
        return {row.id: row for row in rows}


class Audits:
    """The audits of a viewer, the latest first, of which some are looked at."""

    changed = Signal()
    """Others are looked at, or there is one more."""

    def __init__(self) -> None:
        self._all: list[Audit] = []
        self._shown: list[Audit] = []

    @property
    def all(self) -> tuple[Audit, ...]:
        """All audits, the latest first."""
        return tuple(self._all)

    @property
    def shown(self) -> tuple[Audit, ...]:
        """Those that are looked at together, in the order in which they were put.

        The first is what others are compared with.
        """
        return tuple(self._shown)

    @property
    def current(self) -> Audit | None:
        """The first of those that are looked at."""
        return next(iter(self._shown), None)

    def put(self, audit: Audit, *, beside: bool = False) -> None:
        """Look at an audit; one of the same folder that was there before goes.

        With `beside`, those that are looked at stay so, and it comes after them.
        """
        self._all = [audit, *(each for each in self._all if not _same(each, audit))]
        self._all = self._all[:_MOST]
        kept = [each for each in self._shown if each in self._all and each is not audit]
        self._shown = [*kept, audit] if beside else [audit]
        self.changed.emit()

    def look_at(self, *audits: Audit) -> None:
        """Look at some of the audits, in this order."""
        self._shown = [each for each in audits if each in self._all]
        self.changed.emit()

    def forget(self, audit: Audit) -> None:
        """Let go of an audit; its files stay."""
        self._all = [each for each in self._all if each is not audit]
        self._shown = [each for each in self._shown if each is not audit]
        self.changed.emit()


def _same(first: Audit, second: Audit) -> bool:
    """Say whether two audits are one: the same, or of the same folder."""
    if first is second:
        return True
    return first.folder is not None and first.folder == second.folder


_OF_VIEWERS: WeakKeyDictionary[ViewerModel, Audits] = WeakKeyDictionary()


def audits_of(viewer: ViewerModel) -> Audits:
    """Return the audits of a viewer, or of a plugin's proxy of it."""
    key = plain(viewer)
    if key not in _OF_VIEWERS:
        _OF_VIEWERS[key] = Audits()
    return _OF_VIEWERS[key]
