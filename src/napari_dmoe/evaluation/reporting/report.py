"""A report of one evaluated cohort or several, written as a page, a table and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.reporting.content import Content, gather
from napari_dmoe.evaluation.reporting.document import page_of
from napari_dmoe.evaluation.reporting.exporting import (
    COLUMNS,
    as_json,
    as_rows,
    headlines,
)
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.reading import read_several
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.models.card import ModelCard
from napari_dmoe.progress import ProgressHook, silent

HTML, CSV, JSON = "report.html", "report.csv", "report.json"
"""What the files are called."""

_MARKS = {
    HTML: b"written by napari-dmoe",
    CSV: b"model,region,metric,unit,attribute,value",
    JSON: b'"schema_version"',
}
"""What stands in the beginning of each file that a report wrote."""

_BEGINNING = 2**15

_ROOM = 2**24
"""Bytes that a report needs at most, but for very many models."""


@dataclass(frozen=True)
class ReportFiles:
    """What was written, and what is to be said of it."""

    html: Path
    csv: Path
    json: Path
    headlines: tuple[str, ...] = ()
    """One sentence a model and region."""
    notices: tuple[str, ...] = ()
    """What the files hold of people, and what was decided."""


def write_report(
    evaluated: Sequence[Evaluated | str | Path] | Evaluated | str | Path,
    output: str | Path,
    *,
    options: ReportOptions | None = None,
    card: ModelCard | None = None,
    progress: ProgressHook = silent,
) -> ReportFiles:
    """Write a report of one model or several.

    Parameters
    ----------
    evaluated : Evaluated, path, or a sequence of them
        Evaluated cohorts, each of one model; folders and tables are read as
        :func:`napari_dmoe.evaluation.reporting.reading.read_any` reads them.
    output : str or Path
        The folder; a report that is there is replaced, and no other file.
    options : ReportOptions, optional
        What it holds. By default cases are called by number, and groups of fewer than
        five cases are hidden.
    card : ModelCard, optional
        Names the categories of published result files.
    progress : callable
        Told before each region and metric.

    Returns
    -------
    ReportFiles
        ``report.html`` in one piece, ``report.csv`` with one row a group and
        ``report.json``. The same cohorts and options give the same bytes but for the
        date.

    Raises
    ------
    MetricError
        When a cohort cannot be understood, or nothing of it was scored; when a file of
        a report's name is there that is none.
    OSError
        When a file cannot be read or written.

    Examples
    --------
    >>> from napari_dmoe import write_report
    >>> files = write_report("audit", "report")  # doctest: +SKIP
    """
    options = options or ReportOptions()
    models = _read(evaluated, card)
    folder = Path(output)
    refuse_others(folder)
    with claimed(folder, needs_bytes=_ROOM):
        content = gather(models, options, progress)
        date = options.date or datetime.now(UTC).date().isoformat()
        title = options.title or _title(content)
        told = as_json(content, title=title, date=date)
        text = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)
        page = page_of(content, title=title, date=date)
        files = ReportFiles(
            folder / HTML,
            folder / CSV,
            folder / JSON,
            tuple(headlines(content)),
            notices_of(content),
        )
        write_text(files.json, text + "\n")
        write_table(files.csv, as_rows(content), COLUMNS)
        write_text(files.html, page)
    return files


def refuse_others(folder: Path) -> None:
    """Refuse to replace files of a report's names that no report wrote.

    Raises
    ------
    MetricError
        When there is one.
    """
    for name, mark in _MARKS.items():
        path = folder / name
        if not path.is_symlink() and not path.exists():
            continue
        is_ours = path.is_file() and not path.is_symlink()
        if is_ours:
            with path.open("rb") as file:
                is_ours = mark in file.read(_BEGINNING)
        if not is_ours:
            raise MetricError(
                f"{name} is there already, and no report wrote it: choose another "
                "folder"
            )


def notices_of(content: Content) -> tuple[str, ...]:
    """Say what the files hold of people."""
    options, said = content.options, []
    if options.identifiers:
        said.append(
            "the report holds the identifiers of the cohort's cases: share it only "
            "with who may know them"
        )
    if options.small_cells:
        said.append(
            "the report shows groups of fewer than 5 cases: people in them may be "
            "known again"
        )
    hidden = {
        by.attribute
        for model in content.models
        for each in model.measured
        for by in each.by
        if by.is_hidden
    }
    if hidden:
        said.append(
            f"groups of fewer than 5 cases are hidden, by {', '.join(sorted(hidden))} "
            "(--small-cells shows them)"
        )
    if any(case.picture for model in content.models for case in model.worst):
        said.append(
            "the page holds pictures of the worst cases (--no-pictures leaves them out)"
        )
    return tuple(said)


def _read(
    evaluated: Sequence[Evaluated | str | Path] | Evaluated | str | Path,
    card: ModelCard | None,
) -> tuple[Evaluated, ...]:
    if isinstance(evaluated, Evaluated | str | Path):
        evaluated = [evaluated]
    given = list(evaluated)
    paths = [each for each in given if not isinstance(each, Evaluated)]
    if len(paths) == len(given):
        return read_several(paths, card)
    return tuple(
        each if isinstance(each, Evaluated) else read_several([each], card)[0]
        for each in given
    )


def _title(content: Content) -> str:
    names = [model.name for model in content.models]
    return printable(f"Fairness audit: {', '.join(names)}", 120)
