"""What if is read at a glance: blocks of one sentence, one control and one button."""

from __future__ import annotations

import pytest
from desk import Desk
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_dmoe.viewer.ui.parts import Fold

pytestmark = pytest.mark.gui


def seen(block: QWidget, kind: type[QWidget]) -> list[QWidget]:
    """Return the parts of a block that are seen, but those that unfold something."""
    folds = {fold.button for fold in block.findChildren(Fold)}
    parts = set(block.findChildren(kind)) - folds
    return [part for part in parts if part.isVisibleTo(block)]


@pytest.mark.parametrize("name", ["sweep", "experts", "noise", "replay", "priors"])
def test_a_block_has_one_sentence_and_at_most_one_button(desk: Desk, name: str) -> None:
    desk.choose("severity", "suspect")
    desk.run()
    desk.viewer.layers.selection = {desk.viewer.layers[-1]}
    desk.dock.tabs.setCurrentWidget(desk.what_if.tab)
    desk.settle()
    block = getattr(desk.what_if.tab, name)
    buttons = [each.text() for each in seen(block, QPushButton)]
    assert len(buttons) == (name != "priors"), buttons
    heading, *sentences = (each.text() for each in seen(block, QLabel) if each.text())
    assert len(sentences) == 1, (heading, sentences)
