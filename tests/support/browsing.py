"""A series of images that was segmented into a folder, and who goes through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from desk import Desk
from PIL import Image as File
from viewer_fakes import make_segmentation

from napari_dmoe.cohorts.series.rows import series_row
from napari_dmoe.cohorts.series.table import SUMMARY, write_rows
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.segment.browse.view import BrowseBar
from napari_dmoe.viewer.session.pictures import Picture

N = 12
SHAPE = 12, 9
SEVERITIES = "healthy", "glaucoma"


def segmented(image: SpatialImage, severity: str) -> Segmentation:
    """Return the mask of a series: a healthy cup has 1 pixel, one with glaucoma 9."""
    return make_segmentation(image, value=severity)


def fill(desk: Desk, folder: Path, n: int = N) -> list[Picture]:
    out, made = folder / "out", []
    for number in range(n):
        path = folder / f"im{number:02}.png"
        File.fromarray(np.full(SHAPE, 10 + number, np.uint8)).save(path)
        image = read_image(path)
        severity = SEVERITIES[number % 2]
        patient, result = Patient(severity=severity), segmented(image, severity)
        saved = save_segmentation(out, path.stem, result, image)
        row = series_row(
            path.stem,
            "segmented",
            f"segmented for {severity}",
            file=path.name,
            patient=patient,
            record=result.provenance,
            files={
                "labels": saved.labels.name,
                "record": f"{path.stem}.labels.json",
                "source": f"../{path.name}",
            },
            further={"dx": "nv"},
        )
        row["cup Dice"] = f"0.{n - number:02}"
        made.append(Picture(path.stem, path, None, patient, saved.labels, row=row))
    write_rows(out / SUMMARY, [each.row for each in made])
    desk.session.pictures.fill(made, out)
    desk.settle()
    return made


def bar(desk: Desk) -> BrowseBar:
    return desk.segmenting.tab.image.browse


def wait(desk: Desk) -> None:
    control = desk.segmenting.browse
    desk.qtbot.waitUntil(lambda: not control.is_opening)
    desk.wait_until_idle()


def step(desk: Desk, n: int = 1) -> None:
    """Press Next, or Previous, and wait until the image is there."""
    button = bar(desk).next_button if n > 0 else bar(desk).previous_button
    for _ in range(abs(n)):
        desk.click(button)
        wait(desk)
