"""``napari-dmoe demo``: the main job, on a real photograph and on a phantom.

With a display it opens napari with the results; without one, or with ``--output``, it
writes pictures, masks, routing maps, their records and one page that shows them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dmoe.cli.outcome import clear_errors, progress_bar

if TYPE_CHECKING:
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.segmentation import Segmentation
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient

MODEL = "fundus-phantom"
DEFAULT_OUTPUT = Path("napari-dmoe-demo")
PAGE = "index.html"


@dataclass(frozen=True)
class _Example:
    """One image of the demo and its patient."""

    name: str
    title: str
    image: SpatialImage
    patient: Patient


def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write files into this folder, open no window."
        ),
    ] = None,
) -> None:
    """Segment a real photograph and a phantom; show the masks and their routing."""
    if output is None and has_display():
        from napari_dmoe.viewer.demonstration import show_demo

        show_demo()
        return
    if output is None:
        typer.echo(f"no display, or no napari: writing to {DEFAULT_OUTPUT}")
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.models.checkpoint import load_checkpoint
        from napari_dmoe.progress import Progress

        folder = output or DEFAULT_OUTPUT
        loaded = load_checkpoint(MODEL)
        examples = _examples()
        shown = []
        for number, example in enumerate(examples):
            progress(Progress(number, len(examples), example.title))
            shown.append(_write(folder, example, loaded))
        page = _write_page(folder, loaded, shown)
    typer.echo(page)


def has_display() -> bool:
    """Say whether napari is installed and a window can open."""
    if find_spec("napari") is None or find_spec("qtpy") is None:
        return False
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return False
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def _examples() -> list[_Example]:
    from skimage.data import retina

    from napari_dmoe.cohorts.samples import sample_fundus
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.patient import Patient

    case = sample_fundus()
    photograph = SpatialImage.from_array(retina(), axes="yxc")
    return [
        _Example("retina", "Retina photograph (real, CC0)", photograph, Patient()),
        _Example("phantom", "Phantom fundus (synthetic)", case.image, case.patient),
    ]


def _write(folder: Path, example: _Example, loaded: LoadedModel) -> dict[str, object]:
    """Run one example, write its files, and return what the page shows of it."""
    from napari_dmoe.inference.export import save_segmentation
    from napari_dmoe.inference.segment import segment

    result = segment(loaded, example.image, example.patient)
    saved = save_segmentation(folder, example.name, result, example.image, routing=True)
    pictures = _write_pictures(folder, example, result)
    record = result.provenance
    driver = record.driver
    return {
        "title": example.title,
        "driver": driver.attribute if driver else "",
        "value": (driver.value if driver else None) or "unknown",
        "mixed": [] if driver is None or driver.value else _shares(result),
        "pictures": pictures,
        "sizes": _sizes(example.image, result),
        "notices": record.notices,
        "files": [path.name for path in (saved.labels, saved.routing) if path],
    }


def _write_pictures(
    folder: Path, example: _Example, result: Segmentation
) -> list[dict[str, str]]:
    import imageio.v3 as iio

    from napari_dmoe.inference.pictures import (
        experts_picture,
        mask_picture,
        picture_of,
    )

    base = picture_of(example.image)
    pictures = {
        ("mask", "mask"): mask_picture(base, result.labels, result.classes),
    }
    if result.routing is not None:
        gates = result.routing.mean()
        for block in range(result.routing.n_blocks):
            pictures[f"block{block}", f"dominant expert, block {block}"] = (
                experts_picture(base, gates[block], result.routing.grid)
            )
    written = []
    for (suffix, caption), picture in pictures.items():
        path = folder / f"{example.name}.{suffix}.png"
        iio.imwrite(path, picture)
        written.append({"file": path.name, "caption": caption})
    return written


def _shares(result: Segmentation) -> list[str]:
    maps = result.routing
    if maps is None:
        return []
    return [f"{v} {w:.0%}" for v, w in zip(maps.values, maps.weights, strict=True)]


def _sizes(image: SpatialImage, result: Segmentation) -> list[dict[str, str]]:
    """Return a row per class and one for the ratio; ranges over an unknown driver."""
    from napari_dmoe.imaging.spatial import SpatialImage as Image
    from napari_dmoe.inference.measures import class_sizes, cup_to_disc

    masks = [result.labels, *result.by_value.values()]
    tables = [
        class_sizes(Image(mask, ("y", "x"), image.affine, image.unit), result.classes)
        for mask in masks
    ]
    rows = []
    for sizes in zip(*tables, strict=True):
        digits = "{:,.0f}" if sizes[0].unit == "px" else "{:.2f}"
        values = [size.size for size in sizes]
        rows.append(_row(f"{sizes[0].name} ({sizes[0].unit})", values, digits))
    ratios = [ratio for m in masks if (ratio := cup_to_disc(m, result.classes))]
    if ratios:
        rows.append(_row("cup/disc (area)", [r.area for r in ratios], "{:.2f}"))
        vertical = [r.vertical for r in ratios]
        rows.append(_row("cup/disc (vertical)", vertical, "{:.2f}"))
    return rows


def _row(name: str, values: list[float], digits: str) -> dict[str, str]:
    """Return a table row: the first value, and the range of the others."""
    first, *others = values
    ends = (digits.format(end) for end in (min(others), max(others))) if others else ()
    return {"name": name, "value": digits.format(first), "range": " to ".join(ends)}


def _write_page(
    folder: Path, loaded: LoadedModel, shown: list[dict[str, object]]
) -> Path:
    from importlib import resources

    from jinja2 import Environment

    from napari_dmoe.imaging.atomic import write_text
    from napari_dmoe.inference.colours import class_colours, expert_colours
    from napari_dmoe.inference.provenance import RESEARCH_ONLY

    source = (resources.files("napari_dmoe.cli") / "demo.html.j2").read_text("utf-8")
    classes = class_colours(loaded.card.classes)
    page = (
        Environment(autoescape=True)
        .from_string(source)
        .render(
            card=loaded.card,
            sha256=loaded.sha256,
            statement=RESEARCH_ONLY,
            examples=shown,
            classes=[
                (loaded.card.classes[label], colour)
                for label, colour in classes.items()
            ],
            experts=list(enumerate(expert_colours(loaded.config.n_experts))),
        )
    )
    write_text(folder / PAGE, page)
    return folder / PAGE
