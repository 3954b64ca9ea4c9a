"""The file that a volume's mask will be: a TIFF, or an OME-Zarr image of labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.disk.claims import refuse_beyond_disk
from napari_dmoe.imaging.disk.output_names import LONGEST, output_stem
from napari_dmoe.imaging.files import TIFF_SUFFIXES, image_suffix
from napari_dmoe.imaging.frames import Frames, source_axes
from napari_dmoe.imaging.ome_zarr.library import ZARR_SUFFIXES, zarr_package
from napari_dmoe.imaging.ome_zarr.multiscales import Placed
from napari_dmoe.imaging.ome_zarr.writing import ZarrMask, empty_zarr_mask
from napari_dmoe.imaging.segments.colours import class_colours
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.imaging.tiff.writing import TiffMask, empty_mask
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.results.export import room_for_mask, sample_spacing
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.replacing import refuse_foreign
from napari_dmoe.inference.results.sidecars import new_record_path
from napari_dmoe.inference.running.recording import image_record
from napari_dmoe.inference.running.unfinished import MaskStore, Unfinished


@dataclass(frozen=True)
class Target:
    """A mask's file, its record beside it, and what they are of."""

    path: Path
    """A TIFF, or a folder that ends in one of `ZARR_SUFFIXES`."""
    image: SpatialImage
    """One volume, for its place in the world."""
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls, folder: Path, stem: str, image: SpatialImage, classes: tuple[str, ...]
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
        return cls(folder / name, image, classes)

    @property
    def is_zarr(self) -> bool:
        """Whether it is an OME-Zarr image."""
        return image_suffix(self.path) in ZARR_SUFFIXES

    def refuse_foreign(self, *, overwrite: bool) -> None:
        """Refuse to replace what is no earlier result of the same image.

        Raises
        ------
        ExistingFileError
            For such a file.
        """
        record = new_record_path(self.path)
        image = image_record(self.image)
        refuse_foreign([self.path, record], image, overwrite=overwrite)

    def store(self, partial: Path, *, is_begun: bool) -> MaskStore:
        """Return what is to be written into, at the path where it is until it is whole.

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
            return ZarrMask(partial, Placed.of(self.image).backwards)
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

    def put_in_place(
        self, unfinished: Unfinished, store: MaskStore, made: Provenance
    ) -> None:
        """Let a mask that is whole take its place, with its record beside it."""
        record = new_record_path(self.path)
        if isinstance(store, ZarrMask):
            store.record(made.model_dump(mode="json"))
        unfinished.put_in_place()
        write_text(record, made.model_dump_json(indent=2) + "\n")
