"""Plots are drawn one after the other, and only where they look otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from matplotlib.figure import Figure
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.ui.parts import column
from napari_dmoe.viewer.ui.plot import Plot

pytestmark = pytest.mark.gui


class Paints:
    """Paints plots, and knows in which turn of the event loop."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot, self.turn = qtbot, 0
        self.drawn: list[tuple[str, int]] = []
        self._clock = QTimer()
        self._clock.timeout.connect(self._on_turn)
        self._clock.start(0)

    def _on_turn(self) -> None:
        self.turn += 1

    def of(self, name: str) -> Callable[[Figure], None]:
        def paint(figure: Figure) -> None:
            figure.add_axes((0, 0, 1, 1)).set(xlim=(0, 10), ylim=(0, 4))
            self.drawn.append((name, self.turn))

        return paint

    def wait(self, plots: list[Plot]) -> list[str]:
        """Return what is drawn until nothing waits any more."""
        self.qtbot.waitUntil(lambda: not any(plot.is_stale for plot in plots))
        names = [name for name, _ in self.drawn]
        self.drawn.clear()
        return names


@pytest.fixture
def paints(qtbot: QtBot) -> Paints:
    return Paints(qtbot)


@pytest.fixture
def plots(qtbot: QtBot) -> Iterator[list[Plot]]:
    """Return three plots in a window that is seen."""
    window, plots = QWidget(), [Plot(name) for name in "abc"]
    column(window, *plots)
    qtbot.addWidget(window)
    window.resize(200, 300)
    window.show()
    qtbot.waitExposed(window)
    yield plots
    window.hide()


def test_one_plot_is_drawn_in_a_turn_of_the_event_loop(
    plots: list[Plot], paints: Paints
) -> None:
    for height in (80, 90):  # later ones of another size, too
        for plot in plots:
            plot.show_figure(paints.of(plot.accessibleName()), height=height)
        assert paints.drawn == []
        paints.qtbot.waitUntil(lambda: not any(plot.is_stale for plot in plots))
        turns = [turn for _, turn in paints.drawn]
        assert len(set(turns)) == len(turns)
        assert set(paints.wait(plots)) == {"a", "b", "c"}


def test_what_has_the_same_key_is_not_drawn_again(
    plots: list[Plot], paints: Paints
) -> None:
    names = [("a", 1), ("b", 1), ("c", 2), ("d", 1), ("e", None), ("f", None)]
    drawn = []
    for name, key in names:
        plots[0].show_figure(paints.of(name), height=80, key=key)
        drawn += paints.wait(plots)
    assert drawn == ["a", "c", "d", "e", "f"]


def test_a_plot_is_drawn_once_for_all_that_happens_before_its_turn(
    plots: list[Plot], paints: Paints
) -> None:
    for name in ("first", "second", "third"):
        plots[0].show_figure(paints.of(name), height=80)
    assert paints.wait(plots) == ["third"]


def test_a_plot_is_drawn_anew_at_another_size(
    plots: list[Plot], paints: Paints
) -> None:
    plots[0].show_figure(paints.of("a"), height=80, key=1)
    paints.wait(plots)
    plots[0].window().resize(260, 300)
    paints.qtbot.waitUntil(lambda: bool(paints.drawn))
    assert paints.wait(plots) == ["a"]
    assert plots[0].figure is not None
    assert plots[0].figure.bbox.width == 260


def test_a_hidden_plot_is_drawn_when_it_is_seen(
    plots: list[Plot], paints: Paints
) -> None:
    window = plots[0].window()
    window.hide()
    plots[0].show_figure(paints.of("a"), height=80)
    paints.qtbot.wait(5)
    assert plots[0].figure is None
    window.show()
    assert paints.wait(plots) == ["a"]


def test_a_plot_that_is_gone_holds_up_nobody(plots: list[Plot], paints: Paints) -> None:
    for plot in plots:
        plot.show_figure(paints.of(plot.accessibleName()), height=80)
    gone = plots.pop(0)
    gone.setParent(None)
    gone.deleteLater()
    paints.qtbot.waitSignal(gone.destroyed).wait()
    assert paints.wait(plots) == ["b", "c"]


def test_a_click_tells_the_place_on_the_axes(plots: list[Plot], paints: Paints) -> None:
    plots[0].show_figure(paints.of("a"), height=80)
    paints.wait(plots)
    told: list[tuple[float, float]] = []
    plots[0].clicked.connect(lambda x, y: told.append((x, y)))
    middle = QPoint(plots[0].width() // 2, plots[0].height() // 4)
    paints.qtbot.mouseClick(plots[0], Qt.MouseButton.LeftButton, pos=middle)
    assert told == [(pytest.approx(5, abs=0.1), pytest.approx(3, abs=0.1))]
