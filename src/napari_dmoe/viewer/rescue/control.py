"""Puts painted masks and a tuned model aside at a pause, and offers what was left."""

from __future__ import annotations

import itertools
import shutil
import time
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_info
from qtpy.QtCore import QTimer, Signal

from napari_dmoe.faults import told
from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fine_tune.closing import MODEL_FILES, named_as_model
from napari_dmoe.viewer.fine_tune.state import State, Tuning
from napari_dmoe.viewer.layers.labels_on import fits
from napari_dmoe.viewer.layers.measuring import Edits, edits_of
from napari_dmoe.viewer.layers.placement import data_to_world, plain, samples_of
from napari_dmoe.viewer.rescue.aside import (
    Aside,
    Left,
    PaintedMask,
    aside,
    decline,
    digest,
    read_mask,
)
from napari_dmoe.viewer.rescue.offer_view import RescueOffer
from napari_dmoe.viewer.session.models import is_unsaved
from napari_dmoe.viewer.ui.asking import ask_for_file
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.jobs import Ending, Job, JobQueue, notify_error

PAUSE_MS = 3000
"""From the last stroke until a mask is put aside."""

LONGEST_SECONDS = 30.0
"""Who paints on without a pause loses no more than that."""

RESTORED = "restored mask"
_NOT_HERE = (
    "The image of a restored mask is not open: the mask is hidden, so that it does not "
    "lie on another one."
)
_numbers = itertools.count()


