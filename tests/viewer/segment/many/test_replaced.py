"""What a person is asked where files are there: the real dialog."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QWidget

from napari_dmoe.viewer.segment.many.replaced import Answer, InTheWay, ask

pytestmark = pytest.mark.gui

MASKS = InTheWay("out", 12, ("a.labels.tif", "b.labels.tif"))
TABLE = InTheWay("out", 12, ("a.labels.tif",), "segment.csv")


def answered(qtbot: QtBot, there: InTheWay, press: str | Qt.Key) -> tuple[Answer, str]:
    """Return what a person answers who presses a button or a key, and what is said."""
    parent, said = QWidget(), []
    qtbot.addWidget(parent)

    def answer() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        buttons = {each.text().replace("&", ""): each for each in box.buttons()}
        said.append(f"{box.text()} {box.informativeText()} {sorted(buttons)}")
        if isinstance(press, str):
            buttons[press].click()
        else:
            qtbot.keyClick(box, press)

    QTimer.singleShot(0, answer)
    found = ask(parent, there)
    return found, said[0]


@pytest.mark.parametrize(
    ("press", "expected"),
    [
        ("Keep those that are done", Answer.KEEP),
        (Qt.Key.Key_Return, Answer.KEEP),
        ("Replace", Answer.REPLACE),
        ("Cancel", Answer.STOP),
        (Qt.Key.Key_Escape, Answer.STOP),
    ],
    ids=["keep", "return", "replace", "cancel", "escape"],
)
def test_masks_are_kept_replaced_or_left(
    qtbot: QtBot, press: str | Qt.Key, expected: Answer
) -> None:
    answer, said = answered(qtbot, MASKS, press)
    assert answer is expected
    assert "out has 2 masks of these 12 images already: a.labels.tif, b" in said
    assert "Other files stay as they are." in said


def test_beside_another_table_nothing_can_be_kept(qtbot: QtBot) -> None:
    answer, said = answered(qtbot, TABLE, Qt.Key.Key_Escape)
    assert answer is Answer.STOP
    assert "['Cancel', 'Replace']" in said
    assert "segment.csv there is no table of masks" in said
    assert "Keep" not in said  # what no button does is not offered in words
