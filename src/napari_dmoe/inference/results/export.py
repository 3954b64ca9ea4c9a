"""A result on disk: masks and routing maps, each with its record beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from napari_dmoe.imaging.disk.atomic import atomic_path, write_text
from napari_dmoe.imaging.disk.output_names import LONGEST, output_stem
from napari_dmoe.imaging.files import image_suffix, write_tiff
from napari_dmoe.imaging.frames import on_grid
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    SPATIAL_AXES,
    Grid,
    ImageReadError,
    SpatialImage,
)
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.results.mask_formats import (
    FileFormat,
    MaskFormat,
    ending,
    mask_format,
    write_mask,
)
from napari_dmoe.inference.results.provenance import ImageRecord, Provenance
from napari_dmoe.inference.results.replacing import (
    files_of,
    refuse_foreign,
    set_aside,
)
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.results.sidecars import new_record_path

_RECORD_BYTES = 4096
_SMALLER = 50
"""How many times smaller than its pixels a mask is at least, as it is deflated."""


@dataclass(frozen=True)
class SavedFiles:
    """Where a result was written."""

    labels: Path
    """The mask; its record lies beside it with the suffix ``.json``."""
    routing: tuple[Path, ...]
    """The gates of every block, in one file or several; likewise."""
    probabilities: Path | None
    """A map for each class; likewise."""
    set_aside: tuple[Path, ...] = ()
    """What an earlier run left of the same image and this one does not write: it is
    called ``<stem>.earlier.routing.tif`` and so on now."""
    entropy: Path | None = None
    """How undecided the model is between classes; likewise. Of volumes that were
    segmented straight into a file."""


def save_segmentation(
    folder: str | Path,
    stem: str,
    result: Segmentation,
    image: SpatialImage | NDArray[Any],
    *,
    routing: bool = False,
    file_format: FileFormat = "auto",
    overwrite: bool = False,
    series: Path | None = None,
) -> SavedFiles:
    """Write a result; one of an earlier run of the same image is replaced.

    Parameters
    ----------
    folder : str or Path
        Where to; made where it does not exist.
    stem : str
        Beginning of the file names; made safe for files.
    result : Segmentation
        What to write: ``<stem>.labels.tif`` and its record; and, where it holds
        probabilities, ``<stem>.probabilities.tif``: float32 with the axes K (class),
        any extra ones, and the spatial ones.
    image : SpatialImage or array
        The image it was made from, for its place in the world.
    routing : bool
        Also write the gates, float32, averaged over the values that were mixed. Those
        of a 2D model go to ``<stem>.routing.tif`` with the axes L (block), E (expert),
        any extra ones, y and x. The stages of a U-Net differ in resolution, so each
        has a file of its own: ``<stem>.routing-0.tif`` and so on.
    file_format : {"auto", "tiff", "nifti", "seg.nrrd", "dicom-seg"}
        NIfTI (``.nii.gz``) keeps the whole affine, and the record in its header; it
        holds volumes only. ``"auto"`` takes it for the results of 3D models. Masks of
        volumes may also be segmentations of 3D Slicer (``.seg.nrrd``, by SimpleITK),
        or DICOM-SEG (``.dcm``, by highdicom), which names the patient as far as its
        series does; maps are NIfTI then.
    overwrite : bool
        Also replace files that are no earlier results of the same image.
    series : Path, optional
        For DICOM-SEG, the folder of the DICOM series that the image is of.

    Returns
    -------
    SavedFiles
        Where they are.

    Raises
    ------
    ImageReadError
        For an image that is no volume as NIfTI.
    ExistingFileError
        When a file is in the way that is no earlier result of the same image, or was
        painted on since; nothing is written.
    OSError
        When something cannot be written. No file is left half-written.
    """
    record, grid = result.provenance, result.grid
    image = SpatialImage.of(image)
    writer = ResultWriter.of(
        Path(folder), stem, image, record, grid=grid, file_format=file_format
    )
    writer = replace(writer, series=series)
    maps = result.routing if routing else None
    gates = [] if maps is None else list(_gates(maps))
    probabilities = result.probabilities
    names = ["labels", *(name for name, *_ in gates)]
    names += [] if probabilities is None else ["probabilities"]
    writer.refuse_foreign(names, record.image, overwrite=overwrite)
    written = [writer.file(name) for name in names]
    there = files_of(writer.stem.parent, writer.stem.name)
    older = [path for path in there if path not in written]
    # Another format's masks are results of their own, each with its own record.
    left = set_aside([p for p in older if writer.is_format(p)], writer.stem.name)
    mask = result.labels, result.axes, grid
    labels = writer.write("labels", *mask, classes=result.classes)
    saved = [writer.write(*each) for each in gates]
    along = ("k", *result.axes)
    at = None
    if probabilities is not None:
        at = writer.write("probabilities", probabilities, along, grid)
    return SavedFiles(labels, tuple(saved), at, left)


@dataclass(frozen=True)
class ResultWriter:
    """Writes arrays that lie on one image, each with the record beside it."""

    stem: Path
    """Folder and beginning of the file names."""
    image: SpatialImage
    """The image, for its place in the world."""
    record: BaseModel
    """What lies beside them; a mask's is its own."""
    file_format: MaskFormat
    """That of masks; maps are NIfTI where it is one of volumes."""
    series: Path | None = None
    """The DICOM series of the image, for DICOM-SEG."""

    @classmethod
    def of(
        cls,
        folder: Path,
        stem: str,
        image: SpatialImage,
        record: BaseModel,
        *,
        grid: Grid,
        file_format: FileFormat,
    ) -> ResultWriter:
        """Return a writer for results on a grid; their folder is made.

        Their file names begin with :func:`output_stem` of `stem`.

        Raises
        ------
        ImageReadError
            For an image that is no volume as NIfTI.
        """
        is_of_3d = len(grid.shape) == len(VOLUME_AXES)
        chosen = mask_format(file_format, is_of_3d=is_of_3d)
        if chosen != "tiff" and set(image.spatial_axes) != set(VOLUME_AXES):
            what = {"nifti": "NIfTI", "dicom-seg": "DICOM-SEG"}.get(chosen, chosen)
            raise ImageReadError(
                f"{what} holds volumes, and this is the result of a 2D model on an "
                f"image along {', '.join(image.axes)}: save it as TIFF"
            )
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder / output_stem(stem, LONGEST), image, record, chosen)

    def path(self, ending: str) -> Path:
        """Return the path of a file that ends in a dot and an ending."""
        return self.stem.with_name(f"{self.stem.name}.{ending}")

    def file(self, what: str) -> Path:
        """Return where samples are written, such as ``"labels"``."""
        return self.path(f"{what}{ending(what, self.file_format)}")

    def is_format(self, path: Path) -> bool:
        """Say whether a file is of the format that is written."""
        known = {ending(what, self.file_format) for what in ("labels", "")}
        return image_suffix(path) in known

    def refuse_foreign(
        self,
        names: Sequence[str],
        image: ImageRecord,
        *,
        others: Sequence[Path] = (),
        overwrite: bool = False,
    ) -> None:
        """Refuse to replace what is no earlier result of an image.

        `names` are what is to be written by :meth:`write`, `others` further files.

        Raises
        ------
        ExistingFileError
            For the first file that stays.
        """
        files = [self.file(name) for name in names]
        records = [new_record_path(path) for path in files]
        refuse_foreign([*files, *records, *others], image, overwrite=overwrite)

    def write(
        self,
        what: str,
        data: NDArray[Any],
        axes: tuple[str, ...],
        grid: Grid,
        *,
        classes: Sequence[str] | None = None,
    ) -> Path:
        """Write samples along `axes`, which lie on a grid along y and x, or z too.

        They are labels where there are `classes`, which a TIFF states then. File and
        record take their places together, when both are whole.
        """
        path = self.file(what)
        with atomic_path(path) as partial, atomic_path(new_record_path(path)) as record:
            self._write_samples(partial, data, axes, grid, classes)
            write_text(record, self.text)
        return path

    @property
    def text(self) -> str:
        """The record as JSON."""
        return self.record.model_dump_json(indent=2) + "\n"

    def _write_samples(
        self,
        path: Path,
        data: NDArray[Any],
        axes: tuple[str, ...],
        grid: Grid,
        classes: Sequence[str] | None,
    ) -> None:
        placed, order = on_grid(self.image, data, axes, grid), self.image.spatial_axes
        chosen, record = self.file_format, self.record
        is_mask = classes is not None and chosen in ("seg.nrrd", "dicom-seg")
        if is_mask and isinstance(record, Provenance):
            how: Any = {"order": order, "series": self.series}
            write_mask(path, placed, record, chosen, **how)
            return
        if chosen != "tiff":
            write_nifti(path, placed, order=order, record=self.text)
            return
        spacing, unit = sample_spacing(self.image, axes, grid), self.image.unit
        write_tiff(path, data, axes=axes, spacing=spacing, unit=unit, classes=classes)