class RescueControl(Control):
    """Connects the offer with the viewer's labels and the tuning.

    A stroke costs nothing but a note of its layer: what is painted is copied and
    written in a job.
    """

    model_restored = Signal(str)
    """A tuned model was written into the file of this path."""

    def __init__(self, bench: Bench, offer: RescueOffer, tuning: Tuning) -> None:
        super().__init__(bench, offer)
        self._offer, self._tuning, self._aside = offer, tuning, aside()
        self._numbers: weakref.WeakKeyDictionary[Layer, int] = (
            weakref.WeakKeyDictionary()
        )
        self._painted: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._put_at: weakref.WeakKeyDictionary[Layer, Edits] = (
            weakref.WeakKeyDictionary()
        )
        self._left: list[Left] = []
        self._has_told = self._is_put = False
        self._since = 0.0  # the first stroke that is not put aside
        self._files = JobQueue(self, has_bar=False)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self._put_masks_aside)
        self._connections = Connections(self)
        self._connect()
        self._look_for_left()

    def _connect(self) -> None:
        add, viewer = self._connections.add, self._session.viewer
        add(self._tuning.changed, self._on_tuning)
        add(self._tuning.saved, self._on_model_saved)
        add(self._session.mask_saved, self._on_mask_saved)
        if viewer is not None:
            add(viewer.layers.events.inserted, self._follow)
            add(viewer.layers.events.removed, self._on_removed)
            self._follow()
        self._offer.restore_requested.connect(self._on_restore)
        self._offer.decline_requested.connect(self._on_decline)

    def _follow(self, event: Any = None) -> None:
        viewer = self._session.viewer
        for layer in () if viewer is None else viewer.layers:
            if isinstance(layer, Labels) and layer not in self._numbers:
                self._numbers[layer] = next(_numbers)
                self._connections.add(layer.events.paint, self._on_paint)
                self._connections.add(layer.events.set_data, self._on_shown)

    def _on_paint(self, event: Any) -> None:
        now = time.monotonic()
        if not self._painted:
            self._since = now
        self._painted.add(event.source)
        is_late = now - self._since > LONGEST_SECONDS
        self._pause.start(0 if is_late else PAUSE_MS)

    def _on_shown(self, event: Any) -> None:
        """Put a mask aside anew where strokes were undone: napari tells of no other."""
        at = self._put_at.get(event.source)
        if at is not None and at != edits_of(event.source):
            del self._put_at[event.source]
            self._on_paint(event)

    def _on_removed(self, event: Any) -> None:
        """Forget a mask that a person took away."""
        self._on_mask_saved(plain(event.value))

    def _on_mask_saved(self, layer: Layer) -> None:
        self._painted.discard(layer)
        self._put_at.pop(layer, None)
        number = self._numbers.get(layer)
        if number is not None:
            self._add("forgetting a mask", partial(self._aside.forget_mask, number))

    def _put_masks_aside(self) -> None:
        if self._files.is_busy:
            self._pause.start(PAUSE_MS)
            return
        painted, images = list(self._painted), self._session.images()
        self._painted.clear()
        for layer in painted:
            data = layer.data
            if isinstance(layer, Labels) and isinstance(data, np.ndarray):
                self._put_at[layer] = edits_of(layer)
                of = self._session.showing.image_of(layer) or next(
                    (image for image in images if fits(image, layer)), None
                )
                mask = PaintedMask(data, data_to_world(layer))
                pixels = None if of is None else samples_of(of)
                put = partial(_put, self._aside, self._numbers[layer], mask, pixels)
                self._add("putting a mask aside", put)

    def _on_tuning(self) -> None:
        """Put a model aside that waits for its decision, or is not saved yet."""
        is_open = self._tuning.state in (State.DONE, State.KEPT)
        path = self._tuning.model_file if is_open else None
        if path is not None and not self._is_put:
            self._is_put = True
            self._add("putting a model aside", partial(self._aside.put_model, path))
        elif not is_open and self._is_put and not is_unsaved(self._session):
            self._is_put = False
            self._on_model_saved()

    def _on_model_saved(self) -> None:
        self._add("forgetting a model", self._aside.forget_model)

    def _add(self, title: str, work: Any) -> None:
        ending = Ending(lambda _: None, self._on_failed, lambda: None)
        self._files.add(Job(f"dMoE: {title}", partial(_done, work)), ending)

    def _on_failed(self, error: Exception) -> None:
        if not self._has_told:
            self._has_told = True
            show_info(
                f"What is painted cannot be put aside ({told(error)}): until it is "
                "saved, only this window holds it."
            )

    def _look_for_left(self) -> None:
        ending = Ending(self._show_left, lambda error: None, lambda: None)
        work = partial(_done, self._aside.left)
        self._files.add(Job("dMoE: looking for what was left", work), ending)

    def _show_left(self, left: list[Left]) -> None:
        self._left = left
        masks, models = (
            [each.at for each in left if each.is_model is is_model]
            for is_model in (False, True)
        )
        self._offer.show_left(masks, models)

    def _on_decline(self) -> None:
        self._add("forgetting what was left", partial(decline, self._left))
        self._show_left([])

    def _on_restore(self) -> None:
        left, self._left = self._left, []
        self._show_left([each for each in left if not self._restore(each)])

    def _restore(self, left: Left) -> bool:
        """Begin to open something again; False where a person wants it later."""
        if not left.is_model:
            images = {i: samples_of(i) for i in self._session.images()}
            again = partial(self._offer_again, left)
            ending = Ending(partial(self._show_mask, left), again, lambda: None)
            work = partial(_read, left, images)
            self._files.add(Job("dMoE: restoring a mask", work), ending)
            return True
        title, proposed = "Save the tuned model", "tuned.safetensors"
        path = ask_for_file(self._offer, title, proposed, MODEL_FILES, named_as_model)
        if path is not None:
            again = partial(self._offer_again, left)
            ending = Ending(self._on_moved, again, lambda: None)
            job = Job("dMoE: restoring a model", partial(_move, left, path))
            self._files.add(job, ending)
        return path is not None

    def _offer_again(self, left: Left, error: Exception) -> None:
        """Offer what could not be opened, unless it is gone, as into another window."""
        notify_error(error)
        if left.path.exists():
            self._show_left([*self._left, left])

    def _on_moved(self, path: Path) -> None:
        self.model_restored.emit(str(path))

    def _show_mask(self, left: Left, found: tuple[PaintedMask, Image | None]) -> None:
        (mask, image), viewer = found, self._session.viewer
        if viewer is None:
            return
        is_there = image is not None and image in viewer.layers
        name = f"{image.name} / {RESTORED}" if image and is_there else RESTORED
        self._session.choose_image(image if is_there else self._session.image)
        with self._session.showing.adding(image if is_there else None):
            layer = viewer.add_labels(mask.labels, name=name, affine=mask.affine)
        if not is_there and self._session.image is not None:
            show_info(_NOT_HERE)
        self._painted.add(plain(layer))  # nobody has saved it yet
        self._since = time.monotonic()
        self._pause.start(PAUSE_MS)
        self._add("forgetting what was left", partial(decline, [left]))


def _done(work: Any, hook: ProgressHook) -> Any:
    hook(Progress(0, 1))
    return work()


def _put(store: Aside, number: int, mask: PaintedMask, pixels: object) -> None:
    image = "" if pixels is None else digest(pixels)
    store.put_mask(number, PaintedMask(mask.labels, mask.affine, image))


def _read(
    left: Left, images: dict[Image, Any], hook: ProgressHook
) -> tuple[PaintedMask, Image | None]:
    """Read a mask, and find the image that it was painted on."""
    mask = read_mask(left)
    hook(Progress(0, 1))
    known = (image for image, pixels in images.items() if digest(pixels) == mask.image)
    return mask, next(known, None)


def _move(left: Left, path: Path, hook: ProgressHook) -> Path:
    hook(Progress(0, 1, f"saving {path.name}"))
    with atomic_path(path) as partial_path:
        shutil.copyfile(left.path, partial_path)
    decline([left])
    return path
