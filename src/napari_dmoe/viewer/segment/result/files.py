"""Saves what the result section shows, and opens what was saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_dmoe.imaging.files import (
    IMAGE_SUFFIXES,
    image_stem,
    image_suffix,
    proposed_stem,
)
from napari_dmoe.imaging.itk import SEGMENTS_SUFFIX
from napari_dmoe.imaging.segments import dicom_seg
from napari_dmoe.imaging.segments.dicom_seg import IDENTIFIED
from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.measuring import Edits, edits_of
from napari_dmoe.viewer.layers.opening import TIFF_LABELS, complete_mask
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.saving import mask_path, save_mask
from napari_dmoe.viewer.layers.segments import dicom_sources
from napari_dmoe.viewer.layers.truth_layers import ReadTruth
from napari_dmoe.viewer.segment.masks.reopened import ReopenedMasks
from napari_dmoe.viewer.segment.result.rows import (
    ShownMasks,
    file_rows,
)
from napari_dmoe.viewer.segment.result.view import ResultSection
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.ui.asking import (
    ask_for_file,
    ask_where,
    may_write,
    not_saved,
    table_path,
)
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari.layers import Image, Labels


TABLE_FILES = "CSV (*.csv)"
NIFTI = ".nii.gz"
TIFF_MASKS = f"Masks (*{TIFF_LABELS})"
VOLUME_KINDS = (
    f"3D Slicer (*{SEGMENTS_SUFFIX})",
    f"DICOM-SEG (*{dicom_seg.SUFFIX})",
    "OME-Zarr (*.ome.zarr)",
)
_KINDS = " ".join(f"*{suffix}" for suffix in IMAGE_SUFFIXES)
OPENED = f"Masks and tables of series ({_KINDS} *.csv)"

ReadTruthOf = Callable[["Image", Result], ReadTruth | None]
"""Returns the truth of an image as the classes of a result; None while it is read."""


class ResultFiles(Control):
    """Saves what the result section shows, and opens what was saved."""

    series_requested = Signal(object)
    """The table of a finished series is to be opened: its path."""

    def __init__(
        self,
        bench: Bench,
        section: ResultSection,
        reopened: ReopenedMasks,
        read_truth: ReadTruthOf,
    ) -> None:
        super().__init__(bench, section)
        self._parent, self._reopened = section, reopened
        self._read_truth = read_truth
        self.save_in_place: Callable[[], bool] = lambda: False
        """Saves what belongs to a series where it lies; says whether it does."""
        section.table_requested.connect(self._on_table)
        section.save_requested.connect(self._on_save)
        section.open_requested.connect(self._on_open)
        viewer = bench.session.viewer
        if viewer is not None:
            Connections(self).add(viewer.layers.events.inserted, self._on_inserted)

    def _on_inserted(self, event: Any) -> None:
        complete_mask(plain(event.value))

    def _on_table(self) -> None:
        (image, result), viewer = self._session.current, self._session.viewer
        if image is None or result is None or viewer is None:
            return
        truth = self._read_truth(image, result)
        if truth is None:
            self._work.say("The truth is being read: save the table in a moment.")
            return
        target = self._ask("Save the table", result, ".csv", TABLE_FILES, table_path)
        masks = ShownMasks.of(result, image, truth)
        if masks is not None and target is not None:
            step = viewer.dims.current_step[-image.ndim :]
            known = self._session.truths.of(image)
            masks = replace(masks, truth_source="" if known is None else known.source)
            self._save(target, partial(_save_table, masks.copied(), step))

    def _on_save(self) -> None:
        if self.save_in_place():
            return
        image, result = self._session.current
        mask = None if result is None else result.mask()
        if image is None or result is None or mask is None:
            return
        is_volume = len(result.segmentation.grid.shape) == len(SPATIAL_AXES)
        suffix = NIFTI if is_volume else TIFF_LABELS
        kinds = mask_kinds(result.segmentation.axes)
        proposed = f"{proposed_stem(result.title)}{suffix}"
        target = ask_for_mask(self._parent, proposed, kinds)
        series = self._series(target, image)
        if target is None or series is None:
            return
        result.note_edits()
        data, meta, _ = mask.as_layer_data_tuple()
        data, meta = data.copy(), meta | {"metadata": deepcopy(mask.metadata)}
        edits = edits_of(mask)
        self._save(
            target,
            lambda path: save_mask(path, data, meta, series=series),
            then=partial(self._on_saved, mask, edits),
            note=IDENTIFIED if series else "",
        )

    def _series(self, target: Path | None, image: Image) -> Sequence[Path] | None:
        """Return where the series of an image is, if it is needed; None if unknown."""
        if target is None or image_suffix(target) != dicom_seg.SUFFIX:
            return ()
        found = dicom_sources([plain(image)])
        if found:
            return found
        folder = QFileDialog.getExistingDirectory(
            self._parent, "The folder of the DICOM series that the image is of"
        )
        return (Path(folder),) if folder else None

    def _save(
        self,
        path: Path,
        write: Callable[[Path], Sequence[str]],
        then: Callable[[], None] = lambda: None,
        note: str = "",
    ) -> None:
        """Write files in the background, beside a run; `then` is called afterwards."""

        def say(names: Sequence[str]) -> str:
            then()
            return f"Saved {' and '.join(names)}{f': {note}' if note else ''}."

        order = Order(
            title=f"dMoE: saving {path.name}",
            status=f"Saving {path.name} …",
            work=partial(_at, path, "saving", partial(_written, write)),
            then=say,
        )
        self._work.start_beside(order)

    def _on_saved(self, mask: Labels, edits: Edits) -> None:
        if edits_of(mask) == edits:  # nothing was painted meanwhile
            self._session.mask_saved.emit(mask)

    def _on_open(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(
            self._parent, "Open masks, or the table of a finished series", "", OPENED
        )
        chosen = [Path(path) for path in paths]
        tables = [path for path in chosen if path.suffix.lower() == ".csv"]
        for table in tables:
            self.series_requested.emit(table)
        masks = [path for path in chosen if path not in tables]
        if masks:
            self._reopened.open(masks)

    def _ask(
        self,
        title: str,
        result: Result,
        suffix: str,
        kinds: str,
        named: Callable[[Path], Path],
    ) -> Path | None:
        proposed = f"{proposed_stem(result.title)}{suffix}"
        return ask_for_file(self._parent, title, proposed, kinds, named)


def ask_for_mask(parent: QWidget, proposed: str, kinds: str) -> Path | None:
    """Let a person choose a mask's file; its kind decides where its name does not."""
    path, kind = ask_where(parent, "Save the mask", proposed, kinds)
    if path is None:
        return None
    target = mask_path(of_kind(path, kind, proposed))
    return target if may_write(parent, path, target) else None