_Written = tuple[str, NDArray[Any], tuple[str, ...], Grid]


def _gates(maps: RoutingMaps) -> Iterator[_Written]:
    """Put the gates of blocks that share a grid together, others one by one."""
    axes = ("e", *maps.axes, *maps.token_axes)
    gates = [np.moveaxis(maps.mean(block), -1, 0) for block in maps.blocks]
    if len(set(maps.grids)) == 1:
        yield "routing", np.stack(gates), ("l", *axes), maps.grids[0]
        return
    for block, each, grid in zip(maps.blocks, gates, maps.grids, strict=True):
        yield f"routing-{block}", each, axes, grid


def room_for_mask(image: SpatialImage) -> int:
    """Estimate from below how many bytes a mask of an image takes with its record."""
    return _RECORD_BYTES + n_pixels(image) // _SMALLER


def n_pixels(image: SpatialImage) -> int:
    """Return how many pixels an image has, over all axes but channels."""
    sizes = dict(zip(image.axes, image.data.shape, strict=True))
    return math.prod(int(n) for axis, n in sizes.items() if axis != CHANNEL_AXIS)


def sample_spacing(
    image: SpatialImage, axes: tuple[str, ...], grid: Grid
) -> tuple[float, ...] | None:
    """Return the samples' distance along the spatial axes."""
    if image.unit is None:
        return None
    of_image = dict(zip(image.spatial_axes, image.spacing, strict=True))
    steps = dict(zip(SPATIAL_AXES[-len(grid.step) :], grid.step, strict=True))
    return tuple(
        of_image[axis] * steps.get(axis, 1.0) for axis in axes if axis in SPATIAL_AXES
    )
