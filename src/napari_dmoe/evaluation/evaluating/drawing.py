"""From what the network says of a case to its mask on disk and its scores."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_dmoe.cohorts.case import CaseRow
from napari_dmoe.evaluation.evaluating.batches import ReadCase, failed
from napari_dmoe.evaluation.evaluating.measuring import measured
from napari_dmoe.evaluation.evaluating.scored import ScoredCase, Status
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.imaging.disk.output_names import output_stems
from napari_dmoe.imaging.frames import on_grid
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.imaging.tiff.writing import write_tiff
from napari_dmoe.inference.results.export import sample_spacing
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.devices import Batches
from napari_dmoe.inference.running.forward import Answers
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Cancelled, ProgressHook

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""A disk that takes nothing more fails for every further case."""


def told_by(case: ScoredCase, row: CaseRow) -> ScoredCase:
    """Return a case with what its table tells beside its patient and its scores."""
    stated = case.patient.stated()
    return replace(
        case,
        subject=row.subject,
        further={k: v for k, v in row.further.items() if k not in stated},
        image=row.image if row.image != Path() else None,
        labels=row.labels,
    )


class Drawer:
    """Draws, writes and scores the masks of one cohort.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    rows : sequence of CaseRow
        All cases, whose names decide what their masks are called.
    masks : Path or None
        Folder of the masks; None keeps none.
    settings : EvaluationSettings
        How they are scored.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        rows: Sequence[CaseRow],
        masks: Path | None,
        settings: EvaluationSettings,
    ) -> None:
        self._loaded, self._masks, self._settings = loaded, masks, settings
        names = [row.id for row in rows]
        files = [row.image.name or row.id for row in rows]
        self._stems = output_stems(names, files) if masks is not None else ()

    def case(
        self,
        read: ReadCase,
        answers: Answers | None,
        batches: Batches,
        progress: ProgressHook,
    ) -> ScoredCase:
        """Return one case with its scores; where something is wrong, why.

        Raises
        ------
        OSError
            When the disk is full.
        """
        if read.failed or read.joined is None:
            status: Status = "failed" if read.failed else "no truth"
            return self._scored(read, status=status, said=read.failed)
        try:
            (result,) = read.joined.results(answers, batches, progress)
            return self._of_result(read, result)
        except Cancelled:
            raise
        # One case that fails, for whatever reason, stops no cohort but on a full disk.
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            return self._scored(read, status="failed", said=failed(error))

    def _of_result(self, read: ReadCase, result: Segmentation) -> ScoredCase:
        case = read.case
        if case is None:
            raise ValueError("a case that was run has an image")
        prediction = self._written(read.number, result, case.image)
        own = set(self._loaded.notices)
        said = [n for n in result.provenance.notices if n not in own]
        if read.truth is None:
            words = "; ".join(said)
            return self._scored(read, "no truth", words, prediction=prediction)
        is_at_source = self._settings.scored_at == "source"
        found = measured(
            result.labels,
            read.truth,
            case.image,
            axes=result.axes,
            classes=result.classes,
            metrics=self._settings.metrics,
            convention=self._settings.convention,
            nsd_mm=self._settings.nsd_mm,
            grid=None if is_at_source else result.grid,
        )
        unknown = [d.words for d in result.provenance.drivers if d.value is None]
        words = "; ".join(dict.fromkeys((*unknown, *said, *found.notices)))
        scored = {"scores": found.scores, "unit": found.unit, "prediction": prediction}
        return self._scored(read, "scored", words, **scored)

    def _scored(
        self, read: ReadCase, status: Status, said: str = "", **found: Any
    ) -> ScoredCase:
        case = ScoredCase(
            id=read.row.id,
            number=read.number,
            status=status,
            said=said,
            patient=read.patient,
            **found,
        )
        return told_by(case, read.row)

    def _written(
        self, number: int, result: Segmentation, image: SpatialImage
    ) -> Path | None:
        """Write a mask without a record: the facts of the evaluation are its record."""
        if self._masks is None:
            return None
        self._masks.mkdir(parents=True, exist_ok=True)
        stem = self._masks / self._stems[number]
        grid, axes = result.grid, result.axes
        if len(grid.shape) == len(SPATIAL_AXES) and set(axes) == set(SPATIAL_AXES):
            path = stem.with_name(f"{stem.name}.nii.gz")
            placed = on_grid(image, result.labels, axes, grid)
            write_nifti(path, placed, order=image.spatial_axes)
            return path
        path = stem.with_name(f"{stem.name}.tif")
        write_tiff(
            path,
            result.labels,
            axes=axes,
            spacing=sample_spacing(image, axes, grid),
            unit=image.unit,
            classes=result.classes,
        )
        return path
