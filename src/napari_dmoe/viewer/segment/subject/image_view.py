"""The choice of the image that is worked on, its channel and its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QToolButton, QWidget

from napari_dmoe.viewer.layers.axes import AXIS_TITLES, COLOURS
from napari_dmoe.viewer.layers.windows import FULL, WINDOWS
from napari_dmoe.viewer.segment.browse.view import BrowseBar
from napari_dmoe.viewer.segment.subject.pixel_size_view import PixelSizeButton
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.theme import Tone, set_tone

_AS_IT_IS = "not named"
_LEAST_NAME = 32  # beside 8729/8729, there; the list that it opens has room for all
_LEAST = 48  # beside a channel and a pixel size, in the narrowest dock
_LEVEL = 18
"""Characters of a level's name that are seen where there is room."""
_LEAST_WINDOW = 30
_SIGNS: dict[Tone, str] = {"": "", "good": "✓ ", "caution": "⚠ "}


@dataclass(frozen=True)
class ImageChoice:
    """An image to choose, by its layer's name."""

    name: str
    problem: str = ""
    """Why the model cannot use it; empty where it can."""


@dataclass(frozen=True)
class ChannelChoice:
    """Which channel of an image is used."""

    titles: tuple[str, ...] = ()
    """What each is called; nothing where there is one only."""
    chosen: int | None = None
    """Which one was chosen; None stands for all, or for none where that cannot be."""
    takes_all: bool = False
    """Whether the model takes all of them."""


