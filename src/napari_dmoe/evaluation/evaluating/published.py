"""The published result files: what the published test scripts write of a cohort.

A blank first line, the header ``no,ID,Dice,IoU,Attr``, and a row for each case that ends
in one more comma; the id printed as a list of one, three decimals, no line end at last.
They are read by :mod:`napari_dmoe.evaluation.reporting.published_tables`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from napari_dmoe.evaluation.evaluating.scored import Evaluated, ScoredCase
from napari_dmoe.imaging.disk.atomic import write_text

HEADER = "no,ID,Dice,IoU,Attr"


def write_published(
    folder: Path,
    evaluated: Evaluated,
    *,
    files: Mapping[str, str],
    codes: Sequence[int],
) -> tuple[Path, ...]:
    """Write the published result files of an evaluated cohort.

    Parameters
    ----------
    folder : Path
        Where they go.
    evaluated : Evaluated
        The cohort, its Dice and IoU under the reference convention.
    files : mapping of str to str
        Names of the files, by the region that each tells of.
    codes : sequence of int
        For each case the number of its value of the attribute, for the column ``Attr``.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    OSError
        When they cannot be written.
    """
    written = []
    for region, name in files.items():
        rows = _rows(evaluated, region, codes)
        # Every line break stands before its line, so that the last line ends in none.
        write_text(folder / name, "".join(f"\n{row}" for row in (HEADER, *rows)))
        written.append(folder / name)
    return tuple(written)


def _rows(evaluated: Evaluated, region: str, codes: Sequence[int]) -> Iterator[str]:
    for case, code in zip(evaluated, codes, strict=True):
        scores = _overlaps(case, region)
        if scores is not None:
            dice, iou = scores
            yield f"{case.number},{[case.id]},{dice:.3f},{iou:.3f},{code},"


def _overlaps(case: ScoredCase, region: str) -> tuple[float, float] | None:
    """Return Dice and IoU; None of a case without scores, which has no row."""
    dice, iou = case.score(region, "dice"), case.score(region, "iou")
    return None if dice is None or iou is None else (dice.value, iou.value)
