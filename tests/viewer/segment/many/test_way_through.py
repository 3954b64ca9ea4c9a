"""From an open dock to a table with Dice: counted as a person clicks, in a window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QWidget
from tables import column_of, go_to

from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui

TIMEOUT_MS = 120_000
N_IMAGES = 12


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Return a folder as cohorts are published: images, masks, a table of names."""
    folder = tmp_path / "cohort"
    rng = np.random.default_rng(0)
    rows, y = ["image_id,age_approx,sex,diagnosis"], np.mgrid[:48, :48]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(N_IMAGES):
        name = f"ISIC_{number:07d}"
        inside = np.hypot(*(y - 24)) < 6 + number
        pixels = np.where(inside[..., None], (120, 70, 50), (220, 180, 160))
        pixels = np.clip(pixels + rng.normal(0, 5, pixels.shape), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"images/{name}.png")
        mask = Image.fromarray((255 * inside).astype(np.uint8))
        mask.save(folder / f"masks/{name}_segmentation.png")
        rows.append(f"{name},{30 + number},{('male', 'female')[number % 2]},nevus")
    rows.append("ISIC_9999999,50,male,nevus")  # of which there is no image here
    (folder / "metadata.csv").write_text("\n".join(rows))
    return folder


class Hand:
    """Counts clicks and dialogs."""

    def __init__(self, qtbot: QtBot) -> None:
        self._qtbot, self.clicks, self.dialogs = qtbot, 0, 0

    def click(self, button: QWidget) -> None:
        self._qtbot.waitUntil(lambda: button.isVisible() and button.isEnabled())
        self.clicks += 1
        self._qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def wait(self, is_so: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(is_so, timeout=TIMEOUT_MS)


@pytest.mark.timeout(300)
def test_from_an_open_dock_to_a_table_with_dice(
    make_napari_viewer: Callable[..., napari.Viewer],
    qtbot: QtBot,
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hand, out = Hand(qtbot), tmp_path / "results"
    out.mkdir()
    answers = [published, out]

    def folder(*_: object) -> str:
        hand.dialogs += 1
        hand.clicks += 1
        return str(answers.pop(0))

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", folder)
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer)
    segmenting = dock.control(SegmentControl)
    hand.wait(lambda: not segmenting.loader.is_busy)
    dock.open_model("skin-phantom")
    hand.wait(lambda: not segmenting.loader.is_busy)
    section = segmenting.tab.series

    hand.click(section.fold.button)
    hand.click(section.folder_button)
    hand.wait(section.plan.start_button.isEnabled)
    assert section.plan.title.text() == f"metadata.csv: {N_IMAGES + 1} rows"
    assert section.plan.combos["image_id"].currentData() == "image"
    assert section.plan.combos["age_approx"].currentData() == "age"
    assert "Truth found for all of them" in section.plan.found.text()
    hand.click(section.plan.start_button)
    hand.wait(lambda: len(section.rows) == N_IMAGES and not dock.work.is_busy)
    assert (hand.clicks, hand.dialogs) == (5, 2)  # two of them are in the dialogs

    assert all(0 <= float(row["lesion Dice"]) <= 1 for row in section.rows)
    assert [row["age"] for row in section.rows] == [str(30 + n) for n in range(12)]
    assert {row["diagnosis"] for row in section.rows} == {"nevus"}
    assert f"{N_IMAGES} segmented · mean Dice" in section.found.badge.text()

    hand.click(section.results.worst_button)
    dice = [float(each) for each in column_of(section.table, 1)]
    assert dice == sorted(dice)
    worst = column_of(section.table, 0)[0]
    go_to(section.table, 0)
    qtbot.keyClick(section.table, Qt.Key.Key_Return)
    session = session_of(viewer)
    hand.wait(lambda: session.image is not None and session.image.name == worst)
    row = next(each for each in section.rows if each["id"] == worst)
    patient = session.patient_of(session.image)
    assert str(patient.sex) == row["sex"]
    hand.wait(lambda: not dock.work.is_at_files)
    images = session.images()
    assert [image.name for image in images if image.visible] == [worst]
