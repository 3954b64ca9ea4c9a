"""Shows the result of the image that is worked on, and does what is asked of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.cohorts.tables import write_table
from napari_dmoe.imaging.files import safe_stem
from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer import results
from napari_dmoe.viewer.descriptions import describe_run, result_badge, run_notices
from napari_dmoe.viewer.opening import mask_layers
from napari_dmoe.viewer.result_rows import file_rows, frame_note, result_rows
from napari_dmoe.viewer.results import Result
from napari_dmoe.viewer.saving import TIFF_LABELS, save_mask
from napari_dmoe.viewer.session import Session
from napari_dmoe.viewer.widgets._connections import Connections
from napari_dmoe.viewer.widgets._job import notify_error
from napari_dmoe.viewer.widgets._work import Order, Work
from napari_dmoe.viewer.widgets.result_section import ResultSection, ResultState
from napari_dmoe.viewer.widgets.run_control import RunControl

if TYPE_CHECKING:
    from napari.layers import Image

_REFRESH_MS = 100
TABLE_FILES = "CSV (*.csv)"
MASK_FILES = "Masks (*.labels.tif *.nii.gz *.nii)"
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
        section.table_requested.connect(self._on_table)
        section.save_requested.connect(self._on_save)
        section.open_requested.connect(self._on_open)
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
            self._session.set_result(
                image, results.show_previous(viewer, image, result)
            )

    def _on_keep(self, is_kept: bool) -> None:
        _, result = self._current()
        if result is not None:
            result.is_kept = is_kept

    def _on_table(self) -> None:
        image, result = self._current()
        viewer = self._session.viewer
        if image is None or result is None or viewer is None:
            return
        path = self._ask_where("Save the table", result, ".csv", TABLE_FILES)
        if path is None:
            return
        rows = file_rows(result, image, viewer.dims.current_step[-image.ndim :])
        path = path if path.suffix else path.with_suffix(".csv")
        try:
            write_table(path, rows)
        except OSError as error:
            notify_error(_not_saved(path, error))
        else:
            show_info(f"Saved {path.name}")

    def _on_save(self) -> None:
        _, result = self._current()
        mask = None if result is None else result.mask()
        if result is None or mask is None:
            return
        is_volume = len(result.segmentation.grid.shape) == len(SPATIAL_AXES)
        suffix = ".nii.gz" if is_volume else TIFF_LABELS
        path = self._ask_where("Save the mask", result, suffix, MASK_FILES)
        if path is None:
            return
        result.looks_edited  # noqa: B018  the record says it, from now on
        data, meta, _ = mask.as_layer_data_tuple()
        order = Order(
            title=f"dMoE: saving {path.name}",
            status=f"Saving {path.name} …",
            work=partial(_save, path, data.copy(), meta),
            then=lambda names: f"Saved {' and '.join(names)}.",
            if_stopped=lambda: "Stopped. Nothing was saved.",
        )
        if not self._work.start(order):
            show_info("Wait until the run has ended, then save.")

    def _on_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self._parent, "Open a mask that was saved here", "", MASK_FILES
        )
        viewer = self._session.viewer
        if not path or viewer is None:
            return
        try:
            for data, arguments, _ in mask_layers(Path(path)):
                viewer.add_labels(data, **arguments)
        except (OSError, ValueError) as error:
            notify_error(error)

    def _on_record(self) -> None:
        _, result = self._current()
        mask, viewer = None if result is None else result.mask(), self._session.viewer
        window = getattr(viewer, "window", None)
        if mask is not None and viewer is not None and window is not None:
            viewer.layers.selection.active = mask
            window.add_plugin_dock_widget("napari-dmoe", RECORD_WIDGET, tabify=True)

    def _ask_where(
        self, title: str, result: Result, suffix: str, kinds: str
    ) -> Path | None:
        """Let a person choose a file; None where none was chosen."""
        proposed = f"{safe_stem(result.title)}{suffix}"
        path, _ = QFileDialog.getSaveFileName(self._parent, title, proposed, kinds)
        return Path(path) if path else None


def _save(path: Path, data: Any, meta: dict[str, Any], hook: ProgressHook) -> list[str]:
    hook(Progress(0, 1, f"saving {path.name}"))
    try:
        return [Path(each).name for each in save_mask(path, data, meta)]
    except OSError as error:
        raise _not_saved(path, error) from error


def _not_saved(path: Path, error: OSError) -> OSError:
    """Return an error that says what could not be saved, and what to do."""
    why = error.strerror or str(error)
    return OSError(
        f"{path.name} cannot be saved in {path.parent}: {why}. Choose another place."
    )
