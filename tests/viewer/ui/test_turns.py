"""What comes of its own accord waits until nothing else is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable

import napari
import pytest
from desk import Desk
from napari.utils.progress import cancelable_progress, progress
from pytestqt.qtbot import QtBot
from qtpy.QtCore import (
    QCoreApplication,
    QObject,
    QPoint,
    QThreadPool,
    QTimer,
    Signal,
)
from qtpy.QtWidgets import QDialog, QFileDialog, QMenu, QWidget

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.ui import jobs
from napari_dmoe.viewer.ui.asking import ask_for_checkpoint
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.jobs import Job, JobRunner
from napari_dmoe.viewer.ui.turns import after_repaint, in_turn, is_free, turns_within

pytestmark = pytest.mark.gui


class Slots(QObject):
    """Slots that note their order and how deep they are in one another."""

    called = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self.deepest = self._depth = 0

    def slot(self, name: str, act: Callable[[], None] = lambda: None) -> Callable:
        def called(*_: object) -> None:
            self._depth += 1
            self.deepest = max(self.deepest, self._depth)
            self.order.append(name)
            act()
            self._depth -= 1

        return called


@pytest.fixture
def slots(qtbot: QtBot) -> Slots:
    return Slots()


def all_events() -> None:
    """Process events in the middle of something, as napari's progress bars do."""
    for _ in range(5):
        QCoreApplication.processEvents()


def test_a_turn_comes_at_once_where_nothing_is_under_way(slots: Slots) -> None:
    assert is_free()
    in_turn(slots, slots.slot("a"))
    assert slots.order == ["a"]


def test_turns_do_not_nest_and_keep_their_order(slots: Slots, qtbot: QtBot) -> None:
    def first() -> None:
        in_turn(slots, slots.slot("second", all_events))
        in_turn(slots, slots.slot("third"))
        assert not is_free()
        all_events()
        assert slots.order == ["first"]

    in_turn(slots, slots.slot("first", first))
    qtbot.waitUntil(lambda: len(slots.order) == 3)
    assert slots.order == ["first", "second", "third"]
    assert slots.deepest == 1


@pytest.mark.parametrize("kind", [QDialog, QMenu])
def test_nothing_has_its_turn_while_a_dialog_or_a_menu_is_open(
    slots: Slots, qtbot: QtBot, kind: type[QWidget]
) -> None:
    window = kind()
    qtbot.addWidget(window)

    def while_open() -> None:
        in_turn(slots, slots.slot("result"))
        QTimer.singleShot(100, window.close)

    QTimer.singleShot(0, while_open)
    window.exec()
    assert slots.order == []
    qtbot.waitUntil(lambda: slots.order == ["result"])


def test_a_modal_window_without_a_loop_of_its_own_is_waited_for(
    slots: Slots, qtbot: QtBot
) -> None:
    dialog = QDialog()
    qtbot.addWidget(dialog)
    dialog.open()
    in_turn(slots, slots.slot("result"))
    qtbot.wait(100)
    assert slots.order == []
    dialog.close()
    qtbot.waitUntil(lambda: slots.order == ["result"])


def test_a_menu_without_a_loop_of_its_own_is_waited_for(
    slots: Slots, qtbot: QtBot
) -> None:
    menu = QMenu()  # as those of the menu bar, and the lists of combo boxes
    qtbot.addWidget(menu)
    menu.addAction("Something")
    menu.popup(QPoint(0, 0))
    in_turn(slots, slots.slot("result"))
    qtbot.wait(100)
    assert slots.order == []
    menu.close()
    qtbot.waitUntil(lambda: slots.order == ["result"])


def test_a_turn_is_dropped_with_its_owner(slots: Slots, qtbot: QtBot) -> None:
    owner, dialog = QObject(), QDialog()
    qtbot.addWidget(dialog)
    dialog.open()
    in_turn(owner, slots.slot("gone"))
    in_turn(slots, slots.slot("last"))
    with qtbot.waitSignal(owner.destroyed):
        owner.deleteLater()
    dialog.close()
    qtbot.waitUntil(lambda: bool(slots.order))
    assert slots.order == ["last"]


def test_an_error_in_a_turn_keeps_nobody_else_from_theirs(
    slots: Slots, qtbot: QtBot
) -> None:
    def broken() -> None:
        in_turn(slots, slots.slot("next"))
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        in_turn(slots, broken)
    qtbot.waitUntil(lambda: slots.order == ["next"])


def test_what_waits_for_a_repaint_is_no_part_of_this_turn(
    slots: Slots, qtbot: QtBot
) -> None:
    in_turn(slots, lambda: after_repaint(slots, slots.slot("later")))
    all_events()
    assert slots.order == []
    qtbot.waitUntil(lambda: slots.order == ["later"])


def test_a_loop_of_ours_that_waits_for_a_turn_gets_it(
    slots: Slots, qtbot: QtBot
) -> None:
    dialog_closed: list[bool] = []

    def within() -> None:
        with turns_within():
            qtbot.waitUntil(lambda: slots.order == ["saved"])
        dialog_closed.append(True)

    QTimer.singleShot(50, lambda: in_turn(slots, slots.slot("saved")))
    QTimer.singleShot(0, within)
    qtbot.waitUntil(lambda: bool(dialog_closed))


