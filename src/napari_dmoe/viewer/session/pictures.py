"""The images that are gone through one after another, and what became of each.

They are those of a series, once one is under way or a finished folder was reopened;
else the image layers that are open. Who shows one of a series opens its file: see
:class:`napari_dmoe.viewer.session.visits.Visits`. Knows no Qt.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from napari.layers import Image, Layer
from psygnal import Signal

from napari_dmoe.inference.masks.headline import IMPLAUSIBLE
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.layers.placement import plain

DICE = " Dice"
"""How the columns end that say how alike a region and its truth are."""

FAILED, CORRECTED = "failed", "corrected"
"""Words of the column ``status``."""


class Filter(Enum):
    """Which images are gone through, and in which order."""

    ALL = "All"
    NOT_SEEN = "Not yet seen"
    CORRECTED = "Corrected"
    WORST = "Worst first"
    FAILED = "Failed"


@dataclass(frozen=True)
class Picture:
    """An image to look at: a file, or a layer that is open."""

    name: str
    path: Path | None = None
    """Its file; None for a layer of which none is known."""
    layer: weakref.ref[Image] | None = None
    """Its layer; None for an image of a series, which is opened when it is shown."""
    patient: Patient | None = field(default=None, repr=False)
    """Whom its row names; None where the layer has a patient of its own."""
    mask: Path | None = None
    """The mask that the series wrote; None where it failed or is still to come."""
    truth: Path | None = None
    row: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Its row of ``segment.csv``, by column."""

    @property
    def key(self) -> object:
        """What it is known again by, also after its row or its mask is another.

        Two rows of one file, such as of two visits, are two images.
        """
        return (self.path, self.name) if self.layer is None else self.layer

    @property
    def is_failed(self) -> bool:
        """Whether the series could not segment it."""
        return self.row.get("status") == FAILED

    @property
    def score(self) -> float:
        """The mean Dice over the regions of its row; NaN where there is none."""
        return dice_of(self.row)

    @property
    def is_implausible(self) -> bool:
        """Whether what was found is unlike what the model was trained on."""
        return self.row.get("headline", "").startswith(IMPLAUSIBLE)


def dice_of(row: Mapping[str, str]) -> float:
    """Return the mean Dice over the regions of a row; NaN where it tells none."""
    found = [_number(text) for name, text in row.items() if is_dice(name)]
    known = [each for each in found if not math.isnan(each)]
    return sum(known) / len(known) if known else math.nan


def is_dice(column: str) -> bool:
    """Say whether a column of ``segment.csv`` tells the Dice of a region."""
    return column.endswith(DICE)


