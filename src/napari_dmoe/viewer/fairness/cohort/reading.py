"""What a cohort was understood as, in words. Knows no Qt.

It is made in a thread of its own, and shown before anything runs.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_dmoe.attributes import ATTRIBUTES
from napari_dmoe.models.titles import bundled_titles, short_title
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.engines import Engines

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import CaseRow
    from napari_dmoe.cohorts.datasets import Cohort
    from napari_dmoe.cohorts.problems import Problem
    from napari_dmoe.cohorts.tables.overview import ColumnOverview, Overview

LAYOUTS = {
    "fairseg": "Harvard-FairSeg files",
    "ham10000": "HAM10000",
    "folder": "a folder with a table",
    "layers": "open layers",
}
"""How a cohort lies on disk, in words."""

N_PHANTOMS = {"fundus": 48, "fundus-race": 48, "skin": 48, "pelvis": 8}
"""Phantoms of a cohort that is drawn here, by kind: a minute's work without a GPU."""

UNKNOWN = "unknown"
_SHOWN_VALUES = 8
_MANY_VALUES = 20  # are not told one by one
_FEW_VALUES = 12  # of a column that is no attribute: more are no groups
_COUNTED = 500
"""Rows whose patients are counted at once, where each is in a file of its own."""
_ONE_OF_A_KIND = "image", "labels", "id", "prediction"
_FIRST = "image", "labels", "prediction", "id", "subject"
"""Meanings of the columns that are shown first."""


@dataclass(frozen=True)
class Meaning:
    """What a column may be said to mean."""

    key: str
    title: str


@dataclass(frozen=True)
class ReadColumn:
    """A column of the table."""

    name: str
    meaning: str
    """The key of a :class:`Meaning`; empty for what is not used."""
    help: str = ""


@dataclass(frozen=True)
class Wish:
    """What is to be read, and how a person says that it is to be understood."""

    source: Path
    stated: Mapping[str, str] = field(default_factory=dict)
    """What columns mean, by their names, where somebody said so."""
    earlier: Overview | None = None
    """Of the same table, before something was said: its folder is known."""
    phantoms: str = ""
    """Kind of the phantoms that are drawn there first; none by default."""
    loaded: str = ""
    """Bundled model that was loaded then; nothing where another was, or none."""


@dataclass(frozen=True)
class Reading:
    """A cohort, and what must be known before it is audited."""

    wish: Wish
    cohort: Cohort | None = None
    """None where nothing could be read."""
    title: str = ""
    found: tuple[str, ...] = ()
    """How many cases there are, of how many the truth, and how they lie there."""
    attributes: tuple[str, ...] = ()
    """Each attribute with how many cases have which value."""
    problems: tuple[Problem, ...] = ()
    error: str = ""
    """Why nothing could be read."""
    notices: tuple[str, ...] = ()
    columns: tuple[ReadColumn, ...] = ()
    meanings: tuple[Meaning, ...] = ()
    """All that a column may mean."""
    overview: Overview | None = None
    layers: Mapping[str, weakref.ref[Image]] = field(default_factory=dict)
    """The open image of each case, by its id, for open layers."""
    suited: str = ""
    """Bundled model that was trained on such pictures; often nothing."""

    @property
    def n(self) -> int:
        """How many cases can be audited."""
        return 0 if self.cohort is None else len(self.cohort.rows)

    @property
    def n_truths(self) -> int:
        """How many of them have a truth."""
        rows = () if self.cohort is None else self.cohort.rows
        return sum(row.labels is not None for row in rows)

    @property
    def n_images(self) -> int:
        """How many of them have an image that a model can be run on."""
        rows = () if self.cohort is None else self.cohort.rows
        return sum(has_image(row) for row in rows)

    @property
    def has_columns(self) -> bool:
        """Whether its columns can be said to mean something else."""
        return _has_columns(self.cohort) and not self.layers

    @property
    def has_predictions(self) -> bool:
        """Whether the table names masks to be compared with the truth."""
        rows = () if self.cohort is None else self.cohort.rows
        return any(row.prediction is not None for row in rows)


def has_image(row: CaseRow) -> bool:
    """Say whether a row has an image; an open layer is one without a file."""
    return getattr(row, "is_open", False) or row.image != Path()


