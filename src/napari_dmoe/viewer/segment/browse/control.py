"""Goes through the images of a series, or those that are open, one after another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.segment.browse.view import BrowseBar, BrowseState, FilterChoice
from napari_dmoe.viewer.session.pictures import Filter, Picture
from napari_dmoe.viewer.session.visits import Loaded, Visits, Wanted, read_files
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.shortcut import NEXT, PREVIOUS, Shortcut
from napari_dmoe.viewer.ui.turns import in_turn
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari.layers import Image

_FIELDS = QLineEdit, QAbstractSpinBox, QTextEdit, QPlainTextEdit


class BrowseControl(Control):
    """Connects Previous, Next and the filters with the session.

    Files are read in a job. Who goes on meanwhile skips: only the last image that was
    wished for is opened.
    """

    def __init__(
        self,
        bench: Bench,
        bar: BrowseBar,
        open_truth: Callable[[Path, Image], None],
    ) -> None:
        super().__init__(bench, bar)
        self._bar, self._pictures = bar, bench.session.pictures
        self._open_truth = open_truth
        self.visits = Visits(bench.session)
        self._opening: Picture | None = None
        session, pictures, visits = bench.session, self._pictures, self.visits
        connections = Connections(self)
        connections.add(session.images_changed, visits.note_images)
        connections.add(session.image_changed, visits.note_shown)
        connections.add(session.result_changed, visits.note_painted)
        connections.add(session.mask_saved, visits.note_saved)
        connections.add(pictures.wished, self._on_wished)
        self._refresh = Refresh(
            self, self.show, soon=(pictures.changed,), at_once=(pictures.wished,)
        )
        bar.step_requested.connect(self._on_step)
        bar.filter_chosen.connect(self._on_filter)
        bar.leave_requested.connect(self._on_leave)
        bar.menu_requested.connect(self._on_menu)
        self._take_keys()
        visits.note_images()
        visits.note_shown()
        self.show()

    def _take_keys(self) -> None:
        viewer = self._session.viewer
        if viewer is None:
            return
        self._keys = (
            Shortcut(self, viewer, PREVIOUS, self.show_previous),
            Shortcut(self, viewer, NEXT, self.show_next),
        )
        for each in self._keys:
            each.changed.connect(self._show_keys)
        self._show_keys()

    def _show_keys(self, *_: object) -> None:
        self._bar.show_keys(*(each.keys for each in self._keys))

    @property
    def is_opening(self) -> bool:
        """Whether the files of an image are being read."""
        return self._opening is not None

    def show(self) -> None:
        """Say where one is among the images."""
        pictures = self._pictures
        place, n = pictures.position
        self._bar.show_state(
            BrowseState(
                place,
                n,
                is_filtered=pictures.filter is not Filter.ALL,
                has_previous=pictures.next_place(-1) is not None,
                has_next=pictures.next_place(1) is not None,
                details=self._details(),
            )
        )

    def _details(self) -> str:
        pictures = self._pictures
        folder, chosen = pictures.folder, pictures.filter
        what = f"Images of {folder.name}" if folder is not None else "Open images"
        lines = [what if chosen is Filter.ALL else f"{what}: {chosen.value.lower()}"]
        now = pictures.wish or pictures.current
        if now is not None:
            place = pictures.place_of(now.key)
            is_corrected = place is not None and pictures.corrected(place)
            lines.append(now.name + (", corrected" if is_corrected else ""))
            lines.append(now.row.get("headline", ""))
            score = now.score
            lines.append("" if score != score else f"Dice {score:.3f}")
        lines.append("Click to choose which images are gone through.")
        return "\n".join(filter(None, lines))

    def show_previous(self) -> None:
        """Show the image before, unless somebody types into a field."""
        if not _is_typing():
            self._on_step(-1)

    def show_next(self) -> None:
        """Show the next image, unless somebody types into a field."""
        if not _is_typing():
            self._on_step(1)

    def _on_step(self, step: int) -> None:
        if not self._pictures.go(step):
            edge = "last" if step > 0 else "first"
            self._work.say(f"This is the {edge} of these images.")

    def _on_menu(self) -> None:
        pictures = self._pictures
        known = (each for each in Filter if each in _OPEN or pictures.is_series)
        choices = [
            FilterChoice(
                each,
                each.value if each is not Filter.WORST else _worst(pictures.has_scores),
                pictures.count(each),
                is_chosen=each is pictures.filter,
            )
            for each in known
        ]
        folder = pictures.folder
        self._bar.show_filters(choices, "" if folder is None else folder.name)

    def _on_filter(self, chosen: Filter) -> None:
        pictures = self._pictures
        pictures.filter = chosen
        order = pictures.order
        if chosen is not Filter.ALL and order:
            pictures.open(order[0])

    def _on_leave(self) -> None:
        self._pictures.fill((), None)
        self.visits.note_shown()

    def _on_wished(self) -> None:
        in_turn(self, self._open)

    def _open(self) -> None:
        """Show the image that is wished for; read its files first where that is due."""
        picture = self._pictures.wish
        if picture is None or self._opening is not None:
            return
        if picture.path is None and picture.layer is None:
            why = picture.row.get("outcome", "")
            self._work.say(f"{picture.name} has no file. {why}".rstrip())
            return
        wanted = self.visits.wanted(picture)
        if not wanted:
            said = self._show(picture, Loaded())
            if said:
                self._work.say(said)
            return
        self._opening = picture
        self._work.start_beside(
            Order(
                title=f"dMoE: opening {picture.name}",
                status=f"Opening {picture.name} …",
                work=partial(_read, picture.name, wanted),
                then=partial(self._on_read, picture),
                if_failed=partial(self._on_failed, picture),
                if_stopped=partial(self._on_stopped, picture),
            )
        )

    def _on_read(self, picture: Picture, loaded: Loaded) -> str:
        self._opening = None
        if not self._is_wished(picture):
            self._open()  # somebody went on meanwhile
            return ""
        said = self._show(picture, loaded)
        if self._work.is_busy:  # a series goes on: no notification for each image
            return said
        return f"Opened {picture.name}. {said}".rstrip()

    def _show(self, picture: Picture, loaded: Loaded) -> str:
        said = self.visits.show(picture, loaded)
        self._pictures.fulfil(picture.key)
        image, truth = self.visits.image(picture), self.visits.truth(picture)
        if image is not None and truth is not None:
            self._open_truth(truth, image)
        return said

    def _is_wished(self, picture: Picture) -> bool:
        wish = self._pictures.wish
        return wish is not None and wish.key == picture.key

    def _on_failed(self, picture: Picture, error: Exception) -> str:
        """Stand at an image that cannot be read: Next goes on behind it."""
        self._opening = None
        if not self._is_wished(picture):
            self._open()
        return f"{picture.name} cannot be shown: {error}"

    def _on_stopped(self, picture: Picture) -> str:
        self._opening = None
        self._pictures.fulfil(picture.key)
        return "Stopped. Nothing was opened."


_OPEN = Filter.ALL, Filter.NOT_SEEN, Filter.CORRECTED


def _worst(has_scores: bool) -> str:
    """Say what the worst are where no truth is known, too."""
    return Filter.WORST.value if has_scores else "Implausible first"


def _read(name: str, wanted: Wanted, hook: ProgressHook) -> Loaded:
    hook(Progress(0, 1, f"opening {name}"))
    return read_files(wanted)


def _is_typing() -> bool:
    return isinstance(QApplication.focusWidget(), _FIELDS)
