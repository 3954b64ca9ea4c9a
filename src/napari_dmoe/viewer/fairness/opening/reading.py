"""Reads a case of an evaluated cohort: its image, its truth and its prediction.

Everything is called in a job, and holds no layer. Truth and prediction come as the
classes of the evaluation, on the same pixels. Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.labels import fitting, whole_numbers
from napari_dmoe.evaluation.evaluating.mask_reading import PairReading, read_mask
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.masks.truth import NOT_ANNOTATED
from napari_dmoe.purpose import reason

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import CaseRow
    from napari_dmoe.evaluation.evaluating.scored import ScoredCase
    from napari_dmoe.inference.results.provenance import Provenance

Computed = Callable[[SpatialImage], SpatialImage]
"""Returns the prediction for an image, where it was not kept."""

NOT_KEPT = "Its prediction was not kept."


@dataclass(frozen=True)
class CaseFiles:
    """Where a case of an evaluated cohort is read from."""

    case: ScoredCase
    row: CaseRow | None = None
    """Its row of the cohort, where that is known: it reads what no file holds alone."""
    classes: tuple[str, ...] = ()
    """Of the evaluation, background first; nothing where they are not known."""

    @property
    def image_path(self) -> Path | None:
        """The file with the image; None for a case of which only masks are known."""
        own = self.case.image if self.row is None else self.row.image
        return None if own is None or own == Path() else own

    @property
    def has_truth(self) -> bool:
        """Whether the cohort says what is true of it."""
        own = self.case.labels if self.row is None else self.row.labels
        return own is not None

    @property
    def has_prediction(self) -> bool:
        """Whether its prediction was kept, or given."""
        path = self.case.prediction
        return path is not None and path.is_file()


@dataclass(frozen=True)
class ReadMasks:
    """A case as it was read; masks are classes, on the pixels of each other."""

    image: SpatialImage | None = None
    truth: SpatialImage | None = None
    prediction: SpatialImage | None = None
    record: Provenance | None = None
    """How the prediction came about, where its file says so."""
    said: tuple[str, ...] = ()
    """What is missing and why, and what was decided, in sentences."""
    is_computed: bool = False
    """Whether the prediction was computed again."""

    @property
    def are_comparable(self) -> bool:
        """Whether it can be told where the prediction errs."""
        both = self.truth, self.prediction
        shapes = {each.data.shape for each in both if each is not None}
        return None not in both and len(shapes) == 1


def read_case(files: CaseFiles, *, compute: Computed | None = None) -> ReadMasks:
    """Read a case; called in a job.

    Parameters
    ----------
    files : CaseFiles
        Where it is read from.
    compute : callable, optional
        Finds the prediction again, where it was not kept.

    Raises
    ------
    CohortError, ImageReadError
        When the image cannot be read, or there is neither image nor mask. Of a mask
        that cannot be, it is said why.
    """
    image = _read_image(files)
    said: list[str] = []
    truth = _noted(said, "The truth", lambda: _read_truth(files, image))
    reference = image if image is not None else truth
    prediction, record, is_computed = None, None, False
    if files.has_prediction:
        path = files.case.prediction
        prediction = _noted(
            said, "The prediction", lambda: _read_prediction(files, reference)
        )
        record = None if path is None else _record_of(path)
    elif compute is not None and image is not None:
        seen = image
        prediction = _noted(said, "The prediction", lambda: compute(seen))
        is_computed = prediction is not None
        said += [f"{NOT_KEPT} It was computed again."] if is_computed else []
    elif files.case.status not in ("no prediction", "failed"):
        said.append(_why_no_prediction(files))
    if files.case.said:
        said.append(files.case.said)
    if not files.has_truth:
        said.append("There is no truth of it.")
    if (image, truth, prediction) == (None, None, None):
        raise CohortError(" ".join((_NOTHING, *said)))
    return ReadMasks(image, truth, prediction, record, tuple(said), is_computed)


_NOTHING = "neither an image nor a mask of this case can be read."


def read_pair(files: CaseFiles) -> tuple[Any, Any] | None:
    """Return a case's prediction and truth as arrays, without its image; or None.

    Called in a job. None where it has not both, or they do not lie on the same pixels.
    """
    if not (files.has_truth and files.has_prediction):
        return None
    path = files.case.prediction
    if path is None:
        return None
    try:
        truth, mask = _truth(files), read_mask(path)
        if truth is None or not files.classes:
            return None
        return PairReading(files.classes).read(truth, mask, files.case.id)
    except (OSError, ValueError):
        return None  # it is counted as left out; opening the case says why


def _why_no_prediction(files: CaseFiles) -> str:
    path = files.case.prediction
    if path is None:
        return f"{NOT_KEPT} Evaluate again and keep the masks to see it here."
    return f"Its prediction {path.name} is no longer there."


def _noted(
    said: list[str], what: str, read: Callable[[], SpatialImage | None]
) -> SpatialImage | None:
    """Return what can be read; else say why it cannot be, and return None."""
    try:
        return read()
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        said.append(f"{what} cannot be shown: {why.removesuffix('.')}.")
        return None


def _read_image(files: CaseFiles) -> SpatialImage | None:
    path = files.image_path
    if path is None:
        return None
    if files.row is not None:
        return files.row.read().image
    return read_image(path)


def _read_truth(files: CaseFiles, image: SpatialImage | None) -> SpatialImage | None:
    if not files.has_truth:
        return None
    labels = _truth(files)
    return None if labels is None else _as_classes(_placed(labels, image), files)


def _truth(files: CaseFiles) -> SpatialImage | None:
    row, path = files.row, files.case.labels
    if row is not None:
        return row.read_labels()
    return None if path is None else read_mask(path)


def _read_prediction(
    files: CaseFiles, reference: SpatialImage | None
) -> SpatialImage | None:
    path = files.case.prediction
    if path is None:
        return None
    return _as_classes(_placed(read_mask(path), reference), files)


def _placed(labels: SpatialImage, reference: SpatialImage | None) -> SpatialImage:
    """Return labels on the pixels of what they belong to, in its place.

    Without any they lie as they were saved.
    """
    if reference is None:
        return fitting(labels, labels)
    placed = fitting(labels, reference)
    if placed.unit is None:  # a picture says nothing of where it lies
        affine = reference.affine_along(placed.axes)
        return replace(placed, affine=affine, unit=reference.unit)
    return placed


def _as_classes(labels: SpatialImage, files: CaseFiles) -> SpatialImage:
    values = whole_numbers(np.asarray(labels.data))
    if files.classes:
        reading = LabelReading(files.classes, unlabelled=NOT_ANNOTATED, is_stated=False)
        values = reading.read(values, files.case.id)
        reading.check()
    return replace(labels, data=values)


def _record_of(path: Path) -> Provenance | None:
    from napari_dmoe.viewer.layers.opening import record_of

    return record_of(path)


def region_labels(classes: Sequence[str], region: str) -> tuple[int, ...]:
    """Return which classes a region is made of; nothing for one that is not known."""
    from napari_dmoe.inference.masks.regions import regions_of

    found = {each.name: each.labels for each in regions_of(classes)}
    return found.get(region, ())
