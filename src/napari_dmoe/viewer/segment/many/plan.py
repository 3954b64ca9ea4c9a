"""What a table or a folder of images was understood as, in words. Knows no Qt.

It is made in a thread of its own, and shown before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.attributes import ATTRIBUTES
from napari_dmoe.models.titles import short_title
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.segment.many.words import n_images
from napari_dmoe.viewer.session.checks import counted_notices

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.listing import Entry
    from napari_dmoe.cohorts.tables.overview import ColumnOverview, Overview
    from napari_dmoe.cohorts.tables.reading import TableRows
    from napari_dmoe.inference.running.settings import InferenceSettings
    from napari_dmoe.models.checkpoint import LoadedModel

_SHOWN = 5
"""Problems that are told one by one."""

_FIRST = ("image", "labels", "id", "subject")
"""Meanings of the columns that are shown first."""


@dataclass(frozen=True)
class Meaning:
    """What a column may be said to mean."""

    key: str
    title: str


@dataclass(frozen=True)
class PlanColumn:
    """A column of the table."""

    name: str
    meaning: str
    """The key of a :class:`Meaning`; empty for what is not used."""
    help: str = ""


@dataclass(frozen=True)
class Wish:
    """What is to be read, and how a person says that it is to be understood."""

    source: Path
    stated: Mapping[str, str]
    """What columns mean, by their names, where somebody said so."""
    has_more: bool = False
    """Whether images without a row are segmented, as unknown patients."""
    earlier: Overview | None = None
    """Of the same table, before something was said: its folder is known."""


@dataclass(frozen=True)
class How:
    """With what the images are to be segmented."""

    loaded: LoadedModel
    settings: InferenceSettings
    shares: Mapping[str, tuple[float, ...]]
    """Of the values of unknown drivers, where a person stated them."""
    bundled: str = ""
    """The model's name where it is a bundled one that nobody chose; else nothing."""


@dataclass(frozen=True)
class Plan:
    """What is to be segmented, and what must be known before it is."""

    wish: Wish
    entries: Sequence[Entry] = ()
    overview: Overview | None = None
    """Of the table; None for a folder without one."""
    title: str = ""
    found: tuple[str, ...] = ()
    """How many images there are, and of how many the truth."""
    problems: tuple[str, ...] = ()
    """What is missing, or cannot be understood."""
    notices: tuple[str, ...] = ()
    columns: tuple[PlanColumn, ...] = ()
    meanings: tuple[Meaning, ...] = ()
    """All that a column may mean."""
    suited: str = ""
    """Bundled model that is for the images, in the place of one that nobody chose."""

    @property
    def has_more(self) -> bool:
        """Whether images without a row are segmented, too."""
        return self.wish.has_more

    @property
    def more(self) -> str:
        """What is offered of images without a row; nothing where there is none."""
        n = 0 if self.overview is None else len(self.overview.unlisted)
        return "" if not n else f"Also {n:,} without a row, as unknown"

    @property
    def n_images(self) -> int:
        """How many images would be segmented."""
        return sum(entry.problem is None for entry in self.entries)

    @property
    def start(self) -> str:
        """What stands on the button."""
        return f"Segment {n_images(self.n_images)}…" if self.n_images else "Segment…"


def make_plan(engines: Engines, how: How, wish: Wish, hook: ProgressHook) -> Plan:
    """Read a table or a folder; called in the work's thread.

    What cannot be read is a plan, too, that says why.
    """
    hook(Progress(0, 3, f"reading {wish.source.name}"))
    attributes = how.loaded.card.attributes
    drivers = [attribute.name for attribute in attributes]
    overview: Overview | None = None
    entries: Sequence[Entry] = ()
    error = ""
    try:
        overview = _overview(how, wish)
        hook(Progress(1, 3, f"listing the images of {wish.source.name}"))
        if overview is None:
            entries = engines.entries(wish.source, drivers=drivers)
        elif overview.read is not None:
            entries = _entries(overview.read, drivers, wish)
    except (ValueError, OSError) as refused:
        error = str(refused)
    hook(Progress(2, 3, f"looking at {n_images(len(entries))}"))
    suited = _suited(engines, how, entries, hook)
    told = _Told(how, wish, entries, overview, error, suited)
    return Plan(
        wish,
        entries,
        overview,
        told.title(),
        tuple(told.images()),
        tuple(told.problems()),
        tuple(dict.fromkeys(told.notices())),
        tuple(told.columns()),
        tuple(told.meanings()),
        suited,
    )