def test_a_pause_that_ends_in_a_dialog_shows_its_section_afterwards(
    slots: Slots, qtbot: QtBot
) -> None:
    refresh = Refresh(slots, slots.slot("shown"), soon=(), pause_ms=1)
    dialog = QDialog()
    qtbot.addWidget(dialog)
    dialog.open()
    refresh.soon()
    qtbot.wait(60)
    assert slots.order == []
    assert refresh.is_pending
    dialog.close()
    qtbot.waitUntil(lambda: slots.order == ["shown"])
    assert not refresh.is_pending


class BusyBar:
    """A bar that processes events whenever it is made or shows something."""

    def __init__(self, *_: object, **__: object) -> None:
        all_events()

    def show_fraction(self, fraction: float) -> None:
        all_events()

    def close(self) -> None:
        all_events()


def test_a_bar_that_processes_events_lets_no_slot_nest(
    slots: Slots, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_ActivityProgress", BusyBar)
    monkeypatch.setattr(jobs, "_SECONDS_BEFORE_BAR", 0)
    monkeypatch.setattr(jobs, "_SECONDS_BETWEEN_REPORTS", 0)
    may_go_on = threading.Semaphore(0)

    def work(hook: ProgressHook) -> str:
        for done in range(20):
            hook(Progress(done, 20))
            assert may_go_on.acquire(timeout=60)
        return "result"

    runner = JobRunner(slots)
    seen: list[float] = []

    def report(*_: object) -> None:
        may_go_on.release()
        all_events()

    runner.progressed.connect(lambda so_far: seen.append(so_far.fraction))
    runner.progressed.connect(slots.slot("progressed", report))
    for name in ("returned", "failed", "stopped", "finished"):
        getattr(runner, name).connect(slots.slot(name, all_events))
    runner.start(Job("long", work))
    qtbot.waitUntil(lambda: not runner.is_busy)
    qtbot.waitUntil(lambda: slots.order[-1] == "finished")
    assert slots.deepest == 1
    assert seen == sorted(seen)
    assert slots.order[-2:] == ["returned", "finished"]
    assert set(slots.order[:-2]) == {"progressed"}


def test_naparis_own_bar_shows_progress_and_processes_no_events(
    slots: Slots,
    qtbot: QtBot,
    make_napari_viewer: Callable[..., napari.Viewer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_SECONDS_BEFORE_BAR", 0)
    monkeypatch.setattr(jobs, "_SECONDS_BETWEEN_REPORTS", 0)
    viewer, is_over = make_napari_viewer(), threading.Event()
    bars: list[progress] = []
    make = jobs._ActivityProgress.__init__

    def made(bar: progress, *arguments: object) -> None:
        make(bar, *arguments)
        bars.append(bar)

    monkeypatch.setattr(jobs._ActivityProgress, "__init__", made)
    runner = JobRunner(slots)

    def work(hook: ProgressHook) -> None:
        while not is_over.wait(0.01):
            hook(Progress(1, 4))

    runner.start(Job("dMoE: at work", work))
    qtbot.waitUntil(lambda: bool(bars))
    (bar,) = bars
    assert isinstance(bar, cancelable_progress)
    (shown,) = (
        each.qt_progress_bar
        for each in viewer.window._qt_window.findChildren(QWidget)
        if getattr(each, "progress", None) is bar
    )
    qtbot.waitUntil(lambda: shown.text() == "25%")
    monkeypatch.setattr(QCoreApplication, "processEvents", pytest.fail)
    bar.show_fraction(0.5)
    monkeypatch.undo()
    assert shown.text() == "50%"
    is_over.set()
    qtbot.waitUntil(lambda: not runner.is_busy)


def test_a_short_job_gets_no_bar(slots: Slots, qtbot: QtBot) -> None:
    bars: list[object] = []
    runner = JobRunner(slots)
    progress._all_instances.events.changed.connect(bars.append)
    runner.start(Job("short", lambda hook: hook(Progress(1, 1))))
    qtbot.waitUntil(lambda: not runner.is_busy)
    progress._all_instances.events.changed.disconnect(bars.append)
    assert bars == []


def test_a_mask_waits_until_the_file_dialog_is_closed(
    desk: Desk, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.segment.gate.clear()
    desk.click_segment()
    qtbot.waitUntil(desk.segment.started.is_set)
    seen: list[list[str]] = []

    def chosen(*_: object) -> tuple[str, str]:
        """Choose nothing, long after the mask is there."""
        dialog, pool = QDialog(), QThreadPool.globalInstance()

        def look() -> None:
            if pool.activeThreadCount():
                QTimer.singleShot(10, look)
                return
            all_events()
            seen.append([layer.name for layer in desk.viewer.layers])
            dialog.close()

        QTimer.singleShot(0, desk.segment.gate.set)
        QTimer.singleShot(10, look)
        dialog.exec()
        return "", ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", chosen)
    ask_for_checkpoint(desk.dock)
    assert seen == [["retina"]]
    desk.wait_until_idle()
    assert len(desk.masks) == 1
