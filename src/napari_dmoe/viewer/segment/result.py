"""Shows the result of the image that is worked on, and does what is asked of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.imaging.files import safe_stem
from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.layers.opening import mask_layers
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.saving import TIFF_LABELS, mask_path, save_mask
from napari_dmoe.viewer.segment.result_rows import file_rows, frame_note, result_rows
from napari_dmoe.viewer.segment.result_view import ResultSection, ResultState
from napari_dmoe.viewer.segment.run import RunControl
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.checks import describe_run, result_badge, run_notices
from napari_dmoe.viewer.session.reopening import reopened_result, show_alone
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.asking import ask_where, may_write, not_saved
from napari_dmoe.viewer.ui.connections import Connections
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


_REFRESH_MS = 100
RECORD_WIDGET = "About this dMoE layer"


class ResultControl(QObject):
    """Keeps the result section up to date.

    Parameters
    ----------
    session : Session
        Knows the results.
    run : RunControl
        Knows which of them are outdated.
    work : Work
        Saves in the background.
    section : ResultSection
        Shows them, and tells what is wanted; owns this object.
    """

    def __init__(
        self,
        session: Session,
        run: RunControl,
        work: Work,
        section: ResultSection,
    ) -> None:
        super().__init__(section)
        self._session, self._run, self._section = session, run, section
        self._work, self._parent = work, section
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self.show)
        connections = Connections(self)
        for signal in (session.model_changed, session.image_changed):
            connections.add(signal, self.show_soon)
        for signal in (session.result_changed, session.patient_changed):
            connections.add(signal, self.show_soon)
        if session.viewer is not None:
            connections.add(session.viewer.dims.events.current_step, self.show_soon)
        section.result_chosen.connect(self._on_chosen)
        section.previous_requested.connect(self._on_previous)
        section.keep_toggled.connect(self._on_keep)
        section.record_requested.connect(self._on_record)
        self.show_soon()

    def show_soon(self, *_: object) -> None:
        """Show the result again, once events stop coming in."""
        self._timer.start()

    def show(self) -> None:
        """Show the result of the image that is worked on."""
        section, viewer = self._section, self._session.viewer
        image, result = self._current()
        if image is None or result is None or viewer is None:
            section.show_nothing()
            return
        step = viewer.dims.current_step[-image.ndim :]
        notes = [frame_note(image, result, step), *run_notices(result)]
        section.show_result(
            describe_run(result),
            result_rows(result, image, step),
            badge=result_badge(result),
            outdated=self._run.outdated(image, result),
            notices=[note for note in notes if note],
        )
        shown = self._session.results_of(image)
        section.show_state(
            ResultState(
                names=tuple(each.title for each in shown),
                current=shown.index(result),
                has_previous=result.before is not None and not result.looks_edited,
                is_kept=result.is_kept,
            )
        )

    def _current(self) -> tuple[Image | None, Result | None]:
        image = self._session.image
        return image, None if image is None else self._session.result_of(image)

    def _on_chosen(self, place: int) -> None:
        image = self._session.image
        shown = [] if image is None else self._session.results_of(image)
        if image is not None and 0 <= place < len(shown):
            self._session.choose_result(image, shown[place])

    def _on_previous(self) -> None:
        image, result = self._current()
        viewer = self._session.viewer
        if image is not None and result is not None and viewer is not None:
            back = results.show_previous(viewer, image, result)
            self._session.set_result(image, back)
            self._work.say("The result before is back.")

    def _on_keep(self, is_kept: bool) -> None:
        _, result = self._current()
        if result is not None:
            result.is_kept = is_kept

    def _on_record(self) -> None:
        _, result = self._current()
        mask, viewer = None if result is None else result.mask(), self._session.viewer
        window = getattr(viewer, "window", None)
        if mask is not None and viewer is not None and window is not None:
            viewer.layers.selection.active = mask
            window.add_plugin_dock_widget("napari-dmoe", RECORD_WIDGET, tabify=True)
