"""What the real window keeps for a crash is kept in a folder of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_dmoe.viewer.fine_tune.closing import Answer, ClosingQuestion
from napari_dmoe.viewer.rescue import control
from napari_dmoe.viewer.rescue.aside import Aside


@pytest.fixture(autouse=True)
def put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aside]:
    own = Aside(tmp_path / "rescue")
    monkeypatch.setattr(control, "aside", lambda: own)
    yield own
    own.remove()


@pytest.fixture(autouse=True)
def no_dialog_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClosingQuestion, "ask", lambda *_: Answer.END)
