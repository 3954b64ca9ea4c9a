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
from napari_dmoe.cohorts.series.listing import Entry, Listing
from napari_dmoe.cohorts.tables.matching import FolderFiles, files_below
from napari_dmoe.imaging.files import image_stem, read_labels, refuse_no_image
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
        self._reading = LabelReading(classes, unlabelled=NOT_ANNOTATED, is_stated=False)

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


def with_truth(images: Listing, truth: Path) -> Listing:
    """Return images with the truth that a file or a folder holds for them.

    Files of a folder, and of those in it, are told by the images' names, with whatever
    suffix and with words such as ``_mask`` behind them. Where it has none, the truth
    that a table tells stays.

    Parameters
    ----------
    images : Listing
        The images.
    truth : Path
        The truth of the only image, or a folder.

    Raises
    ------
    ValueError
        When there is no such file or folder, it is one file for several images, it has
        no truth for any, or several files are called like one image.
    """
    if not truth.is_dir():
        refuse_no_image(truth)
        if len(images) != 1:
            raise ValueError(
                f"{truth.name} is the truth of one image, but there are "
                f"{len(images):,}: give a folder of masks called like the images"
            )
        return replace(images, entries=(replace(images[0], labels=truth),))
    files = files_below(truth)
    found = [_truth_of(entry, files) for entry in images]
    n = sum(path is not None for path in found)
    if not n:
        raise ValueError(
            f"{truth.name} has no truth for any image: expected masks that are called "
            "like the images"
        )
    notices = images.notices
    if n < len(images):
        notices += (f"truth found for {n:,} of {len(images):,} images",)
    pairs = zip(images, found, strict=True)
    entries = tuple(replace(e, labels=p) if p is not None else e for e, p in pairs)
    return replace(images, entries=entries, notices=notices)


def _truth_of(entry: Entry, files: FolderFiles) -> Path | None:
    """Return the mask of an image; one in any folder, as it was named for masks."""
    found = files.labels_of(entry.path) or files.image(image_stem(entry.path))
    is_itself = found is not None and found.absolute() == entry.path.absolute()
    return None if is_itself else found
