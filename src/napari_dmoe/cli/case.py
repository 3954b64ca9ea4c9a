"""``napari-dmoe case``: pass a result on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_dmoe.cli.outcome import clear_errors
from napari_dmoe.cli.printing import say


def case(
    mask: Annotated[
        Path,
        typer.Argument(
            metavar="MASK", help="A mask that segment wrote, with its record beside it."
        ),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file: NAME.dmoe-case.")
    ],
) -> None:
    """Put a mask and its record into one file, without the image.

    A colleague who has the image and the checkpoint can replay it.
    """
    with clear_errors():
        import numpy as np

        from napari_dmoe.imaging.files import image_stem, read_image
        from napari_dmoe.inference.replaying.case_files import (
            CaseFileError,
            in_order_of_result,
            read_record,
            write_case,
        )
        from napari_dmoe.inference.results.provenance import labels_sha256

        record = read_record(mask.with_name(f"{image_stem(mask)}.json"))
        labels = in_order_of_result(read_image(mask), record)
        if labels.dtype != np.uint8:
            raise CaseFileError(f"{mask.name} is no mask: it holds {labels.dtype}")
        is_changed = record.labels_sha256 not in (None, labels_sha256(labels))
        if is_changed:
            record = record.model_copy(update={"edited": True})
        write_case(output, record, labels)
    painted = " (the mask was changed after its run)" if is_changed else ""
    say(f"{output}{painted}")
