"""What a series finds of an earlier one: what is in its way, and what is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.series.listing import Entry
from napari_dmoe.cohorts.series.rows import Status, path_cell
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.export import n_pixels, room_for_mask
from napari_dmoe.inference.results.mask_formats import (
    FileFormat,
    ending,
    mask_format,
    read_saved,
)
from napari_dmoe.inference.results.provenance import ImageRecord, Provenance
from napari_dmoe.inference.results.replacing import (
    ExistingFileError,
    files_of,
    is_painted,
    is_result,
    refuse_foreign,
    set_aside,
)
from napari_dmoe.inference.results.sidecars import (
    in_order_of_result,
    is_as_run,
    new_record_path,
    recorded,
    same_image,
)
from napari_dmoe.inference.running.drivers import Priors, choose_routers
from napari_dmoe.inference.running.placing import is_placed_as
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
    dicom_series: Path | None = None
    """For DICOM-SEG, the folder of the series that a single image is of; else images
    are series themselves."""
    priors: Priors | None = None
    """Shares of the values of unknown attributes, instead of the card's."""
    resume: bool = False
    """Whether images are left that an earlier run did in the same way, also those whose
    masks were corrected since. Images that changed are done again; what is left of
    them is set aside."""
    overwrite: bool = False
    """Whether files are replaced that are no earlier results of the same image. Masks
    that were corrected are set aside."""


@dataclass(frozen=True)
class Mask:
    """A mask on disk, with what is known of it."""

    path: Path
    record: Provenance
    labels: NDArray[np.uint8]
    status: Status
    """How it came to be there."""


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
        is_of_3d = self.loaded.card.dims == 3
        chosen = mask_format(self.options.file_format, is_of_3d=is_of_3d)
        return self.stem.with_name(f"{self.stem.name}.{what}{ending(what, chosen)}")

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

    @property
    def drivers(self) -> tuple[str, ...]:
        """Attributes that drive the model."""
        return tuple(each.name for each in self.loaded.card.attributes)

    def given(self, folder: Path) -> dict[str, str]:
        """Return the cells of files that the series was given: truth and image.

        The truth is told from the output folder on, the image from the one around it.
        """
        truth, image = self.entry.labels, self.entry.path
        cells = {"source": path_cell(image, folder.absolute().parent)}
        if truth is not None:
            cells["truth"] = path_cell(truth, folder, is_beside=True)
        return cells

    def refuse_foreign(self) -> None:
        """Refuse to replace what is no earlier result of the image.

        Raises
        ------
        ExistingFileError
            For the first file that is in the way.
        """
        paths = self._written()
        if self.options.overwrite or not any(map(_is_there, paths)):
            return
        try:
            image = image_record(read_image(self.entry.path))
        except (ValueError, OSError):
            image = None  # told in its turn; nothing of it is written then
        try:
            refuse_foreign(paths, image)
        except ExistingFileError as error:
            if not is_painted(self.mask):
                raise
            raise ExistingFileError(
                f"{self.mask} was changed after its run: --resume would keep it, "
                "--overwrite would set it aside; or choose another folder"
            ) from error

    def refuse_unknown(self) -> None:
        """Refuse to replace what is no result of this program at all.

        Raises
        ------
        ExistingFileError
            For the first file that is in the way.
        """
        if not self.options.overwrite:
            unknown = [p for p in self._written() if _is_there(p) and not is_result(p)]
            refuse_foreign(unknown, None)

    def put_aside(self, image: ImageRecord) -> tuple[Path, ...]:
        """Set aside what a run that was allowed to replace it must not lose.

        That is a mask that somebody has corrected; and, where an earlier run is gone
        on with, what it made of another image that was called the same.

        Returns
        -------
        tuple of Path
            What the files are called now.
        """
        options, mask, stem = self.options, self.mask, self.stem.name
        is_allowed = options.overwrite or options.resume
        if not (is_allowed and mask.is_file() and is_result(mask)):
            return ()
        record = recorded(mask)
        is_another = record is not None and not same_image(record.image, image)
        if is_another and not options.overwrite:
            return set_aside(files_of(mask.parent, stem), stem)
        return set_aside([mask], stem) if is_painted(mask) else ()

    def _written(self) -> list[Path]:
        paths = [self.mask, *self._maps()]
        return [*paths, *(new_record_path(path) for path in paths)]

    def kept(self, image: SpatialImage) -> Mask | None:
        """Return the mask of an earlier run for the same model, patient and settings.

        One that somebody has corrected since is kept, too. None where there is none,
        where it cannot be read, or where maps that are asked for are missing.
        """
        record = recorded(self.mask)
        if record is None or not self._is_alike(record, image):
            return None
        made = _as_made(record)
        maps = (recorded(path) for path in self._maps())
        if any(each is None or _as_made(each) != made for each in maps):
            return None
        try:
            labels = in_order_of_result(read_saved(self.mask, record), record)
        except (ValueError, OSError):
            return None
        if labels.dtype != np.uint8 or not record.labels_sha256:
            return None
        if int(labels.max(initial=0)) >= len(record.classes):
            return None
        is_corrected = record.edited or not is_as_run(labels, record)
        status: Status = "corrected" if is_corrected else "kept"
        return Mask(self.mask, record, labels, status)

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
            and not record.swept
            and is_placed_as(record, loaded, image, options.settings)
        )


def _as_made(record: Provenance) -> Provenance:
    return record.model_copy(update={"edited": False})


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