class Pictures:
    """The images of a series, or the open layers, and which one is looked at.

    A filter's images and their order stay as they were when it was chosen, so that
    nothing moves under who goes through them; new images of a series join it.
    """

    changed = Signal()
    """Other images are gone through, or one's state or the place among them changed."""
    wished = Signal()
    """Another image is to be shown: the one that :attr:`wish` names."""

    def __init__(self) -> None:
        self._series: list[Picture] = []
        self._layers: list[Picture] = []
        self._places: dict[object, int] = {}
        self._of_files: dict[Path, object] = {}
        self._folder: Path | None = None
        self._filter = Filter.ALL
        self._order: list[int] | None = None
        self._current: object = None
        self._wish: object = None
        self._seen: set[object] = set()
        self._painted: set[object] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, place: int) -> Picture:
        return self._all[place]

    @property
    def _all(self) -> list[Picture]:
        return self._series if self.is_series else self._layers

    @property
    def folder(self) -> Path | None:
        """The folder with the masks of the series; None for open layers."""
        return self._folder

    @property
    def is_series(self) -> bool:
        """Whether the images are those of a series, and not the open layers."""
        return bool(self._series) or self._folder is not None

    def fill(self, pictures: Sequence[Picture], folder: Path | None) -> None:
        """Go through the images of a series from now on.

        Without any and without a folder they are the open layers. What was seen and
        painted of the same folder stays known.
        """
        if folder != self._folder:
            self._seen, self._painted = set(), set()
            self._filter, self._current = Filter.ALL, None
        self._folder = folder
        self._series, self._wish = list(pictures), None
        self._renew()

    def add(self, pictures: Iterable[Picture]) -> None:
        """Let more images of the series come behind those that are there."""
        first = len(self._series)
        self._series.extend(pictures)
        self._note_places(first)
        self._order = None
        self.changed.emit()

    def update(self, place: int, **changes: object) -> None:
        """Change what is known of an image, such as its row; its place stays."""
        pictures = self._all
        order = self.order  # which a new score must not change
        pictures[place] = replace(pictures[place], **changes)  # type: ignore[arg-type]
        self._places[pictures[place].key] = place
        self._order = order
        self.changed.emit()

    def note_layers(self, images: Sequence[Image]) -> None:
        """Take note of the open images, in the order in which they are shown."""
        layers = (plain(image) for image in images)
        made = [Picture(str(each.name), layer=weakref.ref(each)) for each in layers]
        if made == self._layers:
            return
        self._layers = made
        if not self.is_series:
            self._renew()

    def note_shown(self, key: object) -> None:
        """Take note of the image that is looked at, by its key; None for another.

        Who chooses another one meanwhile no longer wishes for what they wished for.
        """
        is_known = key in self._places
        if key not in (self._current, self._wish):
            self._wish = None
        if is_known:
            self._seen.add(key)
        # Among the layers of a series, one of somebody's own is no image of it.
        self._current = key if is_known else None
        self.changed.emit()

    def note_painted(self, key: object, is_painted: bool) -> None:
        """Take note whether the mask of an image was corrected and is not saved."""
        if is_painted != (key in self._painted):
            (self._painted.add if is_painted else self._painted.discard)(key)
            self.changed.emit()

    def _renew(self) -> None:
        self._places, self._of_files = {}, {}
        self._note_places(0)
        if self._current not in self._places:
            self._current = None
        self._order = None
        self.changed.emit()

    def _note_places(self, first: int) -> None:
        for place in range(first, len(self._all)):
            picture = self._all[place]
            self._places[picture.key] = place
            if picture.path is not None:
                self._of_files.setdefault(picture.path, picture.key)

    def key_of_file(self, path: Path) -> object:
        """Return the key of the first image of a file; None for another file."""
        return self._of_files.get(path)

    def place_of(self, key: object) -> int | None:
        """Return where an image stands among all, by its key; None for another."""
        return self._places.get(key)

    @property
    def current(self) -> Picture | None:
        """The image that is looked at; None where it is none of these."""
        place = self._places.get(self._current)
        return None if place is None else self._all[place]

    @property
    def wish(self) -> Picture | None:
        """The image that is to be shown and is not yet; None where there is none."""
        place = self._places.get(self._wish)
        return None if place is None else self._all[place]

    def seen(self, place: int) -> bool:
        """Say whether an image was looked at since the series was opened."""
        return self._all[place].key in self._seen

    def corrected(self, place: int) -> bool:
        """Say whether an image's mask was painted on, saved or not."""
        picture = self._all[place]
        is_saved = picture.row.get("status") == CORRECTED
        return is_saved or picture.key in self._painted

    @property
    def has_scores(self) -> bool:
        """Whether the truth of any image is known."""
        return any(not math.isnan(each.score) for each in self._all)

    @property
    def filter(self) -> Filter:
        """Which images are gone through, and in which order."""
        return self._filter

    @filter.setter
    def filter(self, chosen: Filter) -> None:
        self._filter, self._order = chosen, None
        self.changed.emit()

    @property
    def order(self) -> list[int]:
        """The places of the images that are gone through, in their order.

        The worst are those with the lowest Dice; those without one come last, of which
        implausible ones go first and failed ones last.
        """
        if self._order is None:
            places = range(len(self._all))
            self._order = [place for place in places if self._belongs(place)]
            if self._filter is Filter.WORST:
                self._order.sort(key=self._badness)
        return self._order

    def count(self, chosen: Filter) -> int:
        """Return how many images a filter lets through now."""
        places = range(len(self._all))
        return sum(self._belongs(place, chosen) for place in places)

    def _belongs(self, place: int, chosen: Filter | None = None) -> bool:
        chosen = chosen or self._filter
        if chosen is Filter.NOT_SEEN:
            return not self.seen(place)
        if chosen is Filter.CORRECTED:
            return self.corrected(place)
        if chosen is Filter.FAILED:
            return self._all[place].is_failed
        return True

    def _badness(self, place: int) -> tuple[bool, float, bool, bool, int]:
        picture = self._all[place]
        score = picture.score
        is_unknown = math.isnan(score)
        last = picture.is_failed, not picture.is_implausible
        return is_unknown, 0.0 if is_unknown else score, *last, place

    @property
    def position(self) -> tuple[int | None, int]:
        """Where the image that is wished for, or else shown, stands; of how many.

        The place counts from 0; None where it is none of those gone through.
        """
        order, place = self.order, self._standing
        found = None
        if place is not None:
            # In most orders an image stands at its own place.
            is_there = place < len(order) and order[place] == place
            found = place if is_there else _index(order, place)
        return found, len(order)

    @property
    def _standing(self) -> int | None:
        place = self._places.get(self._wish)
        return self._places.get(self._current) if place is None else place

    def next_place(self, step: int) -> int | None:
        """Return the place of the image some steps on; None where there is none."""
        order, (now, n) = self.order, self.position
        if now is not None:
            there = now + step
            return order[there] if 0 <= there < n else None
        standing = self._standing
        if standing is None or self._filter is Filter.WORST:
            return order[0] if order and step > 0 else None
        beside = [p for p in order if (p > standing if step > 0 else p < standing)]
        if not beside:
            return None
        return beside[0] if step > 0 else beside[-1]

    def go(self, step: int) -> bool:
        """Wish for the image some steps on, among those gone through.

        Several steps before the first is shown lead to the last one wished for. Says
        whether there is one.
        """
        place = self.next_place(step)
        if place is None:
            return False
        self.open(place)
        return True

    def open(self, place: int) -> None:
        """Wish for an image, by its place among all."""
        self._wish = self._all[place].key
        self.changed.emit()
        self.wished.emit()

    def fulfil(self, key: object) -> None:
        """Take note that the image of a key is shown, or cannot be."""
        if key == self._wish:
            self._wish = None
            self.changed.emit()


def layer_key(image: Layer) -> weakref.ref[Layer]:
    """Return the key of an open image that is of no series."""
    return weakref.ref(plain(image))


def _index(order: Sequence[int], place: int) -> int | None:
    try:
        return order.index(place)
    except ValueError:
        return None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
