"""``napari-dmoe case``: pass a result on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dmoe.cli.options import Overwrite
from napari_dmoe.cli.outcome import clear_errors
from napari_dmoe.cli.printing import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_dmoe.inference.results.provenance import Provenance


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
    overwrite: Overwrite = False,
) -> None:
    """Put a mask and its record into one file, without the image.

    A colleague who has the image and the checkpoint can replay it.
    """
    with clear_errors():
        import numpy as np

        from napari_dmoe.imaging.files import read_labels
        from napari_dmoe.inference.replaying.case_files import (
            CaseFileError,
            refuse_no_case_name,
            write_case,
        )
        from napari_dmoe.inference.results.replacing import ExistingFileError
        from napari_dmoe.inference.results.sidecars import in_order_of_result

        refuse_no_case_name(output)
        record = _record_of(mask)
        labels = in_order_of_result(read_labels(mask), record)
        if labels.dtype != np.uint8:
            raise CaseFileError(f"{mask.name} is no mask: it holds {labels.dtype}")
        is_changed = record.labels_sha256 not in (None, record.sha256_of(labels))
        if is_changed:
            record = record.model_copy(update={"edited": True})
        if not overwrite and _is_another(output, record, labels):
            raise ExistingFileError(
                f"{output} is there already, and is not this case: choose another "
                "name (--overwrite would replace it)"
            )
        write_case(output, record, labels)
    painted = " (the mask was changed after its run)" if is_changed else ""
    say(f"{output}{painted}")


def _record_of(mask: Path) -> Provenance:
    """Return the record in a NIfTI header or, where none is there, beside the mask."""
    from napari_dmoe.imaging.files import image_suffix
    from napari_dmoe.imaging.nifti import NIFTI_SUFFIXES
    from napari_dmoe.inference.replaying import case_files
    from napari_dmoe.inference.results.sidecars import record_path

    is_nifti = image_suffix(mask) in NIFTI_SUFFIXES and mask.is_file()
    record = case_files.record_in_header(mask) if is_nifti else None
    return case_files.read_record(record_path(mask)) if record is None else record


def _is_another(path: Path, record: Provenance, labels: NDArray[np.uint8]) -> bool:
    """Say whether there is a file that holds something else."""
    import numpy as np

    from napari_dmoe.inference.replaying.case_files import CaseFileError, read_case

    if not os.path.lexists(path):
        return False
    try:
        found = read_case(path)
    except (CaseFileError, OSError):  # such as a folder, or a link that leads nowhere
        return True
    return found.record != record or not np.array_equal(found.labels, labels)
