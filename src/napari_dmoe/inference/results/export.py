"""A result on disk: masks and routing maps, each with its record beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from napari_dmoe.imaging.atomic import write_text
from napari_dmoe.imaging.files import safe_stem, write_tiff
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import SPATIAL_AXES, Grid, ImageReadError, SpatialImage
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation

FileFormat = Literal["auto", "tiff", "nifti"]


@dataclass(frozen=True)
class SavedFiles:
    """Where a result was written."""

    labels: Path
    """The mask; its record lies beside it with the suffix ``.json``."""
    routing: tuple[Path, ...]
    """The gates of every block, in one file or several; likewise."""
    probabilities: Path | None
    """A map for each class; likewise."""


def save_segmentation(
    folder: str | Path,
    stem: str,
    result: Segmentation,
    image: SpatialImage,
    *,
    routing: bool = False,
    file_format: FileFormat = "auto",
) -> SavedFiles:
    """Write a result.

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
    image : SpatialImage
        The image it was made from, for its place in the world.
    routing : bool
        Also write the gates, float32, averaged over the values that were mixed. Those
        of a 2D model go to ``<stem>.routing.tif`` with the axes L (block), E (expert),
        any extra ones, y and x. The stages of a 3D model differ in resolution, so each
        has a file of its own: ``<stem>.routing-0.tif`` and so on.
    file_format : {"auto", "tiff", "nifti"}
        NIfTI (``.nii.gz``) keeps the whole affine, and the record in its header; it
        holds results of 3D models only. ``"auto"`` takes it for these.

    Returns
    -------
    SavedFiles
        Where they are.

    Raises
    ------
    ImageReadError
        For the result of a 2D model as NIfTI.
    OSError
        When something cannot be written. No file is left half-written.
    """
    record, grid = result.provenance, result.grid
    writer = ResultWriter.of(
        Path(folder), stem, image, record, grid=grid, file_format=file_format
    )
    labels = writer.write("labels", result.labels, result.axes, grid)
    gates: tuple[Path, ...] = ()
    if routing and result.routing is not None:
        gates = tuple(_write_gates(writer, result.routing))
    probabilities = None
    if result.probabilities is not None:
        axes = ("k", *result.axes)
        probabilities = writer.write("probabilities", result.probabilities, axes, grid)
    return SavedFiles(labels, gates, probabilities)


@dataclass(frozen=True)
class ResultWriter:
    """Writes arrays that lie on one image, each with the record beside it."""

    stem: Path
    """Folder and beginning of the file names."""
    image: SpatialImage
    """The image, for its place in the world."""
    record: str
    """The record as JSON."""
    is_nifti: bool
    """NIfTI or TIFF."""

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

        Their file names begin with `stem`, made safe for files.

        Raises
        ------
        ImageReadError
            For the result of a 2D model as NIfTI.
        """
        is_volume = len(grid.shape) == len(VOLUME_AXES)
        is_nifti = is_volume if file_format == "auto" else file_format == "nifti"
        if is_nifti and not is_volume:
            raise ImageReadError(
                "NIfTI holds volumes, and this is the result of a 2D model: save it as "
                "TIFF"
            )
        folder.mkdir(parents=True, exist_ok=True)
        text = record.model_dump_json(indent=2) + "\n"
        return cls(folder / safe_stem(stem), image, text, is_nifti)

    def path(self, ending: str) -> Path:
        """Return the path of a file that ends in a dot and an ending."""
        return self.stem.with_name(f"{self.stem.name}.{ending}")

    def write(
        self, what: str, data: NDArray[Any], axes: tuple[str, ...], grid: Grid
    ) -> Path:
        """Write samples along `axes`, the last of which are those of `grid`."""
        path = self.path(f"{what}.nii.gz" if self.is_nifti else f"{what}.tif")
        if self.is_nifti:
            affine = self.image.affine_along(VOLUME_AXES) @ grid.to_source()
            placed = SpatialImage(data, axes, affine, self.image.unit)
            order = self.image.spatial_axes
            write_nifti(path, placed, order=order, record=self.record)
        else:
            spacing, unit = _spacing(self.image, axes, grid), self.image.unit
            write_tiff(path, data, axes=axes, spacing=spacing, unit=unit)
        write_text(self.path(f"{what}.json"), self.record)
        return path


def _write_gates(writer: ResultWriter, maps: RoutingMaps) -> Iterator[Path]:
    """Write the gates of blocks that share a grid together, of others one by one."""
    axes = ("e", *maps.axes, *maps.token_axes)
    gates = [np.moveaxis(maps.mean(block), -1, 0) for block in range(maps.n_blocks)]
    if len(set(maps.grids)) == 1:
        yield writer.write("routing", np.stack(gates), ("l", *axes), maps.grids[0])
        return
    for block, (each, grid) in enumerate(zip(gates, maps.grids, strict=True)):
        yield writer.write(f"routing-{block}", each, axes, grid)


def _spacing(
    image: SpatialImage, axes: tuple[str, ...], grid: Grid
) -> tuple[float, ...] | None:
    """Return the samples' distance along the spatial axes."""
    if image.unit is None:
        return None
    of_image = dict(zip(image.spatial_axes, image.spacing, strict=True))
    steps = dict(zip(axes[-len(grid.step) :], grid.step, strict=True))
    return tuple(
        of_image[axis] * steps.get(axis, 1.0) for axis in axes if axis in SPATIAL_AXES
    )
