"""What a report is made of, whatever it lies in: told from folders and tables.

A folder of ``evaluate`` or its ``cases.csv``, the ``segment.csv`` of a series where it
has Dice, and the published result files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_dmoe.cohorts.series.finished import (
    FinishedError,
    FinishedRow,
    read_finished,
)
from napari_dmoe.cohorts.series.table import SUMMARY
from napari_dmoe.evaluation.evaluating.case_table import CASES, read_evaluated
from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    EvaluationFacts,
    ScoredCase,
)
from napari_dmoe.evaluation.reporting.published_tables import (
    PATTERN,
    is_published,
    read_published,
    title_of_folder,
)
from napari_dmoe.evaluation.scoring.mask_pair import MetricError, Presence
from napari_dmoe.evaluation.scoring.metrics import Score
from napari_dmoe.imaging.tables import TableError, read_table
from napari_dmoe.models.card import ModelCard
from napari_dmoe.patient import Patient, PatientError

_EXPECTED = (
    f"expected {CASES} of evaluate, {SUMMARY} with Dice, or the published {PATTERN}"
)


def read_several(
    paths: Sequence[str | Path], card: ModelCard | None = None
) -> tuple[Evaluated, ...]:
    """Read evaluated cohorts, each of one model, in the order given.

    Published result files of one folder that are named one by one are one model.

    Raises
    ------
    MetricError, OSError
        As :func:`read_any`; also when no path is given.
    """
    if not paths:
        raise MetricError(f"name at least one folder or table: {_EXPECTED}")
    found: list[Evaluated] = []
    of_folder: dict[Path, list[Path]] = {}
    plan: list[Path] = []
    for path in map(Path, paths):
        is_file = path.is_file() and is_published(_header(path))
        key = path.parent.absolute() if is_file else path.absolute()
        if is_file:
            of_folder.setdefault(key, []).append(path)
        plan.append(key if is_file else path)
    for path in dict.fromkeys(plan):
        files = of_folder.get(path)
        found.append(read_published(files, card) if files else read_any(path, card))
    return _told_apart(found)


def read_any(path: str | Path, card: ModelCard | None = None) -> Evaluated:
    """Read what one model scored, from a folder or a table.

    Parameters
    ----------
    path : str or Path
        A folder of ``evaluate``, or its ``cases.csv``; a folder of a series, or its
        ``segment.csv``; a folder of published result files, or one of them.
    card : ModelCard, optional
        Names the categories of published result files.

    Raises
    ------
    MetricError
        When it is none of them, or cannot be understood.
    OSError
        When it cannot be read.
    """
    source = Path(path)
    if not source.exists():
        raise MetricError(f"{source.name}: there is no such folder or table")
    if source.is_dir():
        if (source / CASES).is_file():
            return _named(read_evaluated(source))
        if any(source.glob(PATTERN)):
            return read_published(source, card)
        if (source / SUMMARY).is_file():
            return read_series(source)
        raise MetricError(f"{source.name} holds nothing to report: {_EXPECTED}")
    header = _header(source)
    if is_published(header):
        return read_published(source, card)
    if {"id", "class"} <= set(header):
        return _named(read_evaluated(source))
    if {"image", "outcome"} <= set(header):
        return read_series(source)
    raise MetricError(f"{source.name} is no table to report: {_EXPECTED}")


def read_series(path: str | Path) -> Evaluated:
    """Read the Dice that a series of images found, from its folder or table.

    Raises
    ------
    MetricError
        When there is no such table, or it tells no Dice.
    """
    try:
        finished = read_finished(path)
    except FinishedError as error:
        raise MetricError(str(error)) from error
    if not finished.regions:
        raise MetricError(
            f"{SUMMARY} tells no Dice: segment the cohort with its true masks, or "
            "evaluate it"
        )
    cases = tuple(
        _of_row(number, row, finished.regions)
        for number, row in enumerate(finished.rows)
    )
    facts = EvaluationFacts(
        title=title_of_folder(finished.folder),
        source="model",
        cohort=SUMMARY,
        layout="series",
        n_cases=len(cases),
        model=next(filter(None, (row.cells.get("model") for row in finished.rows)), ""),
        regions=finished.regions,
        metrics=("dice",),
        notices=(
            "attributes are those that the series was run for, which a user may have "
            "chosen otherwise than recorded",
            "which masks were empty the table does not tell, so that misses are not "
            "known",
            *finished.notices,
        ),
    )
    return Evaluated(cases, facts, finished.folder)


def _of_row(number: int, row: FinishedRow, regions: Sequence[str]) -> ScoredCase:
    dice = {region: row.dice(region) for region in regions}
    scores = tuple(
        Score(region, "dice", value, Presence.BOTH)
        for region, value in dice.items()
        if value is not None
    )
    try:
        patient = row.patient
    except PatientError as error:
        raise MetricError(f"{SUMMARY}, row {number + 2}: {error}") from error
    failed = row.status == "failed"
    return ScoredCase(
        id=row.id,
        number=number,
        status="failed" if failed else "scored" if scores else "no truth",
        patient=patient if isinstance(patient, Patient) else Patient(),
        scores=scores,
        image=row.image,
        labels=row.truth,
        prediction=row.mask,
    )


def _header(path: Path) -> list[str]:
    """Return the first row of a table that is not blank."""
    try:
        for row in read_table(path, "id"):
            if any(cell.strip() for cell in row):
                return [cell.strip() for cell in row]
    except TableError as error:
        raise MetricError(f"{path.name} {error}") from error
    raise MetricError(f"{path.name} is empty: {_EXPECTED}")


def _named(evaluated: Evaluated) -> Evaluated:
    """Give an evaluated cohort a name where its facts have none."""
    if evaluated.facts.title.strip() or evaluated.folder is None:
        return evaluated
    title = title_of_folder(evaluated.folder)
    return replace(evaluated, facts=evaluated.facts.model_copy(update={"title": title}))


def _told_apart(found: Sequence[Evaluated]) -> tuple[Evaluated, ...]:
    """Give models of one name the names of their folders, or else numbers, too."""
    titles = [each.facts.title for each in found]
    named = [
        title
        if titles.count(title) == 1 or each.folder is None
        else f"{title} ({each.folder.absolute().name})"
        for title, each in zip(titles, found, strict=True)
    ]
    final = [
        name if named.count(name) == 1 else f"{name} {named[: n + 1].count(name)}"
        for n, name in enumerate(named)
    ]
    return tuple(
        each
        if each.facts.title == name
        else replace(each, facts=each.facts.model_copy(update={"title": name}))
        for each, name in zip(found, final, strict=True)
    )
