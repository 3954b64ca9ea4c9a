"""The window lives through rounds of use; `benchmarks/endurance.py` plays hundreds.

The engines are the real ones on a tiny network, so that a sweep fits the mask.
"""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from desk import Desk
from sweeping import stack_of, sweep
from vispy.app.backends._qt import CanvasBackendDesktop

from napari_dmoe.viewer import engines
from napari_dmoe.viewer.ui import turns

pytestmark = pytest.mark.gui

N_ROUNDS = 30
SWEPT_EVERY = 4
"""Rounds from one sweep to the next, which napari takes long to show."""
PAINTED_MS = 20
VALUES = ("healthy", "suspect", "glaucoma")


@pytest.fixture
def desk(
    make_desk: Callable[..., Desk], make_napari_viewer: Callable[..., napari.Viewer]
) -> Desk:
    """Return an empty window, shown, whose engines are no fakes."""
    viewer = make_napari_viewer()
    viewer.window.show()
    return make_desk(viewer, segment=engines.segment)


class Nesting:
    """How deep our turns and the canvas's draws are in one another."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self._turns = self._draws = 0
        self.deepest = self.n_draws = self.changed_in_a_draw = 0
        take, draw = turns._Turns._take, CanvasBackendDesktop.paintGL

        def taken(all_turns: turns._Turns) -> None:
            self._turns += 1
            self.deepest = max(self.deepest, self._turns)
            take(all_turns)
            self._turns -= 1

        def drawn(canvas: CanvasBackendDesktop) -> None:
            self._draws += 1
            self.n_draws += 1
            draw(canvas)
            self._draws -= 1

        monkeypatch.setattr(turns._Turns, "_take", taken)
        monkeypatch.setattr(CanvasBackendDesktop, "paintGL", drawn)
        layers = desk.viewer.layers
        for changed in (layers.events.inserted, layers.events.removed):
            changed.connect(self._on_layers)

    def _on_layers(self) -> None:
        self.changed_in_a_draw += bool(self._draws)


def play(desk: Desk, number: int) -> None:
    """Play one round as a person does, with time to look between the acts."""
    viewer, wait = desk.viewer, desk.qtbot.wait
    viewer.layers.clear()
    wait(PAINTED_MS)
    side = 12 + 4 * (number % 3)
    values = np.random.default_rng(number).integers(0, 255, (side, side), np.uint8)
    viewer.add_image(values, name="retina")
    wait(PAINTED_MS)
    for value in (VALUES[number % 3], VALUES[(number + 1) % 3]):
        desk.choose("severity", value)
        desk.click_segment()
        desk.qtbot.waitUntil(lambda: not desk.segmenting.run.is_busy, timeout=60_000)
        desk.settle()
    tab = desk.routing.tab
    desk.dock.tabs.setCurrentWidget(tab)
    desk.settle()
    if not tab.shown_box.isChecked():
        tab.shown_box.click()
    tab.block_slider.setValue(number % (tab.block_slider.maximum() + 1))
    wait(PAINTED_MS)
    if number % SWEPT_EVERY == 0:
        desk.dock.tabs.setCurrentWidget(desk.what_if.tab)
        found = sweep(desk).found
        found.slider.setValue(found.slider.maximum())
        wait(PAINTED_MS)
        assert stack_of(desk).data.shape[0] == len(VALUES)
    for ndisplay in (3, 2):
        viewer.dims.ndisplay = ndisplay
        wait(PAINTED_MS)
    desk.dock.tabs.setCurrentWidget(desk.segmenting.tab)


def test_a_window_lives_through_rounds_of_use(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    nesting = Nesting(desk, monkeypatch)
    for number in range(N_ROUNDS):
        play(desk, number)
        assert len(desk.masks) >= 1
    assert nesting.n_draws > N_ROUNDS
    assert (nesting.deepest, nesting.changed_in_a_draw) == (1, 0)
