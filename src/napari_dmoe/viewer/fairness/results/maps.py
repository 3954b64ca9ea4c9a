"""Makes mean error maps by group on demand, in a job that can be stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fairness.opening.map_layers import MapLayers
from napari_dmoe.viewer.ui.work import BUSY, Order

if TYPE_CHECKING:
    from napari_dmoe.evaluation.evaluating.scored import ScoredCase
    from napari_dmoe.evaluation.groups.error_maps import ErrorMaps
    from napari_dmoe.viewer.fairness.opening.reading import CaseFiles
    from napari_dmoe.viewer.fairness.results.figures import Figures
    from napari_dmoe.viewer.fairness.results.view import ResultsSection
    from napari_dmoe.viewer.fairness.shelf import Audit


@dataclass(frozen=True)
class _Masks:
    """Whose masks are read; called in a job."""

    files: Sequence[CaseFiles]
    groups: Sequence[str | None]
    expected: Sequence[str]
    region: str

    def maps(self, hook: ProgressHook) -> ErrorMaps:
        """Return the maps.

        Raises
        ------
        ValueError
            When it is not known what the region's classes are, or no mask is there.
        """
        from napari_dmoe.evaluation.groups.error_maps import mean_error_maps
        from napari_dmoe.viewer.fairness.opening.reading import (
            read_pair,
            region_labels,
        )

        classes = self.files[0].classes if self.files else ()
        labels = region_labels(classes, self.region)
        if not labels:
            raise ValueError(
                f"which labels are {self.region} is not known: evaluate with the names "
                "of the classes"
            )
        made = mean_error_maps(
            lambda place: read_pair(self.files[place]),
            self.groups,
            labels,
            n_classes=len(classes),
            expected=self.expected,
            progress=hook,
        )
        if not made.groups:
            raise ValueError(
                "no case has a truth and a kept prediction on the same pixels: "
                "evaluate again and keep the masks"
            )
        return made


class ErrorMapsControl(Control):
    """Shows where groups are wrong, on a common grid."""

    def __init__(self, bench: Bench, section: ResultsSection) -> None:
        super().__init__(bench, section)
        self._section = section
        self._layers = MapLayers(bench.session)

    def begin(self, audit: Audit, figures: Figures, number: int) -> None:
        """Read the masks of an audit, by the groups of one of the models shown."""
        grouping = figures.models[number].summary.grouping
        region = figures.asked.region
        facts = audit.evaluated.facts
        masks = _Masks(
            [_files(audit, case, facts.classes) for case in audit.evaluated],
            grouping.of_case,
            grouping.values,
            region,
        )
        what = f"{region}, {audit.title}"
        order = Order(
            title="dMoE: error maps",
            status="Reading the masks of every group …",
            work=masks.maps,
            then=partial(self._on_made, what),
            if_stopped=lambda: "Stopped. No map was made.",
        )
        if not self._work.start(order):
            self._section.say(BUSY)

    def _on_made(self, what: str, maps: ErrorMaps) -> str:
        self._layers.show(maps, what)
        most = f"The brightest is {maps.most:.0%} of a group's cases."
        notes = " ".join(f"{n[:1].upper()}{n[1:]}." for n in maps.notes)
        self._section.say(" ".join(filter(None, (most, maps.how, notes))))
        n = len(maps.groups)
        return f"Error maps of {what}, {n} {'group' if n == 1 else 'groups'}."


def _files(audit: Audit, case: ScoredCase, classes: tuple[str, ...]) -> CaseFiles:
    from napari_dmoe.viewer.fairness.opening.reading import CaseFiles

    return CaseFiles(case, audit.row_of(case.id), classes)
