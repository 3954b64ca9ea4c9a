"""What a folder of results holds already: to be gone on with, shown, or refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from napari_dmoe.evaluation.evaluating.case_table import CASES, FACTS, read_evaluated
from napari_dmoe.evaluation.evaluating.journal import JOURNAL, ResumeError
from napari_dmoe.evaluation.evaluating.scored import Evaluated

MASKS = "masks"
"""Folder of the masks, in that of the results."""


def held(
    folder: Path,
    inquiry: str,
    *,
    keep_whole: bool,
    overwrite: bool,
    writes_masks: bool = True,
) -> Evaluated | None:
    """Return what a folder holds of the same inquiry, whole; None where work is to do.

    Parameters
    ----------
    folder : Path
        The folder, which is claimed.
    inquiry : str
        Digest of what is to be evaluated.
    keep_whole : bool
        Whether an evaluation that is whole is returned, or refused.
    overwrite : bool
        Whether results that are there go: they would look like those of the new
        evaluation until it has ended. Masks are replaced one by one.
    writes_masks : bool
        Whether masks are to be written, so that others must not lie there.

    Raises
    ------
    ResumeError
        When it holds another evaluation, or masks that are not ours.
    """
    if overwrite:
        for name in (JOURNAL, CASES, FACTS):
            (folder / name).unlink(missing_ok=True)
        return None
    if (folder / JOURNAL).is_file():
        return None
    if keep_whole and (folder / FACTS).is_file() and (folder / CASES).is_file():
        with suppress(ValueError, OSError):
            there = read_evaluated(folder)
            if there.facts.inquiry == inquiry:
                return there
    if any((folder / name).is_file() for name in (FACTS, CASES)):
        raise ResumeError(
            f"{folder} holds another evaluation: choose another folder, or replace it "
            "with --overwrite"
        )
    masks = folder / MASKS
    if writes_masks and masks.is_dir() and any(masks.iterdir()):
        raise ResumeError(
            f"{masks} holds files that are no masks of this evaluation: choose another "
            "folder, or replace them with --overwrite"
        )
    return None