def restated(plan: Plan, column: str, meaning: str) -> Wish:
    """Return what is wished for once a person has said what a column means.

    Files and ids have one column: the one that told them before means nothing now.
    """
    wish, is_one = plan.wish, meaning in ("image", "labels", "id")
    before = [each.name for each in plan.columns if each.meaning == meaning and is_one]
    stated = {**wish.stated, **dict.fromkeys(before, ""), column: meaning}
    return replace(wish, stated=stated, earlier=plan.overview)


def _overview(how: How, wish: Wish) -> Overview | None:
    """Return what is in the table; None for a folder without one."""
    from napari_dmoe.cohorts.tables.finding import TABLE, table_of
    from napari_dmoe.cohorts.tables.overview import overview_of

    source = wish.source
    is_table = source.suffix.lower() == ".csv" or (source / TABLE).is_file()
    found = None
    if wish.earlier is None and not is_table:
        found = table_of(source)
        if found.table is None:
            return None
    return overview_of(
        source,
        drivers=how.loaded.card.attributes,
        columns=wish.stated or None,
        earlier=wish.earlier,
        found=found,
    )


def _suited(
    engines: Engines, how: How, entries: Sequence[Entry], hook: ProgressHook
) -> str:
    """Return the model for the images where nobody chose the one that is loaded."""
    paths = [entry.path for entry in entries if entry.problem is None]
    if not how.bundled or not paths:
        return ""
    return engines.suited_to_files(paths, instead_of=how.bundled, progress=hook)


def _entries(read: TableRows, drivers: Sequence[str], wish: Wish) -> Sequence[Entry]:
    """List the images of a table; one that was read is not read again."""
    from napari_dmoe.cohorts.series.listing import entries_read

    return entries_read(read, drivers, with_unlisted=wish.has_more)