def of_kind(path: Path, kind: str, proposed: str) -> Path:
    """Return a path with the ending of a kind, where nobody typed another.

    Examples
    --------
    >>> of_kind(Path("a.nii.gz"), "3D Slicer (*.seg.nrrd)", "mask.nii.gz").name
    'a.seg.nrrd'
    """
    if kind not in VOLUME_KINDS:
        return path
    ending = kind.partition("(*")[2].rstrip(")")
    is_typed = image_suffix(path) not in ("", image_suffix(Path(proposed)))
    return path if is_typed else path.with_name(f"{image_stem(path)}{ending}")


def mask_kinds(axes: Sequence[str]) -> str:
    """Return the kinds of files that a mask can be saved as, for a dialog.

    All but TIFF hold volumes only, the planes of one among them.
    """
    is_volume = set(axes) == set(SPATIAL_AXES)
    if not is_volume:
        return TIFF_MASKS
    return ";;".join((f"Masks (*{TIFF_LABELS} *{NIFTI} *.nii)", *VOLUME_KINDS))


def opening(
    path: Path, read: Callable[[Path], Any], then: Callable[[Any], str]
) -> Order:
    """Return the order that reads a file in the background, beside a run."""
    return Order(
        title=f"dMoE: opening {path.name}",
        status=f"Opening {path.name} …",
        work=partial(_at, path, "opening", read),
        then=then,
        if_stopped=lambda: "Stopped. Nothing was opened.",
    )


def _at(path: Path, doing: str, work: Callable[[Path], Any], hook: ProgressHook) -> Any:
    """Read or write a file; called in the work's thread."""
    hook(Progress(0, 1, f"{doing} {path.name}"))
    return work(path)


def _written(write: Callable[[Path], Sequence[str]], path: Path) -> list[str]:
    """Return the names of the files that were written."""
    try:
        return [Path(each).name for each in write(path)]
    except OSError as error:
        raise not_saved(path, error) from error


def _save_table(masks: ShownMasks, step: Sequence[int], path: Path) -> list[str]:
    write_table(path, file_rows(masks, step))
    return [str(path)]
