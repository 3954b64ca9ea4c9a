"""Previous, Next and "12 of 60" beside the image, with the menu of filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction, QActionGroup
from qtpy.QtWidgets import QMenu, QPushButton, QSizePolicy, QWidget

from napari_dmoe.viewer.ui import icons, parts
from napari_dmoe.viewer.ui.theme import set_tone

_PREVIOUS, _NEXT = "Previous image", "Next image"
_NARROW = 18
_BETWEEN = 1
_MANY = 1000  # so many leave no room for a word in the narrowest dock


@dataclass(frozen=True)
class FilterChoice:
    """A filter to choose, and how many images it lets through."""

    key: object
    title: str
    n: int
    is_chosen: bool = False


@dataclass(frozen=True)
class BrowseState:
    """Where one is among the images that are gone through."""

    place: int | None = None
    """From 0; None where the image is none of them."""
    n: int = 0
    is_filtered: bool = False
    has_previous: bool = False
    has_next: bool = False
    details: str = ""
    """What is seen by pointing at the place: the filter, and what the image is."""

    @property
    def text(self) -> str:
        """The place among the images, as a person counts."""
        place = "–" if self.place is None else f"{self.place + 1}"
        return f"{place} of {self.n}" if self.n < _MANY else f"{place}/{self.n}"


class BrowseBar(QWidget):
    """Goes to the image before and after; what lies between them says where one is."""

    step_requested = Signal(int)
    """How many images on: 1, or -1."""
    filter_chosen = Signal(object)
    """The key of a filter."""
    leave_requested = Signal()
    """The open images are to be gone through, and no longer those of a series."""
    menu_requested = Signal()
    """The menu is about to be seen: it needs its filters."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.previous_button = _step(_PREVIOUS, "back")
        self.next_button = _step(_NEXT, "next")
        self.previous_button.clicked.connect(lambda: self.step_requested.emit(-1))
        self.next_button.clicked.connect(lambda: self.step_requested.emit(1))
        self.place_button = QPushButton()
        self.place_button.setAccessibleName("Which images are gone through")
        _as_high_as_the_row(self.place_button)
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self.menu_requested)
        self.place_button.setMenu(self.menu)
        self._group = QActionGroup(self)
        self.actions_: list[QAction] = []
        buttons = self.previous_button, self.place_button, self.next_button
        row = parts.row(*buttons, stretch=1)
        row.layout().setSpacing(_BETWEEN)
        parts.column(self, row)
        self.show_keys("", "")
        self.show_state(BrowseState())

    def show_keys(self, previous: str, following: str) -> None:
        """Say which keys do the same as the buttons."""
        for each, words, keys in (
            (self.previous_button, _PREVIOUS, previous),
            (self.next_button, _NEXT, following),
        ):
            each.setToolTip(f"{words} ({keys})" if keys else words)

    def show_state(self, state: BrowseState) -> None:
        """Show where one is; nothing where there is one image only, and no filter."""
        self.setVisible(state.n > 1 or state.is_filtered)
        self.place_button.setText(state.text)
        self.place_button.setToolTip(state.details)
        set_tone(self.place_button, "caution" if state.is_filtered else "")
        self.previous_button.setEnabled(state.has_previous)
        self.next_button.setEnabled(state.has_next)

    def show_filters(self, choices: Sequence[FilterChoice], series: str) -> None:
        """Offer filters; and to leave a series, where its name is given."""
        self.menu.clear()
        self._group = QActionGroup(self)
        self.actions_ = []
        for choice in choices:
            action = QAction(f"{choice.title} ({choice.n})", self.menu)
            action.setCheckable(True)
            action.setChecked(choice.is_chosen)
            action.setEnabled(choice.n > 0 or choice.is_chosen)
            action.triggered.connect(
                lambda _=False, key=choice.key: self.filter_chosen.emit(key)
            )
            self._group.addAction(action)
            self.menu.addAction(action)
            self.actions_.append(action)
        if series:
            self.menu.addSeparator()
            leave = QAction(f"Leave “{series}”: go through the open images", self.menu)
            leave.triggered.connect(lambda: self.leave_requested.emit())
            self.menu.addAction(leave)
            self.actions_.append(leave)


def _step(name: str, icon: icons.Name) -> QPushButton:
    button = QPushButton(name)
    icons.give(button, icon, alone=True)
    button.setFixedWidth(_NARROW)
    button.setAutoRepeat(True)
    _as_high_as_the_row(button)
    return button


def _as_high_as_the_row(button: QPushButton) -> None:
    """Let a button that comes and goes not make its row higher."""
    policy = QSizePolicy.Policy
    button.setSizePolicy(policy.Fixed, policy.Ignored)
