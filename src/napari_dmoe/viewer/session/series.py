"""The series of this session: what was segmented, or reopened, and can be looked at.

They stay whatever is begun by a wrong click, and whether or not the dock is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psygnal import Signal

from napari_dmoe.viewer.session.pictures import Picture

_MOST = 12
"""Series that stay; a folder can be reopened at any time."""

_FIRST = "cohort.csv"
"""The table that is read of a folder, whatever else there is in it."""


@dataclass(eq=False)
class Series:
    """Images that were segmented one after another, and what became of each."""

    title: str
    """What it is called where one of several is chosen."""
    folder: Path | None = None
    """Where its masks and its table are; None for open layers."""
    pictures: list[Picture] = field(default_factory=list)
    """Its images in order, each with its row of the table."""
    said: str = ""
    """How far it is, or how it ended."""

    def __repr__(self) -> str:
        """Show nothing of a patient."""
        return f"Series({self.title!r}, {len(self.pictures)} images)"

    @property
    def rows(self) -> list[Mapping[str, str]]:
        """The rows of its table."""
        return [picture.row for picture in self.pictures]


class Shelf:
    """The series of a session, the latest first, of which one is looked at."""

    changed = Signal()
    """Another series is looked at, or there is one more."""

    def __init__(self) -> None:
        self._all: list[Series] = []
        self._columns: dict[Path, Mapping[str, str]] = {}
        self.current: Series | None = None

    @property
    def all(self) -> tuple[Series, ...]:
        """All series, the latest first."""
        return tuple(self._all)

    def columns_of(self, source: str | Path) -> Mapping[str, str]:
        """Return what a person said that columns of a table or of a folder's mean."""
        return self._columns.get(Path(source).absolute(), {})

    def state_columns(self, stated: Mapping[str, str], *sources: Path) -> None:
        """Keep it for whoever reads the same table later, such as a guard."""
        folders = [each.parent for each in sources if each.name == _FIRST]
        self._columns |= {each.absolute(): stated for each in (*sources, *folders)}

    def put(self, series: Series) -> None:
        """Look at a series; one of the same folder that was there before goes."""
        others = [
            each
            for each in self._all
            if each is not series
            and (each.folder is None or each.folder != series.folder)
        ]
        self._all = [series, *others][:_MOST]
        self.current = series
        self.changed.emit()

    def choose(self, place: int) -> None:
        """Look at one of the series."""
        self.current = self._all[place]
        self.changed.emit()

    def forget(self, series: Series) -> None:
        """Let go of a series of which nothing came."""
        self._all.remove(series)
        if self.current is series:
            self.current = next(iter(self._all), None)
        self.changed.emit()
