"""Plots of parts that are too large to be counted where a person waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from plotting import in_sight

from napari_dmoe.viewer.layers import measuring
from napari_dmoe.viewer.routing.plots import control
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.ui import measuring as aside

pytestmark = pytest.mark.gui


def test_the_loads_of_a_large_part_are_computed_aside_once(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = in_sight(make_desk(ViewerModel()), IMAGE)
    plots = desk.routing.plots
    before = plots.shown
    for module in (measuring, aside, results):
        monkeypatch.setattr(module, "AT_ONCE", 0)
    threads, compute = [], control.loads_of

    def noted(*arguments: object, **options: object) -> object:
        threads.append(threading.get_ident())
        return compute(*arguments, **options)

    monkeypatch.setattr(control, "loads_of", noted)
    desk.viewer.layers["retina / mask"].paint((9, 8), 1)
    plots.show()
    assert plots.shown is before
    assert "Measuring" in desk.routing.tab.plots.where.text()

    def is_shown() -> bool:
        return "Measuring" not in desk.routing.tab.plots.where.text()

    desk.qtbot.waitUntil(is_shown)
    desk.settle()
    assert plots.shown is not before
    assert "painted mask" in plots.shown.plots["class"].title
    assert threading.get_ident() not in threads
    n = len(threads)
    plots.show()
    assert len(threads) == n
