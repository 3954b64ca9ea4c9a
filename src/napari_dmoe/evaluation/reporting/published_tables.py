"""Result files of the published test scripts: ``result_rim.csv`` and its like.

A blank line comes first, each row ends in one more comma, the ID is printed as a list
of one, and the attribute is only the number of its category. Files of one folder are
regions of one model.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    EvaluationFacts,
    ScoredCase,
)
from napari_dmoe.evaluation.scoring.mask_pair import MetricError, Presence
from napari_dmoe.evaluation.scoring.metrics import Score
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.tables import TableError, read_table, unescaped
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.patient import Patient

PATTERN = "result_*.csv"
"""What the files are called."""

ATTRIBUTE = "category"
"""What the attribute is called where no card tells which it is."""

_HEADER = ("no", "ID", "Dice", "IoU", "Attr")
_REGIONS = {"result_rim": "rim", "result_cup": "cup", "result_all": "lesion"}
_LAYOUTS = {"rim": "fairseg", "cup": "fairseg", "lesion": "ham10000"}
_ORDER = tuple(_REGIONS.values())
_METRICS = ("dice", "iou")
_LISTED = re.compile(r"\[\s*(?P<quote>['\"]?)(?P<id>.*)(?P=quote)\s*,?\s*\]", re.S)
_WHOLE = re.compile(r"-?\d+(?:\.0*)?")
_UNKNOWN = "-1"
"""What the published loaders give an attribute that is not known."""

_GENERIC = {"published", "results", "result", "output", "outputs", "test", "pred"}


class _Line:
    """One row of a result file."""

    def __init__(self, cells: Sequence[str], where: str) -> None:
        # An ID may hold a comma, and nothing of it is quoted.
        self.id = _plain_id(",".join(cells[1:-3]))
        self.value = cells[-1].strip()
        self.scores = [_number(cell, where) for cell in cells[-3:-1]]


def is_published(header: Sequence[str]) -> bool:
    """Say whether a table's header is that of a published result file."""
    named = [cell.strip().casefold() for cell in header]
    return named[: len(_HEADER)] == [name.casefold() for name in _HEADER]


def read_published(
    path: str | Path | Sequence[Path], card: ModelCard | None = None
) -> Evaluated:
    """Read the result files of one model.

    Parameters
    ----------
    path : str, Path or sequence of Path
        A result file, several of one model, or the folder that they are in.
    card : ModelCard, optional
        The card of the model: its only attribute names the categories. Without one they
        are told as ``"0"``, ``"1"`` and so on.

    Returns
    -------
    Evaluated
        With the facts that the files tell, and notices of what they do not.

    Raises
    ------
    MetricError
        When there is no such file, or one cannot be understood; the message names the
        row, counting the header as row 1.
    OSError
        When one cannot be read.
    """
    files = _files(path)
    by_region = {_region(file, card): _lines(file) for file in files}
    if len(by_region) < len(files):
        raise MetricError(
            f"{files[0].name} and its neighbours tell of one region twice: give one "
            "file a region"
        )
    regions = sorted(by_region, key=lambda r: _ORDER.index(r) if r in _ORDER else 9)
    attribute, notices = _attribute(by_region, card)
    first = by_region[regions[0]]
    _refuse_other_cases(by_region, files)
    ids, doubled = _unique([line.id for line in first])
    cases = tuple(
        _case(number, name, [(r, by_region[r][number]) for r in regions], attribute)
        for number, name in enumerate(ids)
    )
    if doubled:
        notices += (f"{doubled} IDs stand in it more than once, and were numbered",)
    facts = EvaluationFacts(
        title=title_of_folder(files[0].parent),
        source="table",
        cohort=", ".join(file.name for file in files),
        layout=_LAYOUTS.get(regions[0], ""),
        n_cases=len(cases),
        card=card.name if card else "",
        classes=("background", *regions),
        regions=tuple(regions),
        metrics=_METRICS,
        attributes=(attribute,),
        drivers=(attribute.name,),
        convention="reference",
        scored_at="network",
        notices=notices,
    )
    return Evaluated(cases, facts, files[0].parent)


def title_of_folder(folder: Path) -> str:
    """Return what a model is called that nobody named: its folder, or the one around.

    Examples
    --------
    >>> title_of_folder(Path("/runs/fairseg/published"))
    'fairseg'
    """
    whole = folder.absolute()
    parents = [each.name for each in (whole, *whole.parents) if each.name]
    named = (n for n in parents if n.casefold() not in _GENERIC)
    return printable(next(named, "results"), 80)


def _files(path: str | Path | Sequence[Path]) -> list[Path]:
    if not isinstance(path, str | Path):
        return list(path)
    given = Path(path)
    if not given.is_dir():
        return [given]
    files = sorted(given.glob(PATTERN))
    if not files:
        raise MetricError(f"{given.name} holds no published result file ({PATTERN})")
    return files


