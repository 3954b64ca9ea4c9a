"""The page of words, which the dock opens without a connection."""

from __future__ import annotations

import pytest
from desk import Desk
from qtpy.QtWidgets import QApplication

from napari_dmoe.viewer.ui.words import WordsDialog, words_page

pytestmark = pytest.mark.gui

WORDS = (
    *("Attribute", "Driver", "Expert", "Block", "Gate", "Router", "Share", "Weight"),
    *("Unknown", "Sweep", "Muted", "Pinned", "Seed", "Disagreement", "Divergence"),
    *("Record", "Case file", "Guard", "Phantom", "Round", "Dice", "Group"),
)


@pytest.mark.parametrize("word", WORDS)
def test_the_page_explains_the_words_of_the_dock(word: str) -> None:
    assert f"**{word}**" in words_page()


def test_every_word_has_one_explanation() -> None:
    lines = words_page().splitlines()
    words = [n for n, line in enumerate(lines) if line.startswith("**")]
    assert words
    assert all(lines[n + 1].startswith(": ") for n in words)
    assert len({lines[n] for n in words}) == len(words)


def test_a_click_on_the_link_opens_the_page_beside_the_window(desk: Desk) -> None:
    foot = desk.dock.footer
    desk.dock.show()
    assert foot.words_link.toolTip()
    desk.click(foot.words_link)
    (page,) = [w for w in QApplication.topLevelWidgets() if isinstance(w, WordsDialog)]
    assert not page.isModal()
    assert "The expert is left out" in page.page.toPlainText()
    page.close()
