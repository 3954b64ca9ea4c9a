"""``napari-dmoe demo``: the main job on fundi, a skin lesion and CT volumes.

With a display it opens napari with the results; without one, or with ``--output``, it
writes pictures, masks, routing maps, their records and one page that shows them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_dmoe.cli.options import Overwrite
from napari_dmoe.cli.outcome import clear_errors, progress_bar
from napari_dmoe.cli.printing import say

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import Case
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.results.provenance import DriverRecord
    from napari_dmoe.inference.results.routing import RoutingMaps
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient
    from napari_dmoe.progress import ProgressHook

DEFAULT_OUTPUT = Path("napari-dmoe-demo")
PAGE = "index.html"

_BYTES = 30_000_000
"""All files of a demo, rounded up."""
_TITLE = "<title>napari-dmoe demo</title>"
_WRITTEN = re.compile(
    r"\.((labels|routing(-\d+)?)\.(tif|nii\.gz|json)|(mask|(block|stage)\d+)\.png)$"
)
"""How the names end of what a demo writes of an example."""
_OPEN_DISPLAY = "from qtpy.QtWidgets import QApplication; QApplication([])"
_DISPLAY_SECONDS = 60


def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write files into this folder, open no window."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Segment fundi, a skin lesion and CT volumes; show the masks and their routing."""
    if output is None and has_display():
        with clear_errors():
            refuse_dead_display()
        from napari_dmoe.viewer.demonstration import show_demo

        show_demo()
        return
    if output is None:
        say(f"no display, or no napari: writing to {DEFAULT_OUTPUT}")
    with clear_errors(), progress_bar() as progress:
        page = write_demo(output or DEFAULT_OUTPUT, progress, overwrite=overwrite)
    say(page)


def write_demo(folder: Path, progress: ProgressHook, *, overwrite: bool) -> Path:
    """Write all examples into a folder, and return their page, which is written last.

    Raises
    ------
    ExistingFileError
        When a file is in the way that no earlier demo wrote; nothing is changed.
    FolderError
        When the folder cannot be written, or another run writes into it.
    """
    from napari_dmoe.imaging.disk.claims import claimed
    from napari_dmoe.progress import Progress

    shown, all_examples = [], examples()
    with claimed(folder, needs_bytes=_BYTES):
        if not overwrite:
            _refuse_foreign(folder, all_examples)
        (folder / PAGE).unlink(missing_ok=True)  # a page stands for a whole demo
        for number, example in enumerate(all_examples):
            progress(Progress(number, len(all_examples), example.title))
            shown.append(write_example(folder, example, overwrite=overwrite))
        return _write_page(folder, shown)


def _refuse_foreign(folder: Path, all_examples: Sequence[Example]) -> None:
    """Refuse to replace a page, a mask or a picture that no demo wrote."""
    from napari_dmoe.inference.results.replacing import (
        ExistingFileError,
        refuse_foreign,
    )
    from napari_dmoe.inference.results.sidecars import images_in, same_image
    from napari_dmoe.inference.running.recording import image_record

    foreign: list[Path] = []
    page = folder / PAGE
    is_ours = page.is_file() and _TITLE in page.read_text("utf-8", "replace")
    if os.path.lexists(page) and not is_ours:
        foreign.append(page)
    for example in all_examples:
        image, masks = image_record(example.image), folder.glob(f"{example.name}.*")
        named = sorted(path for path in masks if _WRITTEN.search(path.name))
        refuse_foreign([p for p in named if p.suffix != ".png"], image)
        found = images_in(folder / f"{example.name}.labels.json")
        if not found or not all(same_image(each, image) for each in found):
            foreign += [path for path in named if path.suffix == ".png"]
    if foreign:
        raise ExistingFileError(
            f"{foreign[0]} is there already, and of no demo: choose another folder "
            "(--overwrite would replace it)"
        )


