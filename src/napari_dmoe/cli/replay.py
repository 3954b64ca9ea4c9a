"""``napari-dmoe replay``: make a result again from its record."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dmoe.cli.options import Card, Checkpoint, Overwrite
from napari_dmoe.cli.outcome import clear_errors, progress_bar
from napari_dmoe.cli.printing import say, say_above_bar

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
    overwrite: Overwrite = False,
) -> None:
    """Make a mask again from its record, and say whether it is the same.

    With --output the mask is written, with its probabilities if the run kept them; of
    a vote of noise samples also the votes for each class, and their entropy.

    Ends with 0 where it is, but for near ties; with 1 where it is another one; with 2
    where checkpoint, image or settings are not those of the record.
    """
    with clear_errors(), progress_bar() as progress:
        from napari_dmoe.imaging.disk.claims import claimed
        from napari_dmoe.imaging.files import read_image
        from napari_dmoe.inference.replaying.replay import notices_before
        from napari_dmoe.inference.replaying.replay import replay as run
        from napari_dmoe.inference.results.export import room_for_mask
        from napari_dmoe.models.checkpoint import load_checkpoint

        record, labels = _read(source)
        loaded = load_checkpoint(checkpoint, card)
        pixels = read_image(image)
        written: list[Path] = []
        with ExitStack() as claims:
            if output is not None:
                needs = room_for_mask(pixels)
                claims.enter_context(claimed(output, needs_bytes=needs))
                dims = loaded.card.dims
                _refuse_foreign(output, image, pixels, dims=dims, overwrite=overwrite)
            for notice in notices_before(record, loaded):
                say_above_bar(f"notice: {notice}")
            made = run(record, loaded, pixels, labels=labels, progress=progress)
            if output is not None:
                written = _write(
                    output,
                    _stem(image),
                    made.result,
                    pixels,
                    routing=routing or _is_of_gates(source),
                    overwrite=overwrite,
                )
    say(made.sentence)
    if written:
        say(f"Written: {', '.join(path.name for path in written)}.")
    if made.verdict == "different":
        raise typer.Exit(DIFFERENT)


def _stem(image: Path) -> str:
    from napari_dmoe.imaging.disk.output_names import output_stem
    from napari_dmoe.imaging.files import image_stem

    return f"{output_stem(image_stem(image))}.replay"


def _is_of_gates(record: Path) -> bool:
    """Say whether a record lies beside gates: NAME.routing.json, or a stage's."""
    return re.search(r"\.routing(-\d+)?(\.tif|\.nii\.gz)?$", record.stem) is not None


def _refuse_foreign(
    folder: Path, image: Path, pixels: SpatialImage, *, dims: int, overwrite: bool
) -> None:
    """Refuse before the run what would be refused when it is saved."""
    from napari_dmoe.inference.results.replacing import refuse_foreign
    from napari_dmoe.inference.running.recording import image_record

    suffix = "nii.gz" if dims == 3 else "tif"
    mask = folder / f"{_stem(image)}.labels.{suffix}"
    refuse_foreign([mask], image_record(pixels), overwrite=overwrite)


def _write(
    folder: Path,
    stem: str,
    result: Segmentation | Uncertainty,
    image: SpatialImage,
    *,
    routing: bool,
    overwrite: bool,
) -> list[Path]:
    """Write what was made again, and return the files; records lie beside them."""
    from napari_dmoe.inference.results.export import save_segmentation
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.inference.what_if.files import save_uncertainty

    if not isinstance(result, Segmentation):
        noise = save_uncertainty(folder, stem, result, image, overwrite=overwrite)
        return [noise.labels, noise.votes, noise.entropy]
    saved = save_segmentation(
        folder, stem, result, image, routing=routing, overwrite=overwrite
    )
    maps = [] if saved.probabilities is None else [saved.probabilities]
    return [saved.labels, *saved.routing, *maps]


def _read(source: Path) -> tuple[Provenance, NDArray[np.uint8] | None]:
    from napari_dmoe.inference.replaying import case_files

    if source.suffix != case_files.CASE_SUFFIX:
        return case_files.read_record(source), None
    found = case_files.read_case(source)
    return found.record, found.labels
