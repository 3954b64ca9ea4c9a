"""How much memory it takes to look at image after image of a series.

Run it with ``python benchmarks/visits.py``, under Xvfb where there is no display. A
fresh process draws images with masks and goes through them in a window with its dock,
as Next does, round after round; now and then the memory is read. Layers of images left
behind must go, and with them what they held.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from PIL import Image as File
from qtpy.QtWidgets import QApplication

from napari_dmoe.cohorts.series.rows import series_row
from napari_dmoe.imaging.files import read_image
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.skin.cohort import skin_case
from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.session.pictures import Picture
from napari_dmoe.viewer.session.session import session_of

MODEL = "skin-phantom"
_LONGEST_S = 60


def draw(folder: Path, n: int, side: int) -> list[Picture]:
    """Draw images and write the same mask for each: what it shows does not matter."""
    model, made, first = load_checkpoint(MODEL), [], None
    for number in range(n):
        path = folder / f"im{number:03}.png"
        drawn = skin_case(0, number, size=(side, side)).image.data
        File.fromarray(drawn).save(path, compress_level=1)
        image = read_image(path)
        first = segment(model, image, Patient(age=40)) if first is None else first
        saved = save_segmentation(folder / "out", path.stem, first, image)
        row = series_row(path.stem, "segmented", "", record=first.provenance)
        made.append(
            Picture(path.stem, path, None, Patient(age=40), saved.labels, row=row)
        )
    return made


def memory_mib() -> float:
    """Return what this process holds of the memory, after a look for garbage."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def wait(until: Callable[[], bool]) -> None:
    """Let the window work until something is so."""
    ends = time.monotonic() + _LONGEST_S
    while not until():
        if time.monotonic() > ends:
            raise TimeoutError("the window waits for something that does not come")
        QApplication.processEvents()
        time.sleep(0.001)


def visit(n_visits: int, n_images: int, side: int, folder: Path) -> dict[str, object]:
    """Go through the images; return memory, layers and times."""
    pictures = draw(folder, n_images, side)
    viewer = napari.Viewer()
    dock = open_dock(viewer)
    control = dock.control(SegmentControl)
    session = session_of(viewer)
    wait(lambda: not control.loader.is_busy)
    session.pictures.fill(pictures, folder / "out")
    found: dict[str, float] = {}
    seconds: list[float] = []
    most_layers = 0
    marks = {min(n_visits, each) for each in (50, n_visits // 2, n_visits)}
    for number in range(1, n_visits + 1):
        began = time.perf_counter()
        if not session.pictures.go(1):
            session.pictures.open(0)
        wait(lambda: session.pictures.wish is None)
        seconds.append(time.perf_counter() - began)
        QApplication.processEvents()
        most_layers = max(most_layers, len(viewer.layers))
        if number in marks:
            wait(lambda: not dock.is_refreshing)
            found[str(number)] = round(memory_mib(), 1)
    first, *_, last = found.values()
    viewer.close()
    return {
        "visits": n_visits,
        "images": n_images,
        "side": side,
        "memory_mib": found,
        "growth_mib": round(last - first, 1),
        "one_image_mib": round(side * side * 4 / 2**20, 2),
        "most_layers": most_layers,
        "visit_median_s": round(float(np.median(seconds)), 3),
        "visit_worst_s": round(max(seconds), 3),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=500)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--side", type=int, default=512, help="pixels of an image")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = options.visits, options.images, options.side
        print(json.dumps(visit(*sizes, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
