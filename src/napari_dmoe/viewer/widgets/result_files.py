"""Results to files and back: the mask with its record, and the table."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.cohorts.tables import write_table
from napari_dmoe.imaging.files import safe_stem
from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.layers.opening import mask_layers
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.saving import TIFF_LABELS, mask_path, save_mask
from napari_dmoe.viewer.replayed_layers import show_alone
from napari_dmoe.viewer.segment.result_rows import file_rows
from napari_dmoe.viewer.segment.result_view import ResultSection
from napari_dmoe.viewer.session.reopening import reopened_result
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.asking import ask_where, may_write, not_saved
from napari_dmoe.viewer.ui.work import Order, Work

if TYPE_CHECKING:
    from napari.layers import Image

TABLE_FILES = "CSV (*.csv)"
MASK_FILES = "Masks (*.labels.tif *.nii.gz *.nii)"


class ResultFiles(QObject):
    """Saves what the result section shows, and opens what was saved.

    Parameters
    ----------
    session : Session
        Knows the results.
    work : Work
        Saves in the background, and says so.
    section : ResultSection
        Where it is asked for; owns this object.
    """

    def __init__(self, session: Session, work: Work, section: ResultSection) -> None:
        super().__init__(section)
        self._session, self._work, self._parent = session, work, section
        section.table_requested.connect(self._on_table)
        section.save_requested.connect(self._on_save)
        section.open_requested.connect(self._on_open)

    def _current(self) -> tuple[Image | None, Result | None]:
        image = self._session.image
        return image, None if image is None else self._session.result_of(image)

    def _on_table(self) -> None:
        image, result = self._current()
        viewer = self._session.viewer
        if image is None or result is None or viewer is None:
            return
        path = self._ask("Save the table", result, ".csv", TABLE_FILES)
        if path is None:
            return
        target = path if path.suffix else path.with_suffix(".csv")
        if not may_write(self._parent, path, target):
            return
        rows = file_rows(result, image, viewer.dims.current_step[-image.ndim :])
        try:
            write_table(target, rows)
        except OSError as error:
            self._work.fail(not_saved(target, error))
        else:
            self._work.say(f"Saved {target.name}.")

    def _on_save(self) -> None:
        _, result = self._current()
        mask = None if result is None else result.mask()
        if result is None or mask is None:
            return
        is_volume = len(result.segmentation.grid.shape) == len(SPATIAL_AXES)
        suffix = ".nii.gz" if is_volume else TIFF_LABELS
        path = self._ask("Save the mask", result, suffix, MASK_FILES)
        if path is None or not may_write(self._parent, path, mask_path(path)):
            return
        result.note_edits()
        data, meta, _ = mask.as_layer_data_tuple()
        order = Order(
            title=f"dMoE: saving {path.name}",
            status=f"Saving {path.name} …",
            work=partial(_save, mask_path(path), data.copy(), meta),
            then=lambda names: f"Saved {' and '.join(names)}.",
            if_stopped=lambda: "Stopped. Nothing was saved.",
        )
        if not self._work.start(order):
            self._work.say("Wait until the run has ended, then save.")

    def _on_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self._parent, "Open a mask that was saved here", "", MASK_FILES
        )
        if path:
            self.open_mask(Path(path), self._session.image)

    def open_mask(self, path: Path, image: Image | None) -> None:
        """Open a mask, as a result of an image if it lies on its pixels."""
        viewer = self._session.viewer
        if viewer is None:
            return
        try:
            ((data, arguments, _),) = mask_layers(path)
        except (OSError, ValueError) as error:
            self._work.fail(error)
            return
        with pointer_away(viewer):
            mask = plain(viewer.add_labels(data, **arguments))
        result = None if image is None else reopened_result(mask, image)
        if image is not None and result is not None:
            hidden = show_alone(self._session, mask, image)
            said = f"Opened {path.name} as a result of “{image.name}”. {hidden}"
            self._work.say(said.rstrip())
        else:
            self._work.say(f"Opened {path.name} as a layer: it is on no image here.")

    def _ask(self, title: str, result: Result, suffix: str, kinds: str) -> Path | None:
        proposed = f"{safe_stem(result.title)}{suffix}"
        return ask_where(self._parent, title, proposed, kinds)[0]


def _save(path: Path, data: Any, meta: dict[str, Any], hook: ProgressHook) -> list[str]:
    hook(Progress(0, 1, f"saving {path.name}"))
    try:
        return [Path(each).name for each in save_mask(path, data, meta)]
    except OSError as error:
        raise not_saved(path, error) from error
