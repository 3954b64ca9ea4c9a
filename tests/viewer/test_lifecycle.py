"""Docks that come and go, what they hold on to, and what importing them costs."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desk import Desk
from napari.components import ViewerModel
from PIL import Image as Picture
from qtpy.QtCore import QCoreApplication, QEvent, QThreadPool
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.cohorts.series.segmenting import Done
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


def test_a_dock_whose_python_object_is_collected_first_is_destroyed_safely(
    make_desk: Callable[..., Desk],
) -> None:
    viewer = ViewerModel()
    before = len(session_of(viewer).model_changed)

    def open_and_forget() -> None:
        # A frame of its own, so that nothing refers to the dock any more.
        make_desk(viewer).dock.deleteLater()

    open_and_forget()
    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert len(session_of(viewer).model_changed) == before


def test_a_dock_destroyed_during_a_series_of_files_gets_no_line(
    make_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    for folder in (images, masks):
        folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 9, 3), np.uint8)
    Picture.fromarray(pixels).save(images / "a.png")
    chosen = iter((images, masks))
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *_: str(next(chosen))
    )
    begun, may_tell, told = threading.Event(), threading.Event(), []

    def series(*_: object, tell: Callable[[Done], None], **__: object) -> list[Done]:
        begun.set()
        assert may_tell.wait(60)
        tell(Done("a", "segmented"))
        told.append("a")
        return []

    desk = make_desk(ViewerModel(), series=series)
    desk.click(desk.segmenting.tab.series.folder_button)
    desk.wait_until_idle()
    desk.click(desk.segmenting.tab.series.plan.start_button)
    desk.qtbot.waitUntil(begun.is_set)
    with desk.qtbot.waitSignal(desk.dock.destroyed):
        desk.dock.deleteLater()
    may_tell.set()
    pool = QThreadPool.globalInstance()
    desk.qtbot.waitUntil(lambda: pool.activeThreadCount() == 0)
    assert told == ["a"]


def test_the_docks_slots_are_called_in_the_main_thread_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    footer, threads = desk.dock.footer, set()

    def note(*_: object) -> None:
        threads.add(threading.current_thread())

    for name in ("bar", "status", "button"):
        part = getattr(footer, name)
        method = "setValue" if name == "bar" else "setText"
        monkeypatch.setattr(part, method, note)
    desk.viewer.layers.events.inserted.connect(note)
    desk.run()
    assert threads == {threading.main_thread()}
    assert threading.main_thread().ident not in desk.segment.threads
    assert len(desk.masks) == 1
