"""What a series finds of an earlier one: what is in its way, and what is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.series.listing import Entry
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.export import FileFormat, n_pixels, room_for_mask
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.replacing import refuse_foreign
from napari_dmoe.inference.results.sidecars import (
    in_order_of_result,
    is_as_run,
    new_record_path,
    recorded,
    same_image,
)
from napari_dmoe.inference.running.drivers import Priors, choose_routers
from napari_dmoe.inference.running.planes import is_placed_as
from napari_dmoe.inference.running.recording import image_record
from napari_dmoe.inference.running.settings import InferenceSettings, as_recorded
from napari_dmoe.models.checkpoint import LoadedModel


@dataclass(frozen=True)
class SeriesOptions:
    """How each image is run, and what is written for it."""

    settings: InferenceSettings = field(default_factory=InferenceSettings)
    routing: bool = False
    """Whether the gates are written, too."""
    file_format: FileFormat = "auto"
    """See :func:`napari_dmoe.inference.results.export.save_segmentation`."""
    priors: Priors | None = None
    """Shares of the values of unknown attributes, instead of the card's."""
    resume: bool = False
    """Whether images are left that an earlier run did in the same way."""
    overwrite: bool = False
    """Whether files are replaced that are no earlier results of the same image."""


@dataclass(frozen=True)
class Kept:
    """A mask of an earlier run that need not be made again."""

    mask: Path
    record: Provenance
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Outputs:
    """The files of one image of a series."""

    loaded: LoadedModel
    entry: Entry
    stem: Path
    """Folder and beginning of the file names."""
    options: SeriesOptions

    @property
    def mask(self) -> Path:
        """Where the mask is written."""
        return self._file("labels")

    def _file(self, what: str) -> Path:
        is_nifti = self.options.file_format == "nifti" or (
            self.options.file_format == "auto" and self.loaded.card.dims == 3
        )
        suffix = "nii.gz" if is_nifti else "tif"
        return self.stem.with_name(f"{self.stem.name}.{what}.{suffix}")

    def _maps(self) -> Iterator[Path]:
        """Yield where maps are written; stages only as far as they are there."""
        if self.options.settings.probabilities:
            yield self._file("probabilities")
        if self.options.routing and self.loaded.config.n_routers:
            number, stages = 0, []
            while (path := self._file(f"routing-{number}")).exists():
                stages.append(path)
                number += 1
            yield from stages or [self._file("routing")]

    def refuse_foreign(self) -> None:
        """Refuse to replace what is no earlier result of the image.

        Raises
        ------
        ExistingFileError
            For the first file that is in the way.
        """
        paths = [self.mask, *self._maps()]
        paths += [new_record_path(path) for path in paths]
        if self.options.overwrite or not any(map(_is_there, paths)):
            return
        try:
            image = image_record(read_image(self.entry.path))
        except (ValueError, OSError):
            image = None  # told in its turn; nothing of it is written then
        refuse_foreign(paths, image)

    def kept(self, image: SpatialImage) -> Kept | None:
        """Return the mask of an earlier run for the same model, patient and settings.

        None where there is none, where it is not as its run left it, or where maps
        that are asked for are missing.
        """
        record = recorded(self.mask)
        if record is None or not self._is_alike(record, image):
            return None
        if any(recorded(path) != record for path in self._maps()):
            return None
        try:
            labels = in_order_of_result(read_image(self.mask), record)
        except (ValueError, OSError):
            return None
        if labels.dtype != np.uint8 or not is_as_run(labels, record):
            return None
        return Kept(self.mask, record, labels)

    def _is_alike(self, record: Provenance, image: SpatialImage) -> bool:
        """Say whether a run now would be the run of a record."""
        loaded, options = self.loaded, self.options
        choice = choose_routers(
            loaded, self.entry.patient, options.settings, options.priors
        )
        of_image = image_record(image, record.image.input_sha256)
        return (
            bool(loaded.sha256)
            and record.model.sha256 == loaded.sha256
            and record.model.card == loaded.card.name
            and record.classes == loaded.card.classes
            and record.drivers == choice.drivers
            and as_recorded(record.settings) == options.settings.model_dump(mode="json")
            and record.image == of_image
            and same_image(record.image, of_image)
            and record.image.pixels_sha256 is not None
            and record.is_plain
            and record.made_by == "segment"
            and not (record.swept or record.edited)
            and is_placed_as(record, loaded, image, options.settings)
        )


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def bytes_needed(outputs: Sequence[Outputs]) -> int:
    """Estimate from below what a series writes: its images are taken for alike.

    Masks that are there already, to be replaced or kept, need no more room.
    """
    new = [each for each in outputs if not each.mask.exists()]
    image = _first_image([each.entry.path for each in new])
    if image is None:
        return 0
    card, settings = new[0].loaded.card, new[0].options.settings
    each_one = room_for_mask(image)
    if settings.probabilities and settings.scored_at == "source":
        each_one += (
            2 * n_pixels(image) * len(card.classes)
        )  # float32, half as large deflated
    return len(new) * each_one


def _first_image(paths: Sequence[Path]) -> SpatialImage | None:
    for path in paths[:3]:
        try:
            return read_image(path)
        except (ValueError, OSError):
            continue
    return None