def read(engines: Engines, wish: Wish, hook: ProgressHook) -> Reading:
    """Read a cohort; called in the work's thread.

    What cannot be read is a reading, too, that says why.
    """
    hook(Progress(0, 2, f"reading {wish.source.name}"))
    cohort: Cohort | None = None
    error = ""
    try:
        if wish.phantoms:
            n = N_PHANTOMS[wish.phantoms]
            engines.draw_phantoms(wish.phantoms, wish.source, n=n, progress=hook)
        cohort = engines.open_cohort(
            wish.source,
            columns=dict(wish.stated) or None,
            needs_image=False,
            needs_labels=False,
        )
    except (ValueError, OSError) as refused:
        error = str(refused)
    suited = _suited(engines, wish, cohort, hook)
    found = Reading(wish, cohort, error=in_dock(error), suited=suited)
    is_asked = error or wish.stated or (cohort is not None and cohort.problems)
    return look_at_columns(found, hook) if is_asked else told(found)


def _suited(
    engines: Engines, wish: Wish, cohort: Cohort | None, hook: ProgressHook
) -> str:
    """Return the bundled model that is for a cohort's pictures."""
    rows = () if cohort is None or wish.phantoms else cohort.rows
    paths = [row.image for row in rows if row.image != Path()]
    if not paths:
        return ""
    return engines.suited_to_files(paths, instead_of=wish.loaded, progress=hook)


def look_at_columns(reading: Reading, hook: ProgressHook) -> Reading:
    """Return a reading that tells what each column means; called in the work's thread.

    It reads the table again, so that it is asked for only where somebody wants to know.
    """
    wish = reading.wish
    hook(Progress(1, 2, f"looking at the columns of {wish.source.name}"))
    return told(replace(reading, overview=_overview(wish, reading.cohort)))


def told(reading: Reading) -> Reading:
    """Return a reading with its words."""
    cohort, overview = reading.cohort, reading.overview
    return replace(
        reading,
        title=_title(reading),
        found=tuple(_found(reading)),
        attributes=tuple(_attributes(reading)),
        problems=() if cohort is None else tuple(cohort.problems),
        notices=() if cohort is None else tuple(map(sentence, cohort.notices)),
        columns=tuple(_columns(overview)),
        meanings=tuple(_meanings(overview)),
    )


def restated(reading: Reading, column: str, meaning: str) -> Wish:
    """Return what is wished for once a person has said what a column means.

    Files and ids have one column: the one that told them before means nothing now.
    """
    is_one = meaning in _ONE_OF_A_KIND
    before = [e.name for e in reading.columns if e.meaning == meaning and is_one]
    stated = {**reading.wish.stated, **dict.fromkeys(before, ""), column: meaning}
    return replace(reading.wish, stated=stated, earlier=reading.overview)


def _overview(wish: Wish, cohort: Cohort | None) -> Overview | None:
    """Return what the columns of a table are; None where there is no such table."""
    if not _has_columns(cohort):
        return None
    from napari_dmoe.cohorts.tables.overview import overview_of

    try:
        return overview_of(
            wish.source, columns=dict(wish.stated) or None, earlier=wish.earlier
        )
    except (ValueError, OSError):  # told already, by whoever read the cohort
        return None


def _has_columns(cohort: Cohort | None) -> bool:
    """Say whether a table's columns can be said to mean something else."""
    return cohort is None or cohort.layout == "folder"


def _title(reading: Reading) -> str:
    name = reading.wish.source.name
    if reading.cohort is not None and reading.cohort.title not in ("", name):
        name = f"{name}/{reading.cohort.title}"
    return f"{name}: {n_cases(reading.n)}" if reading.n else name


def _found(reading: Reading) -> Iterator[str]:
    cohort, n = reading.cohort, reading.n
    if cohort is None or not n:
        return
    yield f"Read as {LAYOUTS.get(cohort.layout, cohort.layout)}."
    if not reading.n_images:
        yield "No case has an image: masks alone can be audited."
    elif reading.n_images < n:
        yield f"{reading.n_images:,} of them have an image."
    yield _truths(reading.n_truths, n)
    if reading.has_predictions:
        yield "The table names predictions."
    if reading.suited:
        title = short_title(bundled_titles().get(reading.suited, reading.suited))
        yield f"Like the training images of: {title}."
    subjects = {row.subject for row in cohort.rows if row.subject is not None}
    if 0 < len(subjects) < n:
        yield f"They show {len(subjects):,} subjects, which stay together."