def _region(file: Path, card: ModelCard | None) -> str:
    known = _REGIONS.get(file.stem.casefold())
    if known == "lesion" and card is not None and len(card.classes) == 2:
        return card.classes[1]
    return known or printable(file.stem.removeprefix("result_"), 80)


def _lines(file: Path) -> list[_Line]:
    """Return the rows of a result file, whose header may not be its first line."""
    try:
        rows = [[unescaped(cell) for cell in row] for row in read_table(file, "ID")]
    except TableError as error:
        raise MetricError(f"{file.name} {error}") from error
    start = next((n for n, row in enumerate(rows) if any(map(str.strip, row))), 0)
    if start == len(rows) or not is_published(rows[start]):
        raise MetricError(
            f"{file.name} is no published result file: expected the header "
            f"{','.join(_HEADER)}"
        )
    found = []
    for number, row in enumerate(rows[start + 1 :], start=2):
        if not any(map(str.strip, row)):
            continue
        # One comma too many ends each row.
        cells = row[:-1] if len(row) > len(_HEADER) and not row[-1].strip() else row
        where = f"{file.name}, row {number}"
        if len(cells) < len(_HEADER):
            raise MetricError(
                f"{where}: {len(cells)} cells, where {len(_HEADER)} are expected "
                f"({', '.join(_HEADER)})"
            )
        found.append(_Line(cells, where))
    if not found:
        raise MetricError(f"{file.name} has no row below its header")
    return found


def _plain_id(cell: str) -> str:
    """Return an ID as it is; ``['data_00001']`` is printed for ``data_00001``."""
    listed = _LISTED.fullmatch(cell.strip())
    return listed["id"] if listed else cell.strip()


def _number(cell: str, where: str) -> float:
    text = cell.strip().casefold()
    if text in ("", "nan", "none"):
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not 0 <= value <= 1:
        raise MetricError(
            f"{where}: a score is no number between 0 and 1: Dice and IoU are"
        )
    return value


def _refuse_other_cases(
    by_region: dict[str, list[_Line]], files: Sequence[Path]
) -> None:
    told = [[(line.id, line.value) for line in lines] for lines in by_region.values()]
    if any(each != told[0] for each in told):
        names = ", ".join(file.name for file in files)
        raise MetricError(
            f"{names} tell of other cases, another order or other attributes: expected "
            "the files of one run of one model in a folder of their own"
        )


def _unique(ids: Sequence[str]) -> tuple[list[str], int]:
    """Return names that differ, and how many were there more than once."""
    seen: Counter[str] = Counter()
    found = []
    for name in ids:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found, sum(n > 1 for n in seen.values())


def _attribute(
    by_region: dict[str, list[_Line]], card: ModelCard | None
) -> tuple[CardAttribute, tuple[str, ...]]:
    """Return the attribute that the categories are of, and what is to be said."""
    lines = next(iter(by_region.values()))
    stated = {v for line in lines if (v := _category(line.value)) is not None}
    numbers = sorted(int(v) for v in stated if v.isdigit())
    empty = (
        "the files do not tell which masks were empty, so that misses are not known; "
        "their convention scores empty masks with 0, or 1 where only the truth is empty"
    )
    if card is None:
        others = sorted(v for v in stated if not v.isdigit())
        values = (*map(str, range(max(numbers, default=-1) + 1)), *others)
        said = (
            "which attribute the categories are of, and what they mean, the files do "
            "not tell: they are called by number (--card names them)"
        )
        named = CardAttribute(name=ATTRIBUTE, values=values or ("0",))
        return named, (said, empty)
    if len(card.attributes) != 1:
        raise MetricError(
            f"the card {card.name} has {len(card.attributes)} attributes: published "
            "result files are of one"
        )
    named = card.attributes[0]
    most = max(numbers, default=0)
    if most >= len(named.values):
        raise MetricError(
            f"the files have category {most}, but {named.name} on the card "
            f"{card.name} has only {len(named.values)} values: name the card of the "
            "model that was tested"
        )
    return named, (f"categories are named by the card {card.name}", empty)


def _category(cell: str) -> str | None:
    """Return a category as it is told; None where it is not known."""
    text = cell.removeprefix("tensor(").removesuffix(")").strip("[] '\"")
    if _WHOLE.fullmatch(text):
        text = text.partition(".")[0]
    return None if text in ("", _UNKNOWN) else text


def _case(
    number: int,
    name: str,
    lines: Iterable[tuple[str, _Line]],
    attribute: CardAttribute,
) -> ScoredCase:
    measured = list(lines)
    category = _category(measured[0][1].value)
    if category is not None and category.isdigit():
        category = attribute.values[int(category)]
    patient = Patient.from_values({attribute.name: category})
    scores = tuple(
        Score(region, metric, value, Presence.BOTH)
        for region, line in measured
        for metric, value in zip(_METRICS, line.scores, strict=True)
    )
    return ScoredCase(id=name, number=number, patient=patient, scores=scores)
