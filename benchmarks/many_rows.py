"""How long the window stays still while a table of many images is used, as JSON.

Run it with ``python benchmarks/many_rows.py``, under Xvfb where there is no display.
A table as long as HAM10000's grows row by row, is scrolled, sorted, filtered, copied
and reopened, while a timer notes when the event loop comes round: the gaps between its
beats are how long a click would have waited. The rows are made up.

On a machine that others use the gaps are longer than what is done in them: the thread's
own work is told beside. What a version of the dock does not offer is told as null.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QCoreApplication, QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication

N_ROWS = 8_729
N_COMING = 200
BEAT_MS, BETWEEN_MS = 5, 30
LONGEST_GAP_MS = 100


def made_up(n: int) -> list[dict[str, str]]:
    """Return rows as ``segment.csv`` has them."""
    rng = np.random.default_rng(0)
    dice, sizes = rng.beta(6, 2, n), rng.integers(900, 90_000, n)
    rows = []
    for i in range(n):
        name = f"ISIC_{24_306 + i:07d}"
        status = "failed" if i % 400 == 7 else "segmented"
        is_done = status == "segmented"
        rows.append(
            {
                "id": name,
                "image": name,
                "file": f"{name}.jpg",
                "status": status,
                "headline": f"lesion {sizes[i]:,} px" if is_done else "",
                "outcome": f"segmented for age {20 + i % 60}, sex unknown",
                "sex": ("male", "female", "unknown")[i % 3],
                "age": str(20 + i % 60),
                "model": "skin.safetensors (0123abcd)",
                "settings": "",
                "lesion (px)": str(sizes[i]) if is_done else "",
                "lesion Dice": f"{dice[i]:.4f}" if is_done else "",
                "lesion IoU": f"{dice[i] / (2 - dice[i]):.4f}" if is_done else "",
                "labels": f"{name}.labels.tif" if is_done else "",
                "record": f"{name}.labels.tif.json" if is_done else "",
                "truth": f"../masks/{name}_segmentation.png",
                "source": f"images/{name}.jpg",
                "lesion_id": f"HAM_{i // 2:07d}",
                "dx": ("nv", "mel", "bkl")[i % 3],
            }
        )
    return rows


class Beats:
    """A timer that notes the moments at which the event loop comes round to it."""

    def __init__(self) -> None:
        self._times: list[tuple[float, float]] = []
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)

    def _beat(self) -> None:
        self._times.append((time.perf_counter(), time.thread_time()))

    def start(self) -> None:
        """Begin anew; the first beat is now."""
        self._times.clear()
        self._beat()
        self._timer.start()

    def stop(self) -> dict[str, float]:
        """Return the longest gap, and what belongs to it."""
        self._timer.stop()
        self._beat()
        gaps, own = 1000 * np.diff(np.array(self._times), axis=0).T
        return {
            "p95_ms": float(np.percentile(gaps, 95)),
            "max_ms": float(gaps.max()),
            "over_100_ms": int((gaps > LONGEST_GAP_MS).sum()),
            "max_of_own_work_ms": float(own.max()),
        }


def wait(is_so: Callable[[], bool], patience_s: float = 600.0) -> None:
    """Let the event loop run until something is so."""
    began, flags = time.perf_counter(), QEventLoop.ProcessEventsFlag.WaitForMoreEvents
    while not is_so():
        if time.perf_counter() - began > patience_s:
            raise TimeoutError("nothing came of it")
        QCoreApplication.processEvents(flags)


def gaps_of(acts: Iterator[None]) -> dict[str, float]:
    """Return the gaps while acts are done one after another, and a while after."""
    beats, is_over = Beats(), []
    timer = QTimer()
    timer.setInterval(BETWEEN_MS)

    def act() -> None:
        try:
            next(acts)
        except StopIteration:
            timer.stop()
            QTimer.singleShot(300, lambda: is_over.append(True))

    timer.timeout.connect(act)
    beats.start()
    timer.start()
    wait(lambda: bool(is_over))
    return beats.stop()


class Window:
    """The section of many images alone, in a dock of the usual width."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        try:
            from napari_dmoe.viewer.segment.many.view import SeriesSection
        except ImportError:
            from napari_dmoe.viewer.segment.many_images_view import SeriesSection
        self.section = SeriesSection()
        self.section.fold.unfold()
        self.table = self.section.table
        self.rows = rows
        self.is_new = hasattr(self.section, "results")
        self.section.resize(300, 700)
        self.section.show()
        self.fill(rows[:-N_COMING])

    def fill(self, rows: list[dict[str, str]]) -> None:
        """Show rows at once."""
        if self.is_new:
            self.section.results.show_rows(rows)
            return
        self.section.clear()
        self.section.rows = list(rows)
        self.section._open = [None] * len(rows)
        self.section._fill()

    def coming_in(self) -> Iterator[None]:
        """Let the last rows come in one by one, as a series tells them."""
        for row in self.rows[-N_COMING:]:
            if self.is_new:
                self.section.results.add_rows([row])
            else:
                self.section.add_row(row)
            yield

    def scroll(self) -> Iterator[None]:
        """Scroll from the first line to the last."""
        bar = self.table.verticalScrollBar()
        for step in range(100):
            bar.setValue(round(bar.maximum() * step / 99))
            yield

    def sort(self) -> Iterator[None]:
        """Click on the names of the columns."""
        self.table.setSortingEnabled(True)
        for step in range(12):
            order = (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder)[
                step % 2
            ]
            self.table.sortByColumn(step // 2 % 4, order)
            yield

    def filter(self) -> Iterator[None]:
        """Look for names, and choose some of the images."""
        results = self.section.results
        for text in ("I", "IS", "ISIC_002", "ISIC_0025", "", "7", "77", ""):
            results.find_edit.setText(text)
            yield
        for place in (1, 2, 0):
            results.filter_combo.setCurrentIndex(place)
            yield

    def all_columns(self) -> Iterator[None]:
        """Show every column, and the short ones again."""
        for is_whole in (True, False, True, False):
            self.section.results.all_box.setChecked(is_whole)
            yield

    def copy(self) -> Iterator[None]:
        """Copy the table."""
        self.section.found.copy_button.click()
        yield

    def measure(self) -> dict[str, Any]:
        """Return the gaps of each act."""
        acts: dict[str, Callable[[], Iterator[None]]] = {
            "rows come in": self.coming_in,
            "scroll": self.scroll,
            "sort": self.sort,
            "copy": self.copy,
        }
        only_new = {"filter": self.filter, "all columns": self.all_columns}
        found: dict[str, Any] = {name: gaps_of(act()) for name, act in acts.items()}
        for name, act in only_new.items():
            found[name] = gaps_of(act()) if self.is_new else None
        return found


def reopened(rows: list[dict[str, str]]) -> dict[str, float] | None:
    """Return the gaps while a finished folder is reopened in a dock."""
    import napari

    from napari_dmoe.imaging.tables import write_table
    from napari_dmoe.viewer.dock import DMoEDock
    from napari_dmoe.viewer.segment.control import SegmentControl

    viewer = napari.Viewer(show=True)
    dock = DMoEDock(viewer)
    viewer.window.add_dock_widget(dock, name="dMoE", area="right")
    control = dock.control(SegmentControl)
    if not hasattr(control, "reopening"):
        viewer.close()
        return None
    wait(lambda: not control.loader.is_busy)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "segment.csv")
        write_table(table, rows, list(rows[0]))
        section = control.tab.series
        control.tab.body.show_from(section)

        def acts() -> Iterator[None]:
            control.reopening.open(table)
            yield
            while len(section.rows) < len(rows):
                yield

        found = gaps_of(acts())
    viewer.close()
    return found


def main() -> None:
    """Measure, several times, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=N_ROWS)
    arguments = parser.parse_args()
    app = QApplication.instance() or QApplication([])
    rows = made_up(arguments.rows)
    runs = []
    for _ in range(arguments.repeats):
        window = Window(rows)
        run = window.measure()
        window.section.close()
        run["reopen"] = reopened(rows)
        runs.append(run)
    medians = {
        name: None
        if runs[0][name] is None
        else {
            key: round(statistics.median(run[name][key] for run in runs), 1)
            for key in runs[0][name]
        }
        for name in runs[0]
    }
    print(json.dumps({"rows": len(rows), "repeats": len(runs)} | medians, indent=2))
    app.quit()


if __name__ == "__main__":
    main()
