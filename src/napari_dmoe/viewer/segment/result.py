"""Shows the result of the image that is worked on, and does what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_dmoe.viewer.segment.result_rows import frame_note, result_rows
from napari_dmoe.viewer.segment.result_view import ResultSection, ResultState
from napari_dmoe.viewer.segment.run import RunControl
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.checks import describe_run, result_badge, run_notices
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import Work

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
