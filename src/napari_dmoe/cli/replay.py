"""``napari-dmoe replay``: make a result again from its record."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dmoe.cli.options import Card, Checkpoint
from napari_dmoe.cli.outcome import clear_errors, progress_bar
from napari_dmoe.cli.printing import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.results.provenance import Provenance
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.inference.what_if.uncertainty import Uncertainty

DIFFERENT = 1
"""Exit code of a replay that gave another mask."""


def replay(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CASE", help="A .dmoe-case file, or the JSON record of a mask."
        ),
    ],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image.")],
    checkpoint: Checkpoint,
    card: Card = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write in here what was made again."),
    ] = None,
    routing: Annotated[
        bool,
        typer.Option(
            "--routing", help="Also write the gates, as for the record of such a file."
        ),
    ] = False,
) -> None:
    """Make a mask again from its record, and say whether it is the same.

    With --output the mask is written, with its probabilities if the run kept them; of
    a vote of noise samples also the votes for each class, and their entropy.

    Ends with 0 where it is, but for near ties; with 1 where it is another one; with 2
    where checkpoint, image or settings are not those of the record.
    """
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.imaging.files import image_stem, read_image
        from napari_dmoe.inference.replaying.replay import replay as run
        from napari_dmoe.models.checkpoint import load_checkpoint

        record, labels = _read(source)
        loaded = load_checkpoint(checkpoint, card)
        pixels = read_image(image)
        made = run(record, loaded, pixels, labels=labels, progress=progress)
        written: list[Path] = []
        if output is not None:
            stem = f"{image_stem(image)}.replay"
            # Beside gates lies a record called NAME.routing.json, or a stage's.
            is_of_gates = re.search(r"\.routing(-\d+)?$", source.stem) is not None
            gates = routing or is_of_gates
            written = _write(output, stem, made.result, pixels, routing=gates)
    say(made.sentence)
    if written:
        say(f"Written: {', '.join(path.name for path in written)}.")
    if made.verdict == "different":
        raise typer.Exit(DIFFERENT)


def _write(
    folder: Path,
    stem: str,
    result: Segmentation | Uncertainty,
    image: SpatialImage,
    *,
    routing: bool,
) -> list[Path]:
    """Write what was made again, and return the files; records lie beside them."""
    from napari_dmoe.inference.results.export import save_segmentation
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.inference.what_if.files import save_uncertainty

    if not isinstance(result, Segmentation):
        noise = save_uncertainty(folder, stem, result, image)
        return [noise.labels, noise.votes, noise.entropy]
    saved = save_segmentation(folder, stem, result, image, routing=routing)
    maps = [] if saved.probabilities is None else [saved.probabilities]
    return [saved.labels, *saved.routing, *maps]


def _read(source: Path) -> tuple[Provenance, NDArray[np.uint8] | None]:
    from napari_dmoe.inference.replaying import case_files

    if source.suffix != case_files.CASE_SUFFIX:
        return case_files.read_record(source), None
    found = case_files.read_case(source)
    return found.record, found.labels
