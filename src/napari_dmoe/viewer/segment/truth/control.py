"""Lets labels be the truth of an image, reads them, and marks what a mask misses."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.imaging.files import IMAGE_SUFFIXES
from napari_dmoe.inference.masks.measures import label_counts
from napari_dmoe.inference.masks.truth import MISSED_WORDS, missed, without
from napari_dmoe.inference.pictures.colours import Rgb
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.labels_on import seen_image
from napari_dmoe.viewer.layers.look import difference_layer
from napari_dmoe.viewer.layers.measuring import Edits, edits_of, pixels_or_voxels
from napari_dmoe.viewer.layers.names import MISSED
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.slot import selection_kept
from napari_dmoe.viewer.layers.truth_layers import (
    NO_TRUTH,
    ReadTruth,
    TruthFile,
    read_truth_file,
    truth_layer,
)
from napari_dmoe.viewer.layers.two_outlines import TwoOutlines
from napari_dmoe.viewer.segment.result.files import opening
from napari_dmoe.viewer.segment.result.rows import (
    ShownMasks,
    further_axes,
    image_scores,
)
from napari_dmoe.viewer.segment.truth.asked import ask
from napari_dmoe.viewer.segment.truth.rows import dice_text, missed_rows
from napari_dmoe.viewer.segment.truth.view import TruthView
from napari_dmoe.viewer.session.inquiry import GONE
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.truths import Origin, Truth, offered_truths
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.measuring import MEASURING, Measuring

if TYPE_CHECKING:
    from napari.layers import Image, Labels

OWNER = "truth"
_FILES = f"Masks ({' '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)})"
_REMOVED = "The truth was removed."
_CAME = {
    Origin.SAMPLE: "It came with the sample.",
    Origin.TABLE: "It came with the table.",
}

_State = tuple[Path, int, int]
"""A file, and when and with how many bytes it was written."""
_OfFile = tuple[_State | None, Edits, tuple[str, ...]]
"""The file that labels were read from, the labels as they were then, and notices."""

_Put = tuple[int, int, Edits]
"""Which truth and which mask an overlay was made of, as it was."""


class TruthControl(Control):
    """Fills the line on the truth, and follows the mask with what it misses."""

    arrived = Signal()
    """A large truth was read: Dice can be told."""

    def __init__(self, bench: Bench, view: TruthView) -> None:
        super().__init__(bench, view)
        session = bench.session
        self._view = view
        self._offered: list[weakref.ref[Labels]] = []
        self._is_on: WeakSet[Any] = WeakSet()
        self._is_wished = False  # of images that are still to come, too
        self._came: WeakSet[Any] = WeakSet()
        self._read: WeakKeyDictionary[Any, _OfFile] = WeakKeyDictionary()
        self._put: WeakKeyDictionary[Any, _Put] = WeakKeyDictionary()
        self._followed: WeakSet[Any] = WeakSet()
        self._outlined: WeakKeyDictionary[Any, TwoOutlines] = WeakKeyDictionary()
        self._connections = Connections(self)
        self._measuring = Measuring(self)
        self._measuring.arrived.connect(self._on_arrived)
        groups = session.groups
        changes = session.result_changed, session.images_changed, session.truths.changed
        others = groups.changed, groups.yielded, groups.tidied
        self._refresh = Refresh(
            self, self.show, soon=(*session.subject_changes, *changes, *others)
        )
        view.truth_chosen.connect(self._on_chosen)
        view.file_requested.connect(self._on_file)
        view.missed_toggled.connect(self._on_missed)
        self._refresh.soon()

    def read(self, image: Image, result: Result) -> ReadTruth | None:
        """Return the truth of an image as the classes of a result.

        None while it is read; :attr:`arrived` tells when that is done.
        """
        truth = self._session.truths.of(image)
        asked = ask(truth, image, result)
        labels = None if truth is None else truth.labels
        if isinstance(asked, ReadTruth) or labels is None:
            return asked if isinstance(asked, ReadTruth) else NO_TRUTH
        size = int(np.prod(asked.given.labels.data.shape))
        found = self._measuring.of(labels, asked.key, size, asked.read)
        return None if found is None else asked.on_mask(found)

    def show(self) -> None:
        """Show which labels are the truth, what is to be said, and what is missed."""
        image, result = self._session.current
        truth = self._session.truths.of(image)
        self._offer(image, truth)
        if image is None or result is None:
            self._view.say(self._said(image, truth, NO_TRUTH))
            self._view.show_missed(may=False)
            return
        read = self.read(image, result)
        note = MEASURING if read is None else self._said(image, truth, read)
        self._view.say(note, self._overall(image, result, read or NO_TRUTH))
        if read is not None:
            self._show_missed(image, result, read)

    def _offer(self, image: Image | None, truth: Truth | None) -> None:
        offered = offered_truths(self._session, image)
        own = None if truth is None else truth.labels
        if own is not None and own not in offered:
            offered.insert(0, own)
        self._offered = [weakref.ref(each) for each in offered]
        place = offered.index(own) + 1 if own is not None else 0
        names = [str(each.name) for each in offered]
        self._view.offer(names, place, is_there=image is not None)

    def _said(self, image: Image | None, truth: Truth | None, read: ReadTruth) -> str:
        if truth is None:
            return _REMOVED if self._session.truths.lost(image) else ""
        if read.problem:
            return f"No Dice: {read.problem}"
        lacks = ", ".join(sorted(read.lacks))
        says_not = f"The truth says nothing of {lacks}." if lacks else ""
        said = (_CAME.get(truth.origin, ""), *truth.notices, *read.notices, says_not)
        return " ".join(filter(None, said))

    def _overall(self, image: Image, result: Result, read: ReadTruth) -> str:
        """Say the Dice over all planes or volumes, where there are several."""
        mask, masks = result.mask(), ShownMasks.of(result, image, read)
        further = further_axes(result.segmentation)
        if mask is None or masks is None or read.values is None or not further:
            return ""
        key, step = ("over all", read.key), (0,) * mask.ndim
        scores = partial(image_scores, masks, step)
        found = self._measuring.of(mask, key, mask.data.size, scores)
        if found is None:
            return MEASURING
        what = "volumes" if len(result.segmentation.grid.shape) == 3 else "planes"
        said = dice_text([(each.name, each.dice) for each in found])
        return f"Over all {what}: {said}." if said else ""

    def _show_missed(self, image: Image, result: Result, read: ReadTruth) -> None:
        own, mask = plain(image), result.mask()
        may = read.values is not None and mask is not None
        layer = self._session.groups.layer(image, Group.WHAT_IF, OWNER)
        is_hidden = own in self._put and (layer is None or not layer.visible)
        if own in self._is_on and (is_hidden or not may):
            self._turn_off(image)
        elif may and self._is_wished and own not in self._came:
            self._begin(image)
        if own not in self._is_on or mask is None or read.values is None:
            self._view.show_missed(may=may)
            return
        classes = result.segmentation.classes
        find = partial(_find_missed, np.asarray(mask.data), read, classes)
        found = self._measuring.of(mask, ("missed", read.key), mask.data.size, find)
        if found is None:
            self._view.show_missed(may=True, is_on=True)
            return
        difference, counts = found
        self._mark(image, difference, (read.key, id(mask), edits_of(mask)))
        made, colours = result.segmentation, self._outline(image, result)
        what, in_all = pixels_or_voxels(made), bool(further_axes(made))
        legend = missed_rows(counts, what, colours, in_all=in_all)
        self._view.show_missed(may=True, is_on=True, legend=legend)

    def _begin(self, image: Image) -> None:
        """Mark what is missed on another image, too, unless something else is seen."""
        self._came.add(plain(image))
        others = Group.WHAT_IF, Group.ROUTING
        if not any(self._session.groups.is_seen(image, each) for each in others):
            self._is_on.add(plain(image))

    def _mark(self, image: Image, difference: NDArray[np.uint8], made_of: _Put) -> None:
        """Put what is missed on the image, unless it is there as it is."""
        if self._put.get(plain(image)) == made_of:
            return
        layer_data = difference_layer(
            image, difference, what=MISSED, words=MISSED_WORDS
        )
        layer = self._session.groups.put(
            image, Group.WHAT_IF, layer_data, OWNER, is_under_masks=True
        )
        self._put[plain(image)] = made_of
        if layer not in self._followed:
            self._followed.add(layer)
            self._connections.add(layer.events.visible, self._refresh.soon)

    def _outline(self, image: Image, result: Result) -> Mapping[str, Rgb]:
        """Let mask and truth be outlines that are told apart; return the truth's."""
        truth, mask = self._session.truths.of(image), result.mask()
        labels = None if truth is None else truth.labels
        if mask is None or labels is None:
            return {}
        both = self._outlined.get(plain(image))
        if both is None:
            both = self._outlined[plain(image)] = TwoOutlines(self._session.outlines)
        made = result.segmentation
        asked = ask(truth, image, result)
        meant = None if isinstance(asked, ReadTruth) else asked.meant
        if not both.holds(mask, labels, meant):
            both.show(mask, labels, made.classes, made.provenance, meant)
        return both.colours

    def _fill_again(self, image: Image) -> None:
        both = self._outlined.pop(plain(image), None)
        if both is not None:
            both.end()

    def _turn_off(self, image: Image) -> None:
        self._is_on.discard(plain(image))
        self._put.pop(plain(image), None)
        self._fill_again(image)
        self._session.groups.hide(image, Group.WHAT_IF, OWNER)

    def _on_arrived(self) -> None:
        self.show()
        self.arrived.emit()

    def _on_missed(self, is_on: bool) -> None:
        image, self._is_wished = self._session.image, is_on
        if image is not None and is_on:
            self._put.pop(plain(image), None)
            self._is_on.add(plain(image))
            self._came.clear()
            self._came.add(plain(image))
        for each in [] if is_on else list(self._is_on):
            self._turn_off(each)
        self._refresh.now()

    def _on_chosen(self, place: int) -> None:
        image = self._session.image
        labels = self._offered[place]() if place >= 0 else None
        if image is None:
            return
        if labels is None:
            self._session.truths.clear(image)
        else:
            self._session.truths.set(image, labels)
        self._refresh.now()

    def _on_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self._view, "Open the truth of this image", "", _FILES
        )
        image = self._session.image
        if path and image is not None:
            self.open(Path(path), image)

    def open(self, path: Path, image: Image, *, origin: Origin = Origin.CHOSEN) -> None:
        """Read a file, and take its labels for the truth of an image."""
        state = _state_of(path)
        for layer in offered_truths(self._session, image):
            was, edits, said = self._read.get(layer, (None, None, ()))
            is_napari = layer.source.path and Path(layer.source.path) == path
            if is_napari or (was, edits) == (state, edits_of(layer)):
                truths = self._session.truths
                truths.set(image, layer, origin=origin, path=path, notices=said)
                return
        result, model = self._session.result_of(image), self._session.model
        classes: Sequence[str] = () if model is None else model.card.classes
        classes = classes if result is None else result.segmentation.classes
        seen, names = seen_image(image)
        read = partial(read_truth_file, image=seen, names=names, classes=tuple(classes))
        then = partial(self._on_read, image, origin)
        self._work.start_beside(opening(path, read, then))

    def _on_read(self, image: Image, origin: Origin, read: TruthFile) -> str:
        viewer = self._session.viewer
        if viewer is None or image not in viewer.layers:
            return GONE
        data, arguments, _ = truth_layer(image, read)
        adding = self._session.showing.adding(image)
        with pointer_away(viewer), selection_kept(viewer), adding:
            labels = plain(viewer.add_labels(data, **arguments))
        self._session.outlines.add(labels)
        self._read[labels] = _state_of(read.path), edits_of(labels), read.notices
        self._session.truths.set(
            image, labels, origin=origin, path=read.path, notices=read.notices
        )
        return f"{read.path.name} is the truth of “{image.name}”."


def _state_of(path: Path) -> _State | None:
    """Return a file as it is now; None where nobody can tell."""
    try:
        found = path.stat()
    except OSError:
        return None
    return path.resolve(), found.st_mtime_ns, found.st_size


def _find_missed(
    mask: NDArray[Any], read: ReadTruth, classes: Sequence[str]
) -> tuple[NDArray[np.uint8], tuple[int, ...]]:
    """Return where a mask is not as the truth, and how often; called in a job."""
    if read.values is None:
        raise ValueError(read.problem)
    known = without(mask, read.lacks, classes)
    found = missed(known, read.values, len(classes))
    return found, tuple(label_counts(found, len(MISSED_WORDS)).tolist())
