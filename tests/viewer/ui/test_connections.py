"""Sections are shown anew once after many events, and at once where somebody looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from desk import Desk
from psygnal import Signal
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.ui.connections import Refresh

pytestmark = pytest.mark.gui


class Source:
    """What changes."""

    painted = Signal()
    chosen = Signal()


class Section(QObject):
    """Counts how often it is shown."""

    def __init__(self, source: Source, *, is_seen: bool = True) -> None:
        super().__init__()
        self.n_shown = 0
        self.refresh = Refresh(
            self,
            self.show,
            soon=(source.painted,),
            at_once=(source.chosen,),
            pause_ms=10,
            may=lambda: is_seen,
        )

    def show(self) -> None:
        self.n_shown += 1


def test_many_events_show_a_section_once(qtbot: QtBot) -> None:
    source = Source()
    section = Section(source)
    for _ in range(100):
        source.painted.emit()
    assert section.n_shown == 0
    assert section.refresh.is_pending
    qtbot.waitUntil(lambda: not section.refresh.is_pending)
    assert section.n_shown == 1


def test_a_choice_is_shown_at_once_with_what_was_to_come(qtbot: QtBot) -> None:
    source = Source()
    section = Section(source)
    source.painted.emit()
    source.chosen.emit()
    assert section.n_shown == 1
    assert not section.refresh.is_pending
    section.refresh.flush()
    assert section.n_shown == 1


def test_a_section_that_nobody_sees_is_not_shown(qtbot: QtBot) -> None:
    source = Source()
    section = Section(source, is_seen=False)
    source.painted.emit()
    assert not section.refresh.is_pending


def test_a_section_that_is_gone_is_left_alone(qtbot: QtBot) -> None:
    source = Source()
    section = Section(source)
    source.painted.emit()
    section.deleteLater()
    qtbot.waitSignal(section.destroyed).wait()
    source.painted.emit()
    assert section.n_shown == 0


def test_one_stroke_shows_every_section_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, shown = desk, Counter[str]()
    dock, tab, what_if = (
        desk.dock,
        desk.segmenting.tab,
        desk.what_if.tab,
    )
    desk.choose("severity", "suspect")
    desk.run()
    dock.tabs.setCurrentWidget(dock.control(FineTuneControl).tab)
    desk.settle()

    def counted(name: str, show: Callable[..., None]) -> Callable[..., None]:
        def count(*arguments: object, **options: object) -> None:
            shown[name] += 1
            show(*arguments, **options)

        return count

    sections = {
        "result": (tab.result, "show_result"),
        "compare": (tab.compare, "offer"),
        "routing": (dock.control(RoutingControl).tab, "show_state"),
        "experts": (what_if.experts, "show_state"),
        "noise": (what_if.noise, "allow"),
        "replay": (what_if.replay, "show_selected"),
        "pairs": (dock.control(FineTuneControl).tab.pairs, "show_pairs"),
    }
    for name, (section, method) in sections.items():
        real = getattr(section, method)
        monkeypatch.setattr(section, method, counted(name, real))
    (mask,) = desk.masks
    for step in range(100):
        mask.paint((step % 12, step % 9), 1)
    assert not shown
    desk.settle()
    assert shown == dict.fromkeys(sections, 1)
