"""From a folder of photographs to a table with Dice, the worst ones, and a correction.

The photographs are drawn, and written as ISIC publishes them: images, masks and a table
that names no path. The real model segments them in the real window.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import napari
import numpy as np
import pytest
from PIL import Image as File
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_dmoe.imaging.files import read_labels
from napari_dmoe.phantoms.skin.cohort import skin_case
from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.session.pictures import Filter, Pictures

pytestmark = pytest.mark.gui

N = 24
WORST = 10
SIZE = 72, 96
MODEL = "skin-phantom"
TIMEOUT_MS = 300_000


def write_isic(folder: Path) -> Path:
    """Write drawn lesions as ISIC publishes photographs; return the folder."""
    images, masks = folder / "images", folder / "masks"
    for each in (images, masks):
        each.mkdir(parents=True)
    rows = []
    for number in range(N):
        case, name = skin_case(7, number, size=SIZE), f"ISIC_{number:07}"
        File.fromarray(case.image.data).save(images / f"{name}.png")
        lesion = np.asarray(case.labels.data) > 0
        File.fromarray((lesion * 255).astype(np.uint8)).save(masks / f"{name}.png")
        age, sex = case.patient.value("age"), case.patient.value("sex")
        rows.append([name, age, sex, number % 2])
    with (folder / "metadata.csv").open("w", newline="") as file:
        head = "image_id", "age", "sex", "melanoma"
        csv.writer(file).writerows([head, *rows])
    return folder


@dataclass
class Person:
    """Who sits before the window; counts clicks and dialogs, and takes the time."""

    viewer: napari.Viewer
    qtbot: QtBot
    monkeypatch: pytest.MonkeyPatch
    clicks: int = 0
    dialogs: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        dock = open_dock(self.viewer)
        self.control = dock.control(SegmentControl)
        self.dock, self.tab = dock, self.control.tab

    @property
    def pictures(self) -> Pictures:
        return self.control._session.pictures

    def wait(self, until: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(until, timeout=TIMEOUT_MS)

    def click(self, button: QPushButton) -> None:
        assert button.isEnabled()
        self.clicks += 1
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def answer(self, source: Path, target: Path) -> None:
        """Choose a table and a folder in the dialogs."""

        def choose(path: Path, *, is_file: bool) -> object:
            self.dialogs += 1
            return (str(path), "") if is_file else str(path)

        for name, path, is_file in (
            ("getOpenFileName", source, True),
            ("getExistingDirectory", target, False),
        ):
            answer = lambda *_, p=path, f=is_file: choose(p, is_file=f)  # noqa: E731
            self.monkeypatch.setattr(QFileDialog, name, answer)

    def rest(self) -> None:
        """Wait until the image that is wished for is there, with its truth."""
        work = self.dock.work
        self.wait(lambda: self.pictures.wish is None and not work.is_at_files)
        self.wait(lambda: not self.dock.is_refreshing)

    def timed(self, what: str, do: Callable[[], None]) -> None:
        began = time.perf_counter()
        do()
        self.seconds[what] = round(time.perf_counter() - began, 3)

    def seen(self) -> list[str]:
        """Return the photographs that are seen."""
        return [each.name for each in self.control._session.images() if each.visible]


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "segment.csv").open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture
def person(
    make_napari_viewer: Callable[..., napari.Viewer],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> Person:
    """Return who has the dock open, with the model for photographs of the skin."""
    monkeypatch.setenv("NAPARI_STRICT_QT", "raise")
    made = Person(make_napari_viewer(), qtbot, monkeypatch)
    made.wait(lambda: not made.control.loader.is_busy)
    made.tab.model.model_requested.emit(MODEL)
    made.wait(lambda: not made.control.loader.is_busy)
    made.wait(lambda: made.control._session.model_origin == MODEL)
    return made


def test_from_an_open_dock_to_the_worst_ones_and_a_correction(
    person: Person, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    source, out = write_isic(tmp_path / "isic"), tmp_path / "out"
    published = (source / "metadata.csv").read_bytes()
    out.mkdir()
    person.answer(source / "metadata.csv", out)
    person.timed("table", lambda: make_the_table(person, out))
    assert person.clicks <= 5
    assert person.dialogs == 2
    record_property("clicks", person.clicks)
    assert (source / "metadata.csv").read_bytes() == published
    rows = rows_of(out)
    assert len(rows) == N
    for row in rows.values():
        assert row["status"] == "segmented"
        assert 0 <= float(row["lesion Dice"]) <= 1
        assert row["sex"]
        assert row["melanoma"] in "01"  # a column that is not used goes through
    person.timed("the worst", lambda: look_at_the_worst(person, rows))
    person.timed("a correction", lambda: correct(person, out))
    for what, seconds in person.seconds.items():
        record_property(f"{what} (s)", seconds)


def make_the_table(person: Person, out: Path) -> None:
    section = person.tab.series
    person.click(section.fold.button)
    person.click(section.table_button)
    plan = section.plan
    person.wait(lambda: plan.start_button.isEnabled())
    assert person.dialogs == 1  # shown before any folder is asked for
    assert list(out.iterdir()) == []
    assert f"{N} images" in plan.start_button.text()
    person.click(plan.start_button)
    person.wait(lambda: len(person.pictures) == N and not person.dock.work.is_busy)
    person.rest()


def look_at_the_worst(person: Person, rows: dict[str, dict[str, str]]) -> None:
    bar = person.tab.image.browse
    bar.menu_requested.emit()
    (worst,) = (each for each in bar.actions_ if each.text().startswith("Worst"))
    worst.trigger()
    assert person.pictures.filter is Filter.WORST
    person.rest()
    by_dice = sorted(rows, key=lambda name: float(rows[name]["lesion Dice"]))
    session = person.control._session
    for place, name in enumerate(by_dice[:WORST]):
        assert session.image.name == name
        assert person.seen() == [name]
        assert bar.place_button.text() == f"{place + 1} of {N}"
        result, truth = (
            session.result_of(session.image),
            session.truths.of(session.image),
        )
        assert result is not None
        assert truth is not None
        assert truth.path.name == f"{name}.png"
        assert str(session.patient_of(session.image).value("sex")) == rows[name]["sex"]
        if place + 1 < WORST:
            person.click(bar.next_button)
            person.rest()


def correct(person: Person, out: Path) -> None:
    """Paint the mask until it is as the truth, and save it."""
    session, section = person.control._session, person.tab.result
    image, result = session.current
    before = rows_of(out)[image.name]
    mask, truth = result.mask(), np.asarray(session.truths.of(image).labels.data)
    wrong = np.nonzero(np.asarray(mask.data) != truth)
    assert len(wrong[0]) > 0
    mask.data_setitem(wrong, truth[wrong])  # as a brush does
    person.wait(lambda: section.save_button.text() == "Save")
    n_dialogs = person.dialogs
    person.click(section.save_button)
    person.wait(lambda: person.pictures.current.row["status"] == "corrected")
    person.rest()
    assert person.dialogs == n_dialogs
    after = rows_of(out)[image.name]
    assert float(before["lesion Dice"]) < 1
    assert after["lesion Dice"] == "1.0000"
    assert after["status"] == "corrected"
    assert after["lesion (px)"] == str(np.count_nonzero(truth))
    assert after["melanoma"] == before["melanoma"]
    saved = read_labels(out / after["labels"])
    np.testing.assert_array_equal(saved.data, truth)
    others = {name: row for name, row in rows_of(out).items() if name != image.name}
    assert all(row["status"] == "segmented" for row in others.values())
    shown = {row["id"]: row for row in person.tab.series.rows}[image.name]
    assert (shown["status"], shown["lesion Dice"]) == ("corrected", "1.0000")