@dataclass(frozen=True)
class _Told:
    """What is said of what was read."""

    how: How
    wish: Wish
    entries: Sequence[Entry]
    overview: Overview | None
    error: str
    suited: str

    @property
    def _good(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.problem is None]

    def title(self) -> str:
        """Say what was read, and how long it is."""
        if self.overview is None:
            return self.wish.source.name
        n = self.overview.n_rows
        return f"{self.overview.table.name}: {n:,} row{'s' * (n != 1)}"

    def images(self) -> Iterator[str]:
        """Say how many images there are, and what is known of them."""
        good = self._good
        if not good:
            return
        yield f"{n_images(len(good))} to segment."
        n_truth = sum(entry.labels is not None for entry in good)
        if n_truth:
            which = "all" if n_truth == len(good) else f"{n_truth:,}"
            yield f"Truth found for {which} of them: Dice is told."
        elif self.overview is not None:
            yield "No truth found, so that no Dice is told."
        for attribute in self.how.loaded.card.attributes:
            n = sum(attribute.value_of(entry.patient) is None for entry in good)
            if n:
                of = "any" if n == len(good) else f"{n:,}"
                yield f"{attribute.label} is not known of {of}: its values are mixed."

    def problems(self) -> Iterator[str]:
        """Say what is missing, and what cannot be understood."""
        overview = self.overview
        refusal = self.error or ("" if overview is None else overview.refusal)
        if refusal:
            table = self.wish.source if overview is None else overview.table
            yield _sentence(refusal, table.name)
        elif overview is not None:
            yield from self._of_rows(overview)
        if not self._good:
            yield self._advice()

    def _of_rows(self, overview: Overview) -> Iterator[str]:
        n = overview.n_without_image
        if n:
            n_bad = sum(entry.problem is not None for entry in self.entries)
            # Few paths that lead nowhere are told one by one: they may be misspelt.
            is_listed = n_bad > overview.n_bad
            what = "each fails" if is_listed else "left out"
            yield f"{n:,} row{'s' * (n != 1)} without an image here: {what}."
        for line in overview.problems[:_SHOWN]:
            yield _sentence(line)
        if len(overview.problems) > _SHOWN:
            yield f"And {len(overview.problems) - _SHOWN:,} further problems."
        for column in overview.columns:
            if column.n_unheard:
                values = ", ".join(column.unheard)
                yield (
                    f"{n_images(column.n_unheard)} will fail: the model does not know "
                    f"this {column.words}: {values}. Correct the table, or say that "
                    f"{column.name} is not used."
                )

    def _advice(self) -> str:
        """Say what to do where there is nothing to segment."""
        if self.overview is None:
            return "Choose another folder, or a table."
        if not self.overview.n_rows:
            return "Choose a table with a row for each image."
        if self.overview.n_bad and not self.error:
            return (
                "Correct the table, or say below that such a column means something "
                "else."
            )
        if self.overview.columns:
            return (
                "Say below which column tells the image, put the table beside the "
                "images, or choose another table."
            )
        return "Choose another table."

    def notices(self) -> Iterator[str]:
        """Say what must be known of all images together."""
        if self.suited and self.suited == self.how.bundled:
            title = short_title(self.how.loaded.card.title)
            yield f"Model for such pictures: {title}. Choose another above."
        patients = (entry.patient for entry in self._good)
        yield from counted_notices(self.how.loaded, patients, self.how.shares)
        if self.overview is None:  # what is told of a table stands above
            yield from map(_sentence, getattr(self.entries, "notices", ()))

    def columns(self) -> Iterator[PlanColumn]:
        """Yield the columns, those that tell of files first, unused ones last."""
        columns = () if self.overview is None else self.overview.columns
        for each in sorted(columns, key=_rank):
            yield PlanColumn(each.name, each.meaning, _help(each))

    def meanings(self) -> Iterator[Meaning]:
        """Yield all that a column may be said to mean."""
        from napari_dmoe.cohorts.tables.overview import MEANINGS, choices

        if self.overview is None:
            return
        taken = [each.meaning for each in self.overview.columns]
        for key in dict.fromkeys((*choices(self.how.loaded.card.attributes), *taken)):
            known = ATTRIBUTES.get(key)
            plain = known.label.lower() if known else key.replace("_", " ")
            yield Meaning(key, MEANINGS.get(key, plain))


def _rank(column: ColumnOverview) -> tuple[int, int]:
    if column.meaning in _FIRST:
        return 0, _FIRST.index(column.meaning)
    return (1 if column.meaning else 2), not column.drives


def _help(column: ColumnOverview) -> str:
    """Return what is said of a column when it is pointed at."""
    said = [f"{column.name}: {column.words}" + f", {column.how}" * bool(column.how)]
    if column.meaning and column.meaning not in _FIRST:
        said.append(
            "It drives this model."
            if column.drives
            else "It does not drive this model."
        )
    if column.examples:
        said.append(f"Such as {', '.join(column.examples)}.")
    return "\n".join(said)


def _sentence(text: str, name: str = "") -> str:
    """Return a whole sentence; the name of a file that it begins with stays."""
    text = in_dock(text).strip()
    is_name = bool(name) and text.startswith(name)
    first = text[:1] if is_name else text[:1].upper()
    return f"{first}{text[1:].rstrip('.')}."
