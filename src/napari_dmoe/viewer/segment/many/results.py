"""Shows the series of this session: the one that goes on, finished ones, reopened ones.

Rows come in from a worker's thread by the hundred; they are shown in batches, so that
the window stays fluid.
"""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QTimer

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.segment.many.view import SeriesSection
from napari_dmoe.viewer.session.pictures import Filter, Picture
from napari_dmoe.viewer.session.series import Series
from napari_dmoe.viewer.ui.asking import save_table
from napari_dmoe.viewer.ui.connections import Connections

BATCH_MS = 150
"""Until rows that came in are shown."""

_MOST = 400
"""Rows that are shown at a time: no click waits for more of them."""


class SeriesResults(Control):
    """Keeps the table of the series that is looked at, and opens its images."""

    def __init__(self, bench: Bench, section: SeriesSection) -> None:
        super().__init__(bench, section)
        self._section, self._shelf = section, bench.session.series
        self._shown: Series | None = None
        self._n_shown = self._n_handed = 0
        self._batch = QTimer(self)
        self._batch.setSingleShot(True)
        self._batch.timeout.connect(self.flush)
        connections = Connections(self)
        connections.add(self._shelf.changed, self._on_shelf)
        connections.add(self._session.pictures.changed, self._on_pictures)
        section.series_chosen.connect(self._shelf.choose)
        section.results.row_activated.connect(self._on_activated)
        section.results.worst_requested.connect(self._on_worst)
        section.found.save_requested.connect(self._on_save)
        self._on_shelf()

    def begin(self, title: str, folder: Path | None = None) -> Series:
        """Begin to show a series; those of before can be gone back to."""
        series = Series(title, folder)
        self.show_finished(series)
        return series

    def show_finished(self, series: Series) -> None:
        """Show a series, such as one of which everything is known."""
        series.title = self._title(series)
        self._shelf.put(series)

    def add(self, series: Series, picture: Picture) -> None:
        """Take note of what became of one more image; it is shown soon."""
        series.pictures.append(picture)
        self._soon(series)

    def say(self, series: Series, text: str) -> str:
        """Say how far a series is, or how it ended."""
        series.said = text
        self._soon(series)
        return text

    def _soon(self, series: Series) -> None:
        if series is self._shown and not self._batch.isActive():
            self._batch.start(BATCH_MS)

    def flush(self) -> None:
        """Show what came in, so much at a time that no click waits for it."""
        self._batch.stop()
        series = self._shown
        if series is None:
            return
        new = series.pictures[self._n_shown : self._n_shown + _MOST]
        self._n_shown += len(new)
        self._section.results.add_rows([picture.row for picture in new])
        n_pictures, is_all = len(series.pictures), self._n_shown == len(series.pictures)
        # What is said is of all rows; to hand thousands over takes a turn of its own.
        if not is_all or (new and n_pictures - self._n_handed > _MOST):
            self._batch.start(0)
            return
        self._section.say(series.said)
        self._hand_over(series)

    def _hand_over(self, series: Series) -> None:
        """Let its images be gone through with Previous and Next, new ones, too."""
        pictures, new = self._session.pictures, series.pictures[self._n_handed :]
        if series.folder is None or not new:
            return
        if not self._n_handed:
            pictures.fill(series.pictures, series.folder)
        elif pictures.folder == series.folder:  # else somebody left them
            pictures.add(new)
        self._n_handed = len(series.pictures)

    def _title(self, series: Series) -> str:
        """Return a title that no other series has; one of the same folder goes."""
        folder = series.folder
        others = [e for e in self._shelf.all if folder is None or e.folder != folder]
        taken, number = {each.title for each in others}, 2
        title = wanted = series.title
        while title in taken:
            title, number = f"{wanted} ({number})", number + 1
        return title

    def _on_shelf(self) -> None:
        """Show the series that is looked at, whole."""
        shelf, section = self._shelf, self._section
        titles = [each.title for each in shelf.all]
        series = shelf.current
        place = -1 if series is None else shelf.all.index(series)
        section.show_series(titles, place)
        if series is self._shown and series is not None:
            return
        self._shown, self._n_shown, self._n_handed = series, 0, 0
        section.results.show_rows(())
        section.say("" if series is None else series.said)
        self.flush()

    def _is_gone_through(self, series: Series) -> bool:
        """Say whether its images are those of Previous and Next."""
        folder = self._session.pictures.folder
        return folder is not None and folder == series.folder

    def _on_pictures(self) -> None:
        """Show the rows anew that are others, and point at the image looked at."""
        series, pictures = self._shown, self._session.pictures
        if series is None or not self._is_gone_through(series):
            return
        n = min(len(pictures), self._n_shown)
        others = [i for i in range(n) if pictures[i] is not series.pictures[i]]
        for place in others:
            series.pictures[place] = pictures[place]
            self._section.results.replace_row(place, pictures[place].row)
        current = pictures.current
        now = None if current is None else pictures.place_of(current.key)
        if now is not None and now < n:
            self._section.table.go_to(now)
        if others:
            self._section.say(series.said)

    def _on_activated(self, place: int) -> None:
        """Show the image of a line, with its patient, its mask and its truth."""
        series = self._shown
        if series is None:
            return
        picture = series.pictures[place]
        if picture.layer is not None:
            image, viewer = picture.layer(), self._session.viewer
            if image is not None and viewer is not None and image in viewer.layers:
                viewer.layers.selection.active = image
                self._session.choose_image(image)
            return
        if not self._is_gone_through(series):
            self._session.pictures.fill(series.pictures, series.folder)
        self._session.pictures.open(place)

    def _on_worst(self) -> None:
        """Go through the images as the table stands: from the worst one on."""
        series = self._shown
        if series is not None and self._is_gone_through(series):
            self._session.pictures.filter = Filter.WORST

    def _on_save(self, what: str, rows: object) -> None:
        save_table(self._work, self._section, what, rows)  # type: ignore[arg-type]
