"""The foot of a job paints nothing in the middle of what is done to the window."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QObject

from napari_dmoe.estimate import SoFar
from napari_dmoe.viewer.ui.foot import Foot

pytestmark = pytest.mark.gui


class Paints(QObject):
    """Counts how often a widget is painted."""

    n = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.n += event.type() == QEvent.Type.Paint
        return False


def test_the_bar_is_painted_in_its_turn(qtbot: QtBot) -> None:
    foot, paints = Foot("job", start="Go", start_help="", stop_help=""), Paints()
    qtbot.addWidget(foot)
    foot.bar.installEventFilter(paints)
    foot.show_running(True)
    foot.show()
    qtbot.waitUntil(lambda: paints.n > 0)
    painted = paints.n
    foot.show_progress(SoFar("at work", 0.5))
    assert foot.bar.value() > 0
    assert paints.n == painted  # the window's canvas would have been, too
    qtbot.waitUntil(lambda: paints.n > painted)
    painted = paints.n
    foot.show_running(False)
    assert paints.n == painted