class ImageSection(QWidget):
    """Shows the images of the viewer and tells which one is chosen.

    Below them one line says how image and model go together.
    """

    image_chosen = Signal(int)
    """Place in the list that was shown."""
    layout_chosen = Signal(object)
    """Names of the image's axes, in order."""
    level_chosen = Signal(int)
    """Number of a level of a multiscale image, 0 being the finest."""
    channel_chosen = Signal(object)
    """Number of a channel, from 0; None for all of them."""
    window_chosen = Signal(str)
    """Name of a window of a CT."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = parts.narrow_combo(
            "Image",
            "Image to segment. Selecting a layer chooses it, too. Images that the "
            "model cannot use are greyed; point at one to see why.",
            characters=1,
        )
        self.combo.setMinimumWidth(_LEAST_NAME)
        self.combo.activated.connect(self.image_chosen)
        self.channel_combo = parts.narrow_combo(
            "Channel",
            "Which channel of the image the model sees. The record of a mask says it.",
            characters=4,
        )
        fixed = QSizePolicy.Policy.Fixed
        self.channel_combo.setSizePolicy(fixed, fixed)
        self.channel_combo.activated.connect(self._on_channel)
        self.axes_combo = parts.narrow_combo(
            "Axes",
            "What the image's axes are: its layer does not name them. The choice is "
            "written into the layer's axis labels.",
            characters=1,
        )
        self.axes_combo.setMinimumWidth(_LEAST)
        self.axes_combo.activated.connect(self._on_axes)
        self.level_combo = parts.narrow_combo(
            "Level",
            "Which level of the multiscale image is segmented: the finest, or one that "
            "is coarser and faster. That becomes a layer of its own, and the record of "
            "its mask says it.",
            characters=_LEVEL,
        )
        self.level_combo.setMinimumWidth(_LEAST)
        self.level_combo.activated.connect(self.level_chosen)
        self.fit = parts.line(name="image-fit")
        self._layouts: list[tuple[str, ...]] = []
        self._channels = ChannelChoice()
        self._level_row = parts.row(QLabel("Level"), self.level_combo, stretch=1)
        self._axes_row = parts.row(QLabel("Axes"), self.axes_combo, stretch=1)
        self.windows = {name: self._window(name) for name in (*WINDOWS, FULL)}
        self._windows_row = parts.row(QLabel("CT"), *self.windows.values())
        self.pixel_size = PixelSizeButton()
        self.browse = BrowseBar()
        self._lay_out()
        self.show_channels(ChannelChoice())
        self.show_axes((), None)
        self.show_levels((), 0)
        self.show_windows(is_ct=False)

    def _window(self, name: str) -> QToolButton:
        """Return the button of a window."""
        button = QToolButton()
        button.setText(name.partition(" ")[0])
        button.setAutoRaise(True)
        button.setMinimumWidth(_LEAST_WINDOW)
        range_ = (
            "all numbers" if name == FULL else "{:g} to {:g} HU".format(*WINDOWS[name])
        )
        said = "the full range" if name == FULL else f"the {name} window"
        button.setToolTip(
            f"Show {said}: {range_}. Only the contrast changes, and not what the "
            "model sees."
        )
        button.setAccessibleName(f"CT window: {name}")
        button.clicked.connect(partial(self.window_chosen.emit, name))
        return button

    def _lay_out(self) -> None:
        heading = parts.heading("IMAGE")
        head = parts.row(heading, self.combo, self.browse, stretch=1)
        # The room of what an image leaves to be chosen is kept: nothing below it moves
        # when an image comes that has more channels, or axes without names.
        choices = (
            self._level_row,
            self.channel_combo,
            self.pixel_size,
            self._axes_row,
            self._windows_row,
        )
        left = parts.row(*choices, QWidget(), stretch=len(choices))
        left.setMinimumHeight(self.axes_combo.sizeHint().height())
        parts.column(self, head, self.fit, left)

    def show_images(self, images: Sequence[ImageChoice], current: int) -> None:
        """Show the images, and which one is worked on (-1 for none)."""
        self.combo.clear()
        for place, image in enumerate(images):
            self.combo.addItem(image.name)
            tooltip = image.problem or image.name
            self.combo.setItemData(place, tooltip, Qt.ItemDataRole.ToolTipRole)
            self.combo.model().item(place).setEnabled(not image.problem)
        self.combo.setCurrentIndex(current)
        self.combo.setEnabled(bool(images))
        if not images:
            self.combo.setPlaceholderText("no image")

    def show_channels(self, channels: ChannelChoice) -> None:
        """Let a channel be chosen; nothing where there is one only."""
        self._channels, combo = channels, self.channel_combo
        combo.clear()
        whole = "colour" if channels.titles == COLOURS else "all"
        combo.addItem(whole if channels.takes_all else "choose …")
        combo.model().item(0).setEnabled(channels.takes_all)
        combo.addItems([each.removeprefix("channel ") for each in channels.titles])
        combo.setCurrentIndex(0 if channels.chosen is None else channels.chosen + 1)
        combo.setVisible(bool(channels.titles))

    def show_levels(self, titles: Sequence[str], chosen: int) -> None:
        """Let a level be chosen; nothing where the image has one alone."""
        self.level_combo.clear()
        self.level_combo.addItems(list(titles))
        self.level_combo.setCurrentIndex(chosen)
        self._level_row.setVisible(bool(titles))

    def show_axes(
        self, layouts: Sequence[tuple[str, ...]], chosen: tuple[str, ...] | None
    ) -> None:
        """Let the axes be named; nothing where there is one way only."""
        self._layouts = list(layouts)
        self.axes_combo.clear()
        self.axes_combo.addItem(_AS_IT_IS)
        self.axes_combo.model().item(0).setEnabled(chosen is None)
        for names in layouts:
            self.axes_combo.addItem(", ".join(AXIS_TITLES[name] for name in names))
        place = self._layouts.index(chosen) + 1 if chosen in self._layouts else 0
        self.axes_combo.setCurrentIndex(place)
        self._axes_row.setVisible(bool(layouts))

    def show_windows(self, *, is_ct: bool) -> None:
        """Offer the windows of a CT; nothing for other images."""
        self._windows_row.setVisible(is_ct)

    def show_fit(self, text: str, details: str = "", tone: Tone = "") -> None:
        """Say how image and model go together; the details are seen by pointing at it.

        Its sign and its colour say whether that is good, or asks for care.
        """
        parts.tell(self.fit, f"{_SIGNS[tone]}{text}" if text else "", details)
        set_tone(self.fit, tone)

    def _on_axes(self, index: int) -> None:
        if index > 0:
            self.layout_chosen.emit(self._layouts[index - 1])

    def _on_channel(self, index: int) -> None:
        if index > 0 or self._channels.takes_all:
            self.channel_chosen.emit(None if index == 0 else index - 1)
