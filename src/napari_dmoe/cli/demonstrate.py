"""``napari-dmoe demo``: the main job on fundi, a skin lesion and CT volumes.

With a display it opens napari with the results; without one, or with ``--output``, it
writes pictures, masks, routing maps, their records and one page that shows them.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_dmoe.cli.outcome import clear_errors, progress_bar

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
        typer.echo(f"no display, or no napari: writing to {DEFAULT_OUTPUT}")
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.cli.demo_examples import examples, write_example
        from napari_dmoe.progress import Progress

        folder, shown = output or DEFAULT_OUTPUT, []
        all_examples = examples()
        for number, example in enumerate(all_examples):
            progress(Progress(number, len(all_examples), example.title))
            shown.append(write_example(folder, example))
        page = _write_page(folder, shown)
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


def _write_page(folder: Path, shown: list[dict[str, Any]]) -> Path:
    from importlib import resources

    from jinja2 import Environment

    from napari_dmoe.imaging.atomic import write_text
    from napari_dmoe.inference.results.provenance import RESEARCH_ONLY

    source = (resources.files("napari_dmoe.cli") / "demo.html.j2").read_text("utf-8")
    template = Environment(autoescape=True).from_string(source)
    page = template.render(statement=RESEARCH_ONLY, examples=shown)
    write_text(folder / PAGE, page)
    return folder / PAGE