def _truths(n_truths: int, n: int) -> str:
    if n_truths == n:
        return "Truth found for all of them."
    if not n_truths:
        return "No truth found: nothing can be scored, but every value can be asked."
    return f"Truth found for {n_truths:,} of them; the others are not scored."


def _attributes(reading: Reading) -> Iterator[str]:
    """Say of each attribute how many cases have which value."""
    cohort = reading.cohort
    if cohort is None:
        return
    rows = cohort.rows
    if cohort.layout == "fairseg" and len(rows) > _COUNTED:
        rows = rows[:_COUNTED]
        yield f"Of the first {_COUNTED:,} cases:"
    patients = [row.patient for row in rows]
    names = {name for patient in patients for name in patient.known()}
    for name in sorted(names, key=_in_order):
        known = ATTRIBUTES.get(name)
        values = [patient.value(name) for patient in patients]
        yield f"{known.label if known else name}: {_counted(values)}"
    further = dict.fromkeys(name for row in rows for name in row.further)
    for name in further:
        cells = [row.further.get(name, "") or None for row in rows]
        n_values = len({cell for cell in cells if cell is not None})
        if name not in names and 1 < n_values <= _FEW_VALUES:
            yield f"{name}: {_counted(cells)}"


def _in_order(attribute: str) -> tuple[int, str]:
    """Return where an attribute is told: those of forms first."""
    known = list(ATTRIBUTES)
    return (known.index(attribute) if attribute in known else len(known)), attribute


def _counted(values: Sequence[str | float | None]) -> str:
    """Say how often each value comes; of numbers, from where to where they go."""
    n_unknown = sum(value is None for value in values)
    known = [value for value in values if value is not None]
    numbers = [value for value in known if isinstance(value, float | int)]
    if known and len(numbers) == len(known):
        said = [f"{min(numbers):.0f}–{max(numbers):.0f} ({len(numbers):,})"]
    elif len(counts := Counter(map(str, known))) > _MANY_VALUES:
        said = [f"{len(counts):,} different values"]
    else:
        said = [f"{value} {n:,}" for value, n in counts.most_common(_SHOWN_VALUES)]
        more = len(counts) - _SHOWN_VALUES
        said += [f"and {more:,} more"] if more > 0 else []
    said += [f"{UNKNOWN} {n_unknown:,}"] if n_unknown else []
    return ", ".join(said)


def _columns(overview: Overview | None) -> Iterator[ReadColumn]:
    """Yield the columns, those that tell of files first, unused ones last."""
    columns = () if overview is None else overview.columns
    for each in sorted(columns, key=_rank):
        yield ReadColumn(each.name, each.meaning, _help(each))


def _rank(column: ColumnOverview) -> tuple[int, int]:
    if column.meaning in _FIRST:
        return 0, _FIRST.index(column.meaning)
    return (1 if column.meaning else 2), 0


def _help(column: ColumnOverview) -> str:
    said = [f"{column.name}: {column.words}" + f", {column.how}" * bool(column.how)]
    if column.examples:
        said.append(f"Such as {', '.join(column.examples)}.")
    return "\n".join(said)


def _meanings(overview: Overview | None) -> Iterator[Meaning]:
    """Yield all that a column may be said to mean."""
    if overview is None:
        return
    from napari_dmoe.cohorts.tables.overview import MEANINGS, choices

    taken = [each.meaning for each in overview.columns]
    for key in dict.fromkeys((*choices(), *taken)):
        known = ATTRIBUTES.get(key)
        plain = known.label.lower() if known else key.replace("_", " ")
        yield Meaning(key, MEANINGS.get(key, plain))


def sentence(text: str) -> str:
    """Return a text as a whole sentence, with the dock's advice."""
    text = in_dock(text).strip()
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def n_cases(n: int) -> str:
    """Say a number of cases."""
    return f"{n:,} case{'' if n == 1 else 's'}"
