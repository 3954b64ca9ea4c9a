"""What a table or a folder of images was understood as, in words. Knows no Qt.

It is made in a thread of its own, and shown before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dmoe.attributes import FORM_ATTRIBUTES, name_key
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.segment.many.words import n_images
from napari_dmoe.viewer.session.checks import counted_notices

if TYPE_CHECKING:
    from napari_dmoe.cohorts.series.listing import Entry
    from napari_dmoe.cohorts.tables.columns import Columns
    from napari_dmoe.inference.running.settings import InferenceSettings
    from napari_dmoe.models.checkpoint import LoadedModel

_SHOWN = 5
"""Problems that are told one by one."""

_TITLES = {
    "image": "image",
    "labels": "truth",
    "id": "id",
    "subject": "patient or lesion",
}
_UNUSED = "not used"


@dataclass(frozen=True)
class Meaning:
    """What a column may be said to mean."""

    key: str
    title: str


@dataclass(frozen=True)
class Wish:
    """What is to be read, and how a person says that it is to be understood."""

    source: Path
    stated: Mapping[str, str]
    """What columns mean, by their names, where somebody said so."""
    has_more: bool = False
    """Whether images without a row are segmented, as unknown patients."""


@dataclass(frozen=True)
class How:
    """With what the images are to be segmented."""

    loaded: LoadedModel
    settings: InferenceSettings
    shares: Mapping[str, tuple[float, ...]]
    """Of the values of unknown drivers, where a person stated them."""


@dataclass(frozen=True)
class Plan:
    """What is to be segmented, and what must be known before it is."""

    wish: Wish
    entries: Sequence[Entry] = ()
    title: str = ""
    found: tuple[str, ...] = ()
    """How many images there are, and of how many the truth."""
    problems: tuple[str, ...] = ()
    """What is missing, or cannot be understood."""
    notices: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    """The columns of the table, and what each means: the key of a :class:`Meaning`."""
    meanings: tuple[Meaning, ...] = ()
    """All that a column may mean."""
    more: str = ""
    """What is offered of images without a row; nothing where there is none."""

    @property
    def has_more(self) -> bool:
        """Whether images without a row are segmented, too."""
        return self.wish.has_more

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
    hook(Progress(0, 2, f"reading {wish.source.name}"))
    drivers = [attribute.name for attribute in how.loaded.card.attributes]
    options: dict[str, Any] = {"with_unlisted": True} if wish.has_more else {}
    if wish.stated:
        options["columns"] = wish.stated
    try:
        listing = engines.entries(wish.source, drivers=drivers, **options)
    except (ValueError, OSError) as error:
        return _unreadable(wish, drivers, error)
    hook(Progress(1, 2, f"looking at {n_images(len(listing))}"))
    found = _Found(how, wish, listing)
    return Plan(
        wish,
        listing,
        title=found.title(),
        found=tuple(found.images()),
        problems=tuple(found.problems()),
        notices=tuple(found.notices()),
        columns=columns_of_plan(found.columns),
        meanings=meanings_of(drivers, found.columns),
        more=found.more(),
    )


@dataclass(frozen=True)
class _Found:
    how: How
    wish: Wish
    listing: Sequence[Entry]

    @property
    def _table(self) -> Any:
        return getattr(self.listing, "table", None)

    @property
    def columns(self) -> Columns | None:
        return None if self._table is None else self._table.columns

    def title(self) -> str:
        name = self.wish.source.name
        if self._table is None:
            return name
        path = getattr(self.listing, "path", None) or self.wish.source
        n_rows = len(self._table.rows) + len(self._table.without_image)
        return f"{path.name}: {n_rows:,} row{'s' * (n_rows != 1)}"

    def images(self) -> Iterator[str]:
        """Say how many images there are, and what is known of them."""
        good = [entry for entry in self.listing if entry.problem is None]
        if good:
            yield f"{n_images(len(good))} to segment."
        n_truth = sum(entry.labels is not None for entry in good)
        if n_truth:
            yield f"Truth found for {n_truth:,}: Dice is told."
        elif self._table is not None and good:
            yield (
                "No truth found: without masks, no Dice is told. They are found in a "
                "folder “masks” beside the images, or by a column."
            )
        yield from self._unknown(good)

    def _unknown(self, good: Sequence[Entry]) -> Iterator[str]:
        """Say of how many images a driver is unknown."""
        if not good:
            return
        for attribute in self.how.loaded.card.attributes:
            n = sum(attribute.value_of(entry.patient) is None for entry in good)
            if n == len(good):
                yield f"{attribute.label} is not known of any."
            elif n:
                yield f"{attribute.label} is not known of {n:,}."

    def problems(self) -> Iterator[str]:
        """Say what is missing, and which rows cannot be understood."""
        from napari_dmoe.cohorts.tables.rows import told_once

        bad = [entry.problem for entry in self.listing if entry.problem is not None]
        lines = told_once(bad)
        yield from map(_sentence, lines[:_SHOWN])
        if len(lines) > _SHOWN:
            yield f"And {len(lines) - _SHOWN:,} further problems."
        yield from self._refused()
        if bad and len(bad) == len(self.listing):
            yield "No row can be used: put the columns right below, or mend the table."

    def _refused(self) -> Iterator[str]:
        """Say which values the model does not know: these images would fail."""
        from napari_dmoe.inference.running.drivers import choose_routers

        how = self.how
        refused: dict[str, list[Entry]] = {}
        seen: dict[int, str] = {}
        for entry in self.listing:
            if entry.problem is not None:
                continue
            key = id(entry.patient)
            if key not in seen:
                try:
                    choose_routers(how.loaded, entry.patient, how.settings, how.shares)
                    seen[key] = ""
                except ValueError as error:
                    seen[key] = str(error)
            if seen[key]:
                refused.setdefault(seen[key], []).append(entry)
        for why, entries in refused.items():
            yield f"{n_images(len(entries))} will fail: {_sentence(why)}"

    def notices(self) -> Iterator[str]:
        """Say what must be known of all images together."""
        patients = (each.patient for each in self.listing if each.problem is None)
        yield from counted_notices(self.how.loaded, patients, self.how.shares)
        yield from map(_sentence, getattr(self.listing, "notices", ()))

    def more(self) -> str:
        """Return what is offered of the images that no row tells of."""
        left = getattr(self.listing, "without_row", ())
        if not left:
            return ""
        n = len(left)
        which = "image that has" if n == 1 else "images that have"
        return f"Also {n:,} {which} no row, of unknown patients"


def meanings_of(
    drivers: Iterable[str], columns: Columns | None = None
) -> tuple[Meaning, ...]:
    """Return what a column may be said to mean, for a model of these drivers."""
    attributes = dict.fromkeys((*FORM_ATTRIBUTES, *drivers))
    for name in columns.attributes if columns is not None else ():
        attribute = columns.attribute(name) if columns is not None else name
        if attribute and _is_used(columns, name):
            attributes.setdefault(attribute)
    titles = _TITLES | {name: name.replace("_", " ") for name in attributes}
    made = [Meaning(key, title) for key, title in titles.items()]
    return (*made, Meaning("", _UNUSED))


def columns_of_plan(columns: Columns | None) -> tuple[tuple[str, str], ...]:
    """Return the columns of a table, and the key of what each means; used ones first.

    A column that tells nothing that is used means ``""``.
    """
    if columns is None:
        return ()
    files = {columns.image: "image", columns.labels: "labels", columns.identity: "id"}
    found: dict[str, str] = {}
    for name in filter(None, columns.header):
        if name in files:
            found[name] = files[name]
        elif name in columns.subjects:
            found[name] = "subject"
        elif name in columns.attributes and _is_used(columns, name):
            found[name] = columns.attribute(name)
        else:
            found[name] = ""
    order = (*_TITLES, *FORM_ATTRIBUTES)
    place = {meaning: i for i, meaning in enumerate(order)}
    rank = {"": len(order) + 1}
    return tuple(
        sorted(found.items(), key=lambda each: {**place, **rank}.get(each[1], 9))
    )


def _is_used(columns: Columns | None, name: str) -> bool:
    from napari_dmoe.attributes import ATTRIBUTES

    if columns is None:
        return False
    return name in columns.stated or columns.attribute(name) in ATTRIBUTES


def _unreadable(wish: Wish, drivers: Sequence[str], error: Exception) -> Plan:
    """Say why nothing can be read, and let columns be put right all the same."""
    columns: tuple[tuple[str, str], ...] = ()
    table = _table_of(wish.source)
    if table is not None:
        columns = _by_name(table, wish.stated)
    advice = (
        "Say below which column tells the image, or choose another table."
        if columns
        else "Choose another folder, or a table."
    )
    return Plan(
        wish,
        title=wish.source.name,
        problems=(_sentence(str(error)), advice),
        columns=columns,
        meanings=meanings_of(drivers),
    )


def _table_of(source: Path) -> Path | None:
    return source if source.suffix.lower() == ".csv" and source.is_file() else None


def _by_name(table: Path, stated: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what columns mean by their names alone."""
    from napari_dmoe.cohorts.tables.columns import columns_of
    from napari_dmoe.imaging.tables import read_table, unescaped

    try:
        header = [unescaped(cell.strip()) for cell in next(read_table(table, "image"))]
        return columns_of_plan(columns_of(header, table.name, None, stated))
    except (ValueError, OSError, StopIteration):
        return ()


def same_column(name: str, other: str) -> bool:
    """Say whether two names of columns mean the same."""
    return name_key(name) == name_key(other)


def _sentence(text: str) -> str:
    text = in_dock(text).strip()
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
