"""The way through many photographs: how many clicks it takes, and how long.

Run it with ``python benchmarks/two_hundred.py``, under Xvfb where there is no display.
A fresh window reads a folder as ISIC publishes them (images, masks, and a table that
names no path), segments them all, shows the worst ones, and saves a correction. The
photographs are drawn; ``--cohort FOLDER`` takes real ones with their table.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import napari
import numpy as np
from napari.layers import Labels
from PIL import Image as File
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from napari_dmoe.phantoms.skin.cohort import skin_case
from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.session.session import Session, session_of

MODEL = "skin-phantom"
TABLE, SUMMARY = "metadata.csv", "segment.csv"
N_WORST = 10
_PATIENCE_S = 1800


def write_isic(folder: Path, n: int, size: tuple[int, int] = (144, 192)) -> Path:
    """Write drawn lesions as ISIC publishes photographs; return the table.

    It has a row of an image that is not there, one whose patient is unknown, and a
    column that nothing here uses.
    """
    images, masks = folder / "images", folder / "masks"
    for each in (images, masks):
        each.mkdir(parents=True)
    rows: list[tuple[object, ...]] = [("ISIC_9999999", 50, "male", "0.0")]
    for number in range(n):
        case, name = skin_case(7, number, size=size), f"ISIC_{number:07}"
        File.fromarray(case.image.data).save(images / f"{name}.png")
        lesion = np.asarray(case.labels.data) > 0
        File.fromarray((lesion * 255).astype(np.uint8)).save(masks / f"{name}.png")
        known = case.patient.value("age"), case.patient.value("sex")
        rows.append((name, *(known if number else ("", "")), f"{number % 2}.0"))
    with (folder / TABLE).open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "age", "sex", "melanoma"), *rows])
    return folder / TABLE


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a series' table, by the names of the images."""
    with (folder / SUMMARY).open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@dataclass
class Person:
    """Who sits before the window; counts clicks and dialogs, and takes the time."""

    viewer: napari.Viewer
    clicks: int = 0
    dialogs: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    visits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dock = open_dock(self.viewer)
        self.control = self.dock.control(SegmentControl)
        self.tab, self.section = self.control.tab, self.control.tab.series
        self.wait(lambda: not self.control.loader.is_busy)

    @property
    def session(self) -> Session:
        """What the tabs share."""
        return session_of(self.viewer)

    @property
    def mask(self) -> Labels:
        """The mask of the image that is looked at."""
        _, result = self.session.current
        assert result is not None
        found = result.mask()
        assert found is not None
        return found

    @property
    def seen(self) -> list[str]:
        """The photographs that are seen."""
        return [each.name for each in self.session.images() if each.visible]

    def wait(self, until: Callable[[], bool]) -> None:
        """Let the window work until something is so."""
        ends = time.monotonic() + _PATIENCE_S
        while not until():
            if time.monotonic() > ends:
                raise TimeoutError("the window waits for something that does not come")
            QApplication.processEvents()
            time.sleep(0.001)

    def rest(self) -> None:
        """Wait until the image that is wished for is there, with its truth."""
        work, pictures = self.dock.work, self.session.pictures
        self.wait(lambda: pictures.wish is None and not work.is_at_files)
        self.wait(lambda: not self.dock.is_refreshing)

    def click(self, button: QPushButton) -> None:
        """Click a button."""
        self.wait(button.isEnabled)
        self.clicks += 1
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Take the time."""
        began = time.perf_counter()
        yield
        self.seconds[what] = round(time.perf_counter() - began, 3)

    @contextmanager
    def dialog(self, name: str, answer: object) -> Iterator[None]:
        """Answer a dialog, and count it."""

        def answered(*_: object) -> object:
            self.dialogs += 1
            return answer

        with patch.object(QFileDialog, name, answered):
            yield

    def choose_model(self, name: str) -> None:
        """Choose a model from the list: one click unfolds it, one chooses."""
        combo = self.tab.model.combo
        self.clicks += 2
        combo.setCurrentIndex(combo.findData(name))
        combo.activated.emit(combo.currentIndex())
        self.wait(lambda: not self.control.loader.is_busy)
        self.wait(lambda: self.session.model_origin == name)

    def read_table(self, table: Path) -> None:
        """Let a table be read and shown."""
        self.click(self.section.fold.button)
        with self.dialog("getOpenFileName", (str(table), "")):
            self.click(self.section.table_button)
        self.wait(self.section.plan.start_button.isEnabled)

    def segment(self, folder: Path) -> None:
        """Let all of them be segmented into a folder."""
        with self.dialog("getExistingDirectory", str(folder)):
            self.click(self.section.plan.start_button)
        self.wait(lambda: len(self.section.rows) > 0)
        self.wait(lambda: not self.dock.work.is_busy)
        self.rest()

    def worst_first(self) -> None:
        """Sort by Dice, and go to the worst one."""
        self.click(self.section.results.worst_button)
        self.next()

    def next(self) -> None:
        """Go to the next image."""
        began = time.perf_counter()
        self.click(self.tab.image.browse.next_button)
        self.rest()
        self.visits.append(round(time.perf_counter() - began, 3))

    def paint(self) -> None:
        """Go with the finest brush over what is too much and what is missed."""
        truth = self.session.truths.of(self.session.image)
        assert truth is not None
        is_lesion = np.asarray(truth.labels.data) > 0
        mask = self.mask
        self.viewer.layers.selection = {mask}
        mask.mode, mask.brush_size = "paint", 1
        for label in (0, 1):
            wrong = (np.asarray(mask.data) != label) & (is_lesion == label)
            with mask.block_history():  # one stroke
                for place in np.argwhere(wrong):
                    mask.paint(tuple(place), label)
        mask.mode = "pan_zoom"
        self.wait(lambda: self.tab.result.save_button.text() == "Save")

    def save(self) -> None:
        """Save the correction where the mask lies."""
        self.click(self.tab.result.save_button)
        pictures = self.session.pictures
        self.wait(lambda: pictures.current.row["status"] == "corrected")
        self.rest()


def way_through(person: Person, table: Path, out: Path) -> dict[str, object]:
    """Go the whole way; return the counts and the times."""
    with person.timed("read and show the table"):
        person.choose_model(MODEL)
        person.read_table(table)
    with person.timed("segment"):
        person.segment(out)
    to_the_table = person.clicks, person.dialogs
    person.worst_first()
    for _ in range(N_WORST - 1):
        person.next()
    with person.timed("paint"):
        person.paint()
    with person.timed("save"):
        person.save()
    rows = rows_of(out)
    dice = [float(row["lesion Dice"]) for row in rows.values()]
    return {
        "images": len(rows),
        "clicks_to_the_table": to_the_table[0],
        "dialogs_to_the_table": to_the_table[1],
        "clicks": person.clicks,
        "dialogs": person.dialogs,
        "seconds": person.seconds,
        "next_median_s": float(np.median(person.visits)),
        "next_worst_s": max(person.visits),
        "mean_dice": round(float(np.mean(dice)), 4),
        "corrected": sum(row["status"] == "corrected" for row in rows.values()),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--cohort", type=Path, help=f"folder with {TABLE}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        drawn, out = Path(folder, "isic"), Path(folder, "out")
        out.mkdir()
        given = options.cohort
        table = given / TABLE if given else write_isic(drawn, options.images)
        viewer = napari.Viewer()
        found = way_through(Person(viewer), table, out)
        viewer.close()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
