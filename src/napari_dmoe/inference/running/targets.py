"""The files that a volume's mask and maps will be: TIFFs, or images of one OME-Zarr."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.disk.claims import refuse_beyond_disk
from napari_dmoe.imaging.disk.output_names import LONGEST, output_stem
from napari_dmoe.imaging.files import LABELS, TIFF_SUFFIXES, image_stem, image_suffix
from napari_dmoe.imaging.frames import Frames, source_axes
from napari_dmoe.imaging.ome_zarr.library import ZARR_SUFFIXES, zarr_package
from napari_dmoe.imaging.ome_zarr.multiscales import Placed
from napari_dmoe.imaging.ome_zarr.writing import (
    ZarrMask,
    empty_zarr_maps,
    empty_zarr_mask,
)
from napari_dmoe.imaging.scaled import Scaled
from napari_dmoe.imaging.segments.colours import class_colours
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.imaging.tiff.writing import TiffMask, empty_maps, empty_mask
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.results.export import room_for_mask, sample_spacing
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.replacing import (
    files_of,
    refuse_foreign,
    set_aside,
)
from napari_dmoe.inference.results.sidecars import new_record_path
from napari_dmoe.inference.running.file_maps import NO_MAPS, FileMaps, TokenGrid
from napari_dmoe.inference.running.recording import image_record
from napari_dmoe.inference.running.unfinished import MaskStore, Unfinished
from napari_dmoe.progress import Pulse, no_pulse


@dataclass(frozen=True)
class Target:
    """A mask's file, its record and maps beside it, and what they are of."""

    path: Path
    """A TIFF, or a folder that ends in one of `ZARR_SUFFIXES`."""
    image: SpatialImage
    """One volume, for its place in the world."""
    classes: tuple[str, ...]
    maps: FileMaps = NO_MAPS

    @classmethod
    def of(
        cls,
        folder: Path,
        stem: str,
        image: SpatialImage,
        classes: tuple[str, ...],
        maps: FileMaps = NO_MAPS,
    ) -> Target:
        """Return the file that a stem names: by its ending, else a TIFF of labels.

        Raises
        ------
        ImageReadError
            For an OME-Zarr image where zarr is not installed.
        """
        suffix = image_suffix(Path(stem))
        if suffix in ZARR_SUFFIXES:
            zarr_package()
        if suffix in (*ZARR_SUFFIXES, *TIFF_SUFFIXES):
            name = output_stem(stem[: -len(suffix)], LONGEST) + suffix
        else:
            name = f"{output_stem(stem, LONGEST)}.labels.tif"
        return cls(folder / name, image, classes, maps)

    @property
    def is_zarr(self) -> bool:
        """Whether it is an OME-Zarr image."""
        return image_suffix(self.path) in ZARR_SUFFIXES

    @property
    def _stem(self) -> str:
        return image_stem(self.path).removesuffix(LABELS)

    @property
    def beside(self) -> dict[str, Path]:
        """Files of maps beside the mask's own; of an OME-Zarr image they are in it."""
        if self.is_zarr:
            return {}
        return {
            name: self.path.with_name(f"{self._stem}.{name}.tif")
            for name in self.maps.names
        }

    def refuse_foreign(self, *, overwrite: bool) -> None:
        """Refuse to replace what is no earlier result of the same image.

        Raises
        ------
        ExistingFileError
            For such a file.
        """
        image, files = image_record(self.image), [self.path, *self.beside.values()]
        records = [new_record_path(path) for path in files]
        refuse_foreign([*files, *records], image, overwrite=overwrite)

    def store(self, partial: Path, *, is_begun: bool) -> MaskStore:
        """Return what the mask is written into, at its path until it is whole.

        It is made unless it is there, as of a run that was interrupted.

        Raises
        ------
        FolderError
            When the disk has no room for even the smallest mask.
        OSError
            When it cannot be made, or the disk has no room for a TIFF.
        """
        axes = source_axes(self.image.axes)
        if self.is_zarr:
            if not is_begun:
                refuse_beyond_disk(partial.parent, room_for_mask(self.image))
                shape = Frames(self.image, VOLUME_AXES).frame_shape
                empty_zarr_mask(
                    partial,
                    shape,
                    name=self.path.name,
                    placed=Placed.of(self.image),
                    classes=self.classes,
                    colours=class_colours(self.classes),
                )
            return ZarrMask(partial, backwards=Placed.of(self.image).backwards)
        if not is_begun:
            shape = self.image.spatial_shape
            empty_mask(
                partial,
                shape,
                axes=axes,
                classes=self.classes,
                spacing=sample_spacing(self.image, axes, Grid.identity(shape)),
                unit=self.image.unit,
                wanted=self.path,
            )
        return TiffMask(partial, axes)

    def map_stores(self, unfinished: Unfinished, name: str) -> list[MaskStore]:
        """Return what maps on the image's voxels are written into: one for each.

        Like :meth:`store`, whose errors are its own.
        """
        grid = Grid.identity(Frames(self.image, VOLUME_AXES).frame_shape)
        return self._maps(unfinished, name, self.maps.at_source[name], grid)

    def stage_stores(
        self, unfinished: Unfinished, stage: int, tokens: TokenGrid
    ) -> list[MaskStore]:
        """Return the same of the routing of a stage."""
        what = self.maps.routing
        if what is None:
            raise ValueError("no routing is written")
        return self._maps(unfinished, self.maps.stages[stage], what, tokens.grid)

    def _maps(
        self, unfinished: Unfinished, name: str, what: Scaled, grid: Grid
    ) -> list[MaskStore]:
        channels = range(len(what.channels))
        if self.is_zarr:
            path, whole = unfinished.mask / name, Placed.of(self.image)
            if not path.exists():
                shape = Frames(self.image, VOLUME_AXES).frame_shape
                placed, called = whole.on(grid, shape), f"{self._stem} {name}"
                empty_zarr_maps(path, grid.shape, name=called, placed=placed, what=what)
            turned = whole.backwards
            return [ZarrMask(path, number, backwards=turned) for number in channels]
        path, axes = unfinished.part(name), source_axes(self.image.axes)
        if not path.exists():
            sizes = dict(zip(VOLUME_AXES, grid.shape, strict=True))
            empty_maps(
                path,
                [sizes[axis] for axis in axes],
                axes=axes,
                what=what,
                spacing=sample_spacing(self.image, axes, grid),
                unit=self.image.unit,
                wanted=self.beside[name],
            )
        return [TiffMask(path, axes, number) for number in channels]

    def put_in_place(
        self,
        unfinished: Unfinished,
        store: MaskStore,
        made: Provenance,
        pulse: Pulse = no_pulse,
    ) -> tuple[Path, ...]:
        """Let a mask and maps that are whole take their places, with their records.

        `pulse` may end it until the first of them does.

        Returns what an earlier run left of maps that this one has not made: it is
        called otherwise now.
        """
        stated = made.model_dump_json(indent=2) + "\n"
        if isinstance(store, ZarrMask):
            store.record(made.model_dump(mode="json"))
        unfinished.wait_for_disk(pulse)
        records = [new_record_path(path) for path in self.beside.values()]
        record, left = new_record_path(self.path), set_aside(self._older(), self._stem)
        unfinished.put_in_place()
        for path in (*records, record):
            write_text(path, stated)
        return left

    def _older(self) -> list[Path]:
        """Return maps that an earlier run left beside this mask, and nobody else's."""
        folder, stem = self.path.parent, self._stem
        labels = folder / f"{stem}{LABELS}.tif"
        if self.is_zarr or (labels != self.path and labels.exists()):
            return []
        own = {self.path, labels, *self.beside.values()}
        there = (path for path in files_of(folder, stem) if path not in own)
        return [path for path in there if path.suffix in TIFF_SUFFIXES]


@dataclass(frozen=True)
class OpenTarget:
    """What a run writes into until all of it is whole: a :class:`Places`."""

    target: Target
    unfinished: Unfinished
    mask: MaskStore

    def stores(self) -> Sequence[MaskStore]:
        """Return what the mask is written into, and the maps on its voxels."""
        own = [
            store
            for name in self.target.maps.at_source
            for store in self.target.map_stores(self.unfinished, name)
        ]
        return [self.mask, *own]

    def stage_stores(self, stage: int, grid: TokenGrid) -> Sequence[MaskStore]:
        """Return what the routing of a stage is written into: one for each expert."""
        return self.target.stage_stores(self.unfinished, stage, grid)
