"""``napari-dmoe demo``: the main job on fundi, a skin lesion and CT volumes.

With a display it opens napari with the results; without one, or with ``--output``, it
writes pictures, masks, routing maps, their records and one page that shows them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dmoe.cli.outcome import clear_errors, progress_bar
from napari_dmoe.cli.printing import say

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import Case
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.results.routing import RoutingMaps
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient

DEFAULT_OUTPUT = Path("napari-dmoe-demo")
PAGE = "index.html"


def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write files into this folder, open no window."
        ),
    ] = None,
) -> None:
    """Segment fundi, a skin lesion and CT volumes; show the masks and their routing."""
    if output is None and has_display():
        from napari_dmoe.viewer.demonstration import show_demo

        show_demo()
        return
    if output is None:
        say(f"no display, or no napari: writing to {DEFAULT_OUTPUT}")
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.progress import Progress

        folder, shown = output or DEFAULT_OUTPUT, []
        all_examples = examples()
        for number, example in enumerate(all_examples):
            progress(Progress(number, len(all_examples), example.title))
            shown.append(write_example(folder, example))
        page = _write_page(folder, shown)
    say(page)


def has_display() -> bool:
    """Say whether napari is installed and a window can open."""
    if find_spec("napari") is None or find_spec("qtpy") is None:
        return False
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return False
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def _write_page(folder: Path, shown: list[dict[str, Any]]) -> Path:
    from jinja2 import Environment

    from napari_dmoe.imaging.atomic import write_text
    from napari_dmoe.inference.results.provenance import RESEARCH_ONLY

    source = (resources.files("napari_dmoe.cli") / "demo.html.j2").read_text("utf-8")
    template = Environment(autoescape=True).from_string(source)
    page = template.render(statement=RESEARCH_ONLY, examples=shown)
    write_text(folder / PAGE, page)
    return folder / PAGE


@dataclass(frozen=True)
class Example:
    """One image of the demo, its patient, and the model to run."""

    name: str
    """Beginning of its files' names."""
    title: str
    model: str
    """Name of a bundled checkpoint."""
    image: SpatialImage
    patient: Patient
    note: str = ""
    """What a reader must know of the result; may be empty."""


def examples() -> list[Example]:
    """Return the three kinds: fundi, a skin lesion, and two CT volumes."""
    from skimage.data import retina

    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.patient import Patient
    from napari_dmoe.phantoms import samples

    photo = SpatialImage.from_array(retina(), axes="yxc")
    real = "Retina photograph (real)"
    ct = samples.sample_ct()
    return [
        Example("retina", real, "fundus-phantom", photo, Patient()),
        _phantom("fundus", "fundus-race-phantom", samples.sample_fundus()),
        _phantom("skin", "skin-phantom", samples.sample_skin()),
        _phantom("pelvis", "pelvis-phantom", samples.sample_pelvis()),
        Example(
            "ct",
            "CT of abdomen and pelvis (real)",
            "pelvis-phantom",
            ct.image,
            Patient(severity="T4"),
            note="The model has only seen made-up volumes and does not find this "
            "prostate reliably: the picture shows how a real CT is run and placed, not "
            "what a trained model would give.",
        ),
    ]


def _phantom(name: str, model: str, case: Case) -> Example:
    title = f"Phantom {name} (synthetic)"
    return Example(name, title, model, case.image, case.patient)


@cache
def _loaded(name: str) -> LoadedModel:
    from napari_dmoe.models.checkpoint import load_checkpoint

    return load_checkpoint(name)


def write_example(folder: Path, example: Example) -> dict[str, Any]:
    """Run one example, write its files, and return what the page shows of it."""
    from napari_dmoe.inference.pictures.colours import class_colours, expert_colours
    from napari_dmoe.inference.results.export import save_segmentation
    from napari_dmoe.inference.running.segment import segment

    loaded = _loaded(example.model)
    result = segment(loaded, example.image, example.patient)
    saved = save_segmentation(folder, example.name, result, example.image, routing=True)
    pictures, caption = _write_pictures(folder, example, result)
    maps, drivers = result.routing, result.provenance.drivers
    is_mixed = any(driver.value is None for driver in drivers)
    return {
        "title": example.title,
        "note": example.note,
        "card": loaded.card,
        "sha256": loaded.sha256,
        "classes": [
            (loaded.card.classes[label], colour)
            for label, colour in class_colours(loaded.card.classes).items()
        ],
        "experts": list(enumerate(expert_colours(maps.n_experts if maps else 0))),
        "drivers": [
            (driver.attribute.replace("_", " "), driver.value or "unknown")
            for driver in drivers
        ],
        "mixed": _shares(maps) if maps and is_mixed else [],
        "slice": caption,
        "pictures": pictures,
        "sizes": list(_sizes(example.image, result)),
        "notices": result.provenance.notices,
        "files": [path.name for path in (saved.labels, *saved.routing)],
    }


def _write_pictures(
    folder: Path, example: Example, result: Segmentation
) -> tuple[list[dict[str, str]], str]:
    """Write the pictures; return names and captions, and which slice they show."""
    import imageio.v3 as iio

    from napari_dmoe.inference.pictures.result_pictures import result_pictures

    drawn = result_pictures(example.image, result)
    word = "block" if drawn.slice is None else "stage"
    named = {("mask", "mask"): drawn.mask} | {
        (f"{word}{i}", f"dominant expert, {word} {i}"): picture
        for i, picture in enumerate(drawn.experts)
    }
    written = []
    for (suffix, caption), picture in named.items():
        path = folder / f"{example.name}.{suffix}.png"
        iio.imwrite(path, picture)
        written.append({"file": path.name, "caption": caption})
    return written, "" if drawn.slice is None else f"slice {drawn.slice} along z"


def _shares(maps: RoutingMaps) -> list[str]:
    return [f"{v} {w:.0%}" for v, w in zip(maps.values, maps.weights, strict=True)]


def _sizes(image: SpatialImage, result: Segmentation) -> Iterator[dict[str, str]]:
    """Yield a row per class and one for the ratio; ranges over unknown drivers."""
    from napari_dmoe.imaging.spatial import SPATIAL_AXES
    from napari_dmoe.inference.masks.measures import class_sizes, cup_to_disc

    masks, classes = [result.labels, *result.by_value.values()], result.classes
    axes = SPATIAL_AXES[-result.labels.ndim :]
    # The pixel's size is the same in whichever order its axes stand.
    placed = [replace(image, data=mask, axes=axes) for mask in masks]
    for sizes in zip(*(class_sizes(m, classes) for m in placed), strict=True):
        digits = "{:,.0f}" if sizes[0].unit == "px" else "{:.2f}"
        name = f"{sizes[0].name} ({sizes[0].unit})"
        yield _row(name, [size.size for size in sizes], digits)
    ratios = [ratio for m in masks if (ratio := cup_to_disc(m, classes))]
    if ratios:
        yield _row("cup/disc (area)", [r.area for r in ratios], "{:.2f}")
        yield _row("cup/disc (vertical)", [r.vertical for r in ratios], "{:.2f}")


def _row(name: str, values: list[float], digits: str) -> dict[str, str]:
    """Return a table row: the first value, and the range of the others."""
    first, *others = values
    ends = (digits.format(end) for end in (min(others), max(others))) if others else ()
    return {"name": name, "value": digits.format(first), "range": " to ".join(ends)}
