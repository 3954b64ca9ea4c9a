"""The way through many photographs: from a published table to a saved correction.

The photographs are drawn, and written as ISIC publishes them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import napari
from qtpy.QtWidgets import QWidget
from screenshots.tools import COMFORTABLE, NARROW, Shooter, settle

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from two_hundred import MODEL, Person, write_isic

N, N_WORST = 200, 10


def two_hundred(viewer: napari.Viewer, dock: QWidget, shoot: Shooter) -> None:
    """Go the way that ``benchmarks/two_hundred.py`` counts, with pictures of it."""
    person, steps = Person(viewer), iter(range(1, 7))

    def take() -> None:
        settle(1)
        path = shoot.folder / f"two-hundred-{next(steps)}.png"
        viewer.window.screenshot(str(path), canvas_only=False, flash=False)

    dock.setMinimumWidth(COMFORTABLE)
    with tempfile.TemporaryDirectory() as folder:
        table, out = write_isic(Path(folder, "isic"), N), Path(folder, "masks")
        out.mkdir()
        person.choose_model(MODEL)
        person.read_table(table)
        take()
        person.segment(out)
        take()
        person.worst_first()
        take()
        for _ in range(N_WORST - 1):
            person.next()
        take()
        person.paint()
        person.tab.body.verticalScrollBar().setValue(0)
        take()
        person.save()
        person.tab.body.show_from(person.section.table)
        take()
    dock.setMinimumWidth(NARROW)
