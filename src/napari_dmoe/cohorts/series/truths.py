"""The truth of a series' images: which file it is, how it is read, how well it is met.

One reading serves a whole series, as what masks hold is only clear from all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.labels import fitting, whole_numbers
from napari_dmoe.imaging.files import read_labels
from napari_dmoe.imaging.frames import transposed
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.masks.truth import NOT_ANNOTATED, RegionScore, score
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.purpose import reason


class TruthReader:
    """Reads the truth of one image after another as the classes of a model.

    Parameters
    ----------
    classes : sequence of str
        Names of the model's classes, background first. Label 255 is its one class, or
        stands for what is not annotated where it has several.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        of_label = {"unlabelled": NOT_ANNOTATED, "is_stated": False}
        self._reading = LabelReading(classes, **of_label)  # type: ignore[arg-type]

    @property
    def notices(self) -> tuple[str, ...]:
        """What was understood of the masks so far, each once."""
        return self._reading.notices

    def read(self, path: Path, image: SpatialImage, case: str) -> SpatialImage:
        """Return a truth as classes, on the voxels of its image.

        Parameters
        ----------
        path : Path
            The file.
        image : SpatialImage
            The image that it is the truth of.
        case : str
            What that image is called, for messages.

        Raises
        ------
        CohortError
            When it cannot be read, does not fit the image, or has labels that stand
            for no class.
        """
        try:
            found = read_labels(path)
        except (OSError, ImageError) as error:
            said = f"{path.name} cannot be read: {reason(error)}"
            raise CohortError(said) from error
        placed = fitting(found, image)
        values = whole_numbers(np.asarray(placed.data))
        self._reading.note((*found.notices, *placed.notices), case)
        return replace(placed, data=self._reading.read(values, case))

    def scores(
        self,
        labels: NDArray[np.uint8],
        record: Provenance,
        image: SpatialImage,
        path: Path,
        case: str,
    ) -> tuple[RegionScore, ...]:
        """Return how well a mask agrees with a truth, in each region.

        Parameters
        ----------
        labels : (*S) uint8 array
            The mask, along the record's axes.
        record : Provenance
            How it was made.
        image, path, case
            As :meth:`read` takes them.

        Raises
        ------
        CohortError
            As :meth:`read` raises it, and for a mask that is not on the image's pixels.
        """
        if record.settings.get("scored_at") == "network":
            raise CohortError("the mask is not on the image's pixels")
        truth = self.read(path, image, case)
        if sorted(truth.axes) != sorted(record.axes):
            raise CohortError(f"the mask has the axes {', '.join(record.axes)}")
        values: NDArray[Any] = transposed(truth.data, truth.axes, record.axes)
        if values.shape != labels.shape:
            raise CohortError(
                f"the truth has {values.shape} pixels, but the mask has {labels.shape}"
            )
        return score(labels, values, self._classes)
