"""Masks of one cohort scored case by case, and what is kept so that others go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_dmoe.cohorts.case import CaseRow
from napari_dmoe.evaluation.evaluating.batches import failed
from napari_dmoe.evaluation.evaluating.journal import BatchDone
from napari_dmoe.evaluation.evaluating.mask_reading import (
    Meanings,
    PairReading,
    read_mask,
    spacing_of,
)
from napari_dmoe.evaluation.evaluating.scored import ScoredCase
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.evaluation.scoring.metrics import METRICS, Score, measure_case
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.naming import unheard_of


@dataclass
class MaskRun:
    """One cohort's masks, scored case by case."""

    meanings: Meanings
    settings: EvaluationSettings
    drivers: tuple[str, ...] = ()
    _reading: PairReading = field(init=False)

    def __post_init__(self) -> None:
        self._reading = PairReading(self.meanings.classes)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured; the ratio of parts only where there are parts."""
        has_parts = any(region.whole for region in self.meanings.regions)
        return tuple(
            name
            for name in self.settings.metrics
            if has_parts or not METRICS[name].of_parts
        )

    def go_on_with(
        self,
        done: Sequence[BatchDone],
        rows: Sequence[CaseRow],
        files: Sequence[Path | None],
    ) -> list[ScoredCase]:
        """Know again what an earlier run decided; return the cases that it scored."""
        cases = []
        for batch in done:
            said = zip(batch.understood, batch.notes, strict=True)
            for case, (of_truth, of_mask) in zip(batch.cases, said, strict=True):
                self._reading.note(of_truth, of_mask, case.id)
                place = case.number
                now = self._unscored(place, rows[place], files[place])
                cases.append(
                    replace(
                        now,
                        status=case.status,
                        said=case.said,
                        scores=case.scores,
                        unit=case.unit,
                    )
                )
            if batch.cases:
                self._reading.go_on(batch.reading)
        return cases

    def batch(self, cases: Sequence[ScoredCase]) -> BatchDone:
        """Return what the journal keeps of some cases: said of truths, and of masks."""
        said = [self._reading.notices_of(case.id) for case in cases]
        truths, masks = zip(*said, strict=True)
        return BatchDone(tuple(cases), masks, truths, self._reading.so_far())

    def told(self, cases: Sequence[ScoredCase]) -> Iterator[str]:
        """Yield what was understood of the labels, and of their pixels."""
        yield from self._reading.notices
        n_in_pixels = sum(c.status == "scored" and c.unit != "mm" for c in cases)
        if not n_in_pixels:
            return
        lacking = "" if self.settings.nsd_mm is None else ", and have no NSD in mm"
        yield (
            f"{n_in_pixels:,} cases do not state the size of a pixel: their "
            f"lengths are in pixels{lacking}"
        )

    def case(self, place: int, row: CaseRow, path: Path | None) -> ScoredCase:
        """Return what one case scores, or why it does not."""
        case = self._unscored(place, row, path)
        if row.labels is None:
            return replace(case, status="no truth", said="there is no truth")
        if path is None:
            said = "there is no mask of this case"
            return replace(case, status="no prediction", said=said)
        try:
            truth, mask = row.read_labels(), read_mask(path)
            scores, unit = self._scored(truth, mask, row.id)
        # One case that fails, for whatever reason, stops no cohort.
        except Exception as error:  # noqa: BLE001 - it is told
            return replace(case, status="failed", said=failed(error))
        return replace(case, scores=scores, unit=unit)

    def _unscored(self, place: int, row: CaseRow, path: Path | None) -> ScoredCase:
        # A column that nobody has heard of goes along as it stands in the table.
        unheard = unheard_of(row.patient, self.drivers)
        return ScoredCase(
            id=row.id,
            number=place,
            subject=row.subject,
            patient=row.patient.without(set(unheard) & set(row.further)),
            further=row.further,
            image=row.image if row.image.name else None,
            labels=row.labels,
            prediction=path,
        )

    def _scored(
        self, truth: SpatialImage, mask: SpatialImage, case: str
    ) -> tuple[tuple[Score, ...], str]:
        predicted, seen = self._reading.read(truth, mask, case)
        spacing, unit = spacing_of(truth)
        tolerance, metrics = self.settings.nsd_mm, self.metrics
        if tolerance is not None and unit != "mm":
            tolerance, metrics = None, tuple(m for m in metrics if m != "nsd")
        scores = measure_case(
            predicted,
            seen,
            self.meanings.regions,
            metrics=metrics,
            spacing=spacing,
            convention=self.settings.convention,
            nsd_tolerance=tolerance,
        )
        return scores, unit