def has_display() -> bool:
    """Say whether napari is installed and a window can open."""
    if find_spec("napari") is None or find_spec("qtpy") is None:
        return False
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return False
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def refuse_dead_display() -> None:
    """Refuse a display on which no window opens: Qt would end the process, by a signal.

    Another process tries it, since only Qt knows what it needs.

    Raises
    ------
    OSError
        When no window opens there; says what Qt says.
    """
    import subprocess

    from napari_dmoe.training.child.interpreter import (
        python_command,
        python_environment,
    )

    command, wait = python_command("-c", _OPEN_DISPLAY), _DISPLAY_SECONDS
    options: dict[str, Any] = {"env": python_environment(), "errors": "replace"}
    try:
        tried = subprocess.run(command, capture_output=True, timeout=wait, **options)
        said = [line.strip() for line in tried.stderr.splitlines() if line.strip()]
    except subprocess.TimeoutExpired:
        said = [f"the display did not answer within {wait} s"]
    else:
        if tried.returncode == 0:
            return
    why = next((line for line in said if "display" in line), " ".join(said[:1]))
    raise OSError(
        f"no window can be opened: {why or 'Qt gave no reason'}. Write files instead, "
        "with --output FOLDER"
    )


def _write_page(folder: Path, shown: list[dict[str, Any]]) -> Path:
    from jinja2 import Environment

    from napari_dmoe.imaging.disk.atomic import write_text
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
    from napari_dmoe.phantoms.fundus.cohort import fundus_race_case

    photo = SpatialImage.from_array(retina(), axes="yxc")
    real = "Retina photograph (real)"
    ct = samples.sample_ct()
    return [
        Example("retina", real, "fundus-phantom", photo, Patient()),
        _phantom("fundus", "fundus-race-phantom", fundus_race_case(8, 2)),
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


def write_example(
    folder: Path, example: Example, *, overwrite: bool = False
) -> dict[str, Any]:
    """Run one example, write its files, and return what the page shows of it."""
    from napari_dmoe.inference.masks.headline import mask_headline
    from napari_dmoe.inference.pictures.colours import class_colours, expert_colours
    from napari_dmoe.inference.pictures.drawing import TINT
    from napari_dmoe.inference.results.export import save_segmentation
    from napari_dmoe.inference.running.segment import segment

    loaded = _loaded(example.model)
    result = segment(loaded, example.image, example.patient)
    saved = save_segmentation(
        folder, example.name, result, example.image, routing=True, overwrite=overwrite
    )
    pictures, caption = _write_pictures(folder, example, result)
    maps, drivers = result.routing, result.provenance.drivers
    n_experts = maps.n_experts if maps else 0
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
        "experts": list(enumerate(expert_colours(n_experts, opacity=TINT))),
        "drivers": list(map(_stated, drivers)),
        "mixed": _shares(maps) if maps and is_mixed else [],
        "slice": caption,
        "pictures": pictures,
        "headline": mask_headline(result.labels, result.provenance, example.image),
        "sizes": list(_sizes(example.image, result)),
        "verdicts": _verdicts(loaded, example),
        "notices": result.provenance.notices,
        "files": [path.name for path in (saved.labels, *saved.routing)],
    }


def _stated(driver: DriverRecord) -> tuple[str, str]:
    return driver.attribute.replace("_", " "), driver.value or "unknown"


def _verdicts(loaded: LoadedModel, example: Example) -> list[str]:
    """Say of each driver whether it matters here; not of volumes, which take long."""
    from napari_dmoe.inference.what_if.sweep import sweep

    if loaded.card.dims == 3:
        return []
    image, patient = example.image, example.patient
    return [
        sweep(loaded, image, attribute=each.name, patient=patient).headline
        for each in loaded.card.attributes
    ]


def _write_pictures(
    folder: Path, example: Example, result: Segmentation
) -> tuple[list[dict[str, str]], str]:
    """Write the pictures; return names and captions, and which slice they show."""
    import imageio.v3 as iio

    from napari_dmoe.imaging.disk.atomic import atomic_path
    from napari_dmoe.inference.pictures.result_pictures import result_pictures

    drawn = result_pictures(example.image, result)
    word = result.provenance.unit
    named = {("mask", "mask"): drawn.mask} | {
        (f"{word}{i}", f"dominant expert, {word} {i}"): picture
        for i, picture in enumerate(drawn.experts)
    }
    written = []
    for (suffix, caption), picture in named.items():
        path = folder / f"{example.name}.{suffix}.png"
        with atomic_path(path) as partial:
            iio.imwrite(partial, picture, extension=".png")
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
    """Return a table row: the first value, and the range where there are others."""
    ends = (min(values), max(values)) if len(values) > 1 else ()
    said = " to ".join(map(digits.format, ends))
    return {"name": name, "value": digits.format(values[0]), "range": said}
