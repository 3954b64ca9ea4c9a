"""Reads the cohort that a person chooses, and shows what was understood of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from platformdirs import user_cache_path
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fairness.cohort.reading import (
    N_PHANTOMS,
    Reading,
    Wish,
    look_at_columns,
    n_cases,
    read,
    restated,
    told,
)
from napari_dmoe.viewer.fairness.cohort.view import CohortSection
from napari_dmoe.viewer.fairness.pairs import TITLE, open_pairs, take
from napari_dmoe.viewer.session.models import bundled_origin
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.work import Order

TABLE_FILES = "Tables and lists (*.csv *.tsv *.txt);;All files (*)"
RESULT_FILES = "Results of an audit (*.csv);;All files (*)"

PHANTOMS = {
    "fundus": "fundus, driven by severity",
    "fundus-race": "fundus, driven by race",
    "skin": "skin lesions, driven by sex and age",
    "pelvis": "pelvis volumes, driven by the T stage",
}
"""Kinds of phantoms that can be audited at a click, the first by its own button."""
_KIND = "\0phantoms "


class CohortControl(Control):
    """Keeps the cohort that is audited next."""

    changed = Signal()
    """Another cohort is there, or none, or other rows of it are left out."""
    reopen_requested = Signal(object)
    """The folder or the table of an audit was chosen, to be looked at again."""

    def __init__(self, bench: Bench, section: CohortSection) -> None:
        super().__init__(bench, section)
        self._section = section
        self._wish: Wish | None = None
        self.reading: Reading | None = None
        """What was read; None before anything was, and while it is."""
        self.is_skipped = False
        """Whether rows with a problem are left out."""
        section.folder_requested.connect(self._on_folder)
        section.table_requested.connect(self._on_table)
        section.layers_requested.connect(self.take_layers)
        section.phantoms_requested.connect(self._on_phantoms)
        section.reopen_requested.connect(self._on_reopen)
        section.other_requested.connect(self._on_other)
        section.dropped.connect(self._on_dropped)
        section.stated.connect(self._on_stated)
        section.skip_toggled.connect(self._on_skip)
        section.columns_requested.connect(self._on_columns)
        session = bench.session
        connections = Connections(self)
        connections.add(session.images_changed, self._forget_layers)
        changes = session.images_changed, session.truths.changed
        Refresh(self, self._offer_layers, soon=changes)
        self._offer_layers()
        self._offer_others()

    def _on_folder(self) -> None:
        source = QFileDialog.getExistingDirectory(
            self._section, "Folder of a cohort to audit"
        )
        if source:
            self.open(Path(source))

    def _on_table(self) -> None:
        source, _ = QFileDialog.getOpenFileName(
            self._section, "Table or list of a cohort to audit", "", TABLE_FILES
        )
        if source:
            self.open(Path(source))

    def _on_reopen(self) -> None:
        source, _ = QFileDialog.getOpenFileName(
            self._section, "cases.csv of an audit, or results", "", RESULT_FILES
        )
        if source:
            self.reopen_requested.emit(Path(source))

    def _on_dropped(self, path: str) -> None:
        self.open(Path(path))

    def _on_other(self, key: str) -> None:
        if key.startswith(_KIND):
            self.draw(key.removeprefix(_KIND))
        else:
            self.open(Path(key))

    def _on_phantoms(self) -> None:
        self.draw(next(iter(PHANTOMS)))

    def open(self, source: Path) -> None:
        """Read a cohort; where it is a finished audit, look at that again."""
        if is_audit(source):
            self.reopen_requested.emit(source)
        else:
            self._read(Wish(source, loaded=bundled_origin(self._session)))

    def draw(self, kind: str) -> None:
        """Read a cohort of phantoms, which are drawn where they are not yet."""
        self._read(Wish(phantoms_folder(kind), phantoms=kind))

    def take_layers(self) -> None:
        """Take the open images with a truth for the cohort."""
        self._wish = Wish(Path(TITLE))
        try:
            taken = take(self._session)
        except ValueError as error:
            self._show(told(Reading(self._wish, error=str(error))))
            return
        self._show(told(Reading(self._wish, taken.cohort, layers=taken.layers)))

    def _read(self, wish: Wish) -> None:
        """Read what a person wants to be audited, beside whatever else goes on."""
        self._wish, name = wish, wish.source.name
        self.reading, self.is_skipped = None, False
        self._section.show_reading(name)
        self.changed.emit()
        what = "Drawing" if wish.phantoms else "Reading"
        order = Order(
            title=f"dMoE: reading {name}",
            status=f"{what} {name} …",
            work=partial(read, self._engines, wish),
            then=self._on_read,
            if_failed=partial(self._on_unread, wish),
            if_stopped=partial(self._on_stopped, wish),
        )
        self._work.start_beside(order)

    def _on_read(self, reading: Reading) -> str:
        if reading.wish is not self._wish:  # another one was asked for meanwhile
            return ""
        self._show(reading)
        if reading.cohort is None:
            return f"{reading.wish.source.name} cannot be read."
        if not reading.wish.phantoms:
            self._engines.remember_cohort(str(reading.wish.source))
            self._offer_others()
        if reading.problems:
            n = len(reading.problems)
            wrong = f"{n:,} {'problem' if n == 1 else 'problems'}"
            return f"Read {n_cases(reading.n)}, and {wrong}: see the cohort."
        return f"Read {n_cases(reading.n)}: nothing is run or written yet."

    def _show(self, reading: Reading) -> None:
        self.reading, self.is_skipped = reading, False
        self._section.show_read(reading)
        self.changed.emit()

    def _on_unread(self, wish: Wish, error: Exception) -> str:
        if wish is self._wish:
            self._show(told(Reading(wish, error=str(error))))
        return f"Failed: {error}"

    def _on_stopped(self, wish: Wish) -> str:
        if wish is self._wish:
            self._forget()
        return "Stopped. Nothing was read."

    def _forget(self) -> None:
        self.reading = self._wish = None
        self._section.show_nothing()
        self.changed.emit()

    def _on_stated(self, column: str, meaning: str) -> None:
        if self.reading is not None:
            self._read(restated(self.reading, column, meaning))

    def _on_columns(self) -> None:
        """Look what the columns mean, which nobody wanted to know before."""
        reading = self.reading
        if reading is None:
            return
        order = Order(
            title="dMoE: looking at the columns",
            status="Looking at the columns …",
            work=partial(look_at_columns, reading),
            then=self._on_looked,
        )
        self._work.start_beside(order)

    def _on_looked(self, reading: Reading) -> str:
        if reading.wish is self._wish:
            self.reading = reading
            self._section.show_read(reading, is_skipped=self.is_skipped)
        return ""

    def _on_skip(self, is_skipped: bool) -> None:
        self.is_skipped = is_skipped
        self.changed.emit()

    def _offer_layers(self) -> None:
        self._section.offer_layers(len(open_pairs(self._session)))

    def _forget_layers(self) -> None:
        """Keep no pixels of images that were closed."""
        layers = {} if self.reading is None else self.reading.layers
        there = self._session.images()
        if layers and not any(each() in there for each in layers.values()):
            self._forget()

    def _offer_others(self) -> None:
        recent = self._engines.recent_cohorts()
        titles = [_title(path, recent) for path in recent]
        kinds = [kind for kind in PHANTOMS if kind != next(iter(PHANTOMS))]
        titles += [f"Phantoms: {PHANTOMS[kind]}" for kind in kinds]
        keys = [*recent, *(_KIND + kind for kind in kinds)]
        self._section.offer_others(titles, keys)


def phantoms_folder(kind: str) -> Path:
    """Return where phantoms of a kind are drawn, for this user."""
    own = Path(user_cache_path("napari-dmoe", appauthor=False))
    return own / f"phantoms-{N_PHANTOMS[kind]}" / kind


def is_audit(source: Path) -> bool:
    """Say whether a path is a finished audit, or a folder of several."""
    if source.is_dir():
        return bool(audits_in(source))
    return source.name == CASES


CASES = "cases.csv"
"""Name of the table of an evaluated cohort."""


def audits_in(folder: Path) -> list[Path]:
    """Return the finished audits in a folder: itself, or those right below it."""
    tables = [folder / CASES, *sorted(folder.glob(f"*/{CASES}"))]
    return [table.parent for table in tables if table.is_file()]


def _title(path: str, among: tuple[str, ...]) -> str:
    """Return a path's last part; with its folder where another is called so, too."""
    name = Path(path).name
    is_one = sum(Path(each).name == name for each in among) == 1
    return name if is_one else f"{Path(path).parent.name}/{name}"
