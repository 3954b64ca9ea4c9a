"""Looks at an audit again that was run earlier, or at a published table of results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fairness.cohort.control import CohortControl, audits_in
from napari_dmoe.viewer.fairness.cohort.reading import n_cases
from napari_dmoe.viewer.fairness.running.control import cohort_of
from napari_dmoe.viewer.fairness.shelf import Audit, Audits
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari_dmoe.cohorts.datasets import Cohort
    from napari_dmoe.evaluation.evaluating.scored import Evaluated


class ReopenControl(Control):
    """Reads what was evaluated, and puts it on the shelf."""

    def __init__(self, bench: Bench, cohort: CohortControl, audits: Audits) -> None:
        super().__init__(bench, cohort)
        self._cohort, self._audits = cohort, audits
        cohort.reopen_requested.connect(self.open)

    def open(self, source: Path) -> None:
        """Look at a finished audit, at all in a folder, or at a published table."""
        sources = audits_in(source) if source.is_dir() else [source]
        name = source.name if source.is_dir() else source.parent.name
        order = Order(
            title=f"dMoE: reopening {name}",
            status=f"Reopening {name} …",
            work=partial(read_all, self._engines, sources),
            then=self._on_read,
            if_stopped=lambda: "Stopped. Nothing was opened.",
        )
        self._work.start_beside(order)

    def _on_read(self, found: list[Evaluated]) -> str:
        for number, evaluated in enumerate(found):
            cohort = self._cohort_of(evaluated)
            self._audits.put(Audit(evaluated, cohort), beside=number > 0)
        n = len(found[0])
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        return f"Reopened {n_cases(n)} of {found[0].facts.title}{more}."

    def _cohort_of(self, evaluated: Evaluated) -> Cohort | None:
        """Return the cohort at hand that has these cases; None where none does."""
        ids = frozenset(case.id for case in evaluated)
        reading = self._cohort.reading
        cohort = None if reading is None else reading.cohort
        if cohort is not None and ids <= {row.id for row in cohort.rows}:
            return cohort
        return cohort_of(self._audits, ids)


def read_all(
    engines: Engines, sources: Sequence[Path], hook: ProgressHook
) -> list[Evaluated]:
    """Read evaluated cohorts; called in the work's thread."""
    found = []
    for number, source in enumerate(sources):
        hook(Progress(number, len(sources), f"reading {source.name}"))
        found.append(engines.read_evaluation(source))
    return found
