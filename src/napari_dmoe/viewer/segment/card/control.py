"""Opens the card editor, checks what is written, shows what the network sees, saves.

The card lies beside the checkpoint, where it is found whenever that is loaded; the
model is loaded with it at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.checkpoints import GENERIC_CARD, is_path
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers.placement import axis_names
from napari_dmoe.viewer.segment.card.draft import place_of, stated
from napari_dmoe.viewer.segment.card.fields import texts_of
from napari_dmoe.viewer.segment.card.view import CardDialog
from napari_dmoe.viewer.segment.model.control import ModelLoader
from napari_dmoe.viewer.segment.model.view import ModelSection
from napari_dmoe.viewer.ui.asking import may_write
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.jobs import Job, JobRunner

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.models.checkpoint import LoadedModel

_PAUSE_MS = 250
_NO_IMAGE = "Open an image to see what the network would see of it."
_NOT_YET = "What the network sees is shown once the fields below can be read."


class CardEditing(Control):
    """Connects the link in the model section with the editor that it opens."""

    def __init__(
        self, bench: Bench, section: ModelSection, loader: ModelLoader
    ) -> None:
        super().__init__(bench, section)
        self._section, self._loader = section, loader
        self.dialog: CardDialog | None = None
        """The editor, while it is open."""
        self._loaded: LoadedModel | None = None
        self._origin, self._card = "", dict[str, Any]()
        self._made: ModelCard | None = None
        self._looking = JobRunner(self, has_bar=False)
        self._looking.returned.connect(self._on_seen)
        self._looking.failed.connect(self._on_not_seen)
        self._looking.finished.connect(self._on_finished)
        self._asked: tuple[object, ...] = ()
        section.describe_requested.connect(self.open)
        self._check = Refresh(
            self, self.check, soon=(), pause_ms=_PAUSE_MS, may=self._is_open
        )
        self._look = Refresh(
            self,
            self.look,
            soon=self._events(),
            pause_ms=_PAUSE_MS,
            may=self._is_open,
        )

    @property
    def is_looking(self) -> bool:
        """Whether something is checked or looked at, or will be."""
        pending = self._check.is_pending or self._look.is_pending
        return pending or self._looking.is_busy

    def _is_open(self) -> bool:
        return self.dialog is not None

    def _events(self) -> list[Any]:
        session, viewer = self._session, self._session.viewer
        steps = [] if viewer is None else [viewer.dims.events.current_step]
        return [session.image_changed, *steps]

    def open(self) -> None:
        """Open the editor for the loaded model, or bring it to the front."""
        loaded, origin = self._session.model, self._session.model_origin
        if self.dialog is not None:
            self.dialog.raise_()
            self.dialog.activateWindow()
            return
        if loaded is None or not is_path(origin):
            return
        self._loaded, self._origin, self._asked = loaded, origin, ()
        self._card = _begun(loaded, origin)
        self.dialog = dialog = CardDialog(loaded.card.dims, self._section.window())
        dialog.show_card(texts_of(self._card, loaded.card.dims), _found(loaded))
        dialog.changed.connect(self._check.soon)
        dialog.save_requested.connect(self.save)
        dialog.destroyed.connect(self._on_closed)
        dialog.finished.connect(self._on_closed)
        self.check()
        dialog.show()

    def _on_closed(self, *_: object) -> None:
        self.dialog = self._loaded = self._made = None
        self._looking.stop()

    def check(self) -> None:
        """Say what is wrong, and look at the image as the card has it now."""
        dialog, loaded = self.dialog, self._loaded
        if dialog is None or loaded is None:
            return
        texts = dialog.texts()
        fields, faults = stated(texts, self._card, loaded.card.dims)
        self._made, found = self._engines.faults_of_card(fields, loaded)
        keys: Mapping[str, object] = texts | {"attributes": ""}
        for place, sentence in found.items():
            key = place_of(place, sentence, keys)
            faults.setdefault(key, sentence)
        dialog.show_faults(faults)
        self.look()

    def look(self) -> None:
        """Ask for a plane of the image as the network sees it."""
        dialog, made, image = self.dialog, self._made, self._session.image
        if dialog is None or self._loaded is None:
            return
        if image is None:
            dialog.preview.show_words(_NO_IMAGE)
            return
        how = None if made is None else made.preprocessing
        if how is None:
            dialog.preview.show_words(_NOT_YET)
            return
        at = self._at(image, self._loaded.card.dims)
        asked = how, at, image, self._session.version_of(image)
        if asked == self._asked or self._looking.is_busy:
            return  # what is asked meanwhile is looked at afterwards
        self._asked = asked
        try:
            inquiry = self._session.inquire(image, dims=self._loaded.card.dims)
        except ValueError as error:
            dialog.preview.show_words(_sentence(error))
            return
        dialog.preview.show_looking()
        n_channels = self._loaded.config.in_channels
        work = partial(_seen, self._engines, inquiry.pixels, how, n_channels, at)
        self._looking.start(Job("dMoE: what the network sees", work))

    def _at(self, image: Image, dims: int) -> dict[str, int]:
        """Return where the viewer stands along the axes of an image."""
        viewer = self._session.viewer
        if viewer is None:
            return {}
        where = np.asarray(image.world_to_data(viewer.dims.point), float)
        shown = {a - viewer.dims.ndim + image.ndim for a in viewer.dims.displayed}
        return {
            name: round(where[axis])
            for axis, name in enumerate(axis_names(image, dims))
            if axis < len(where) and axis not in shown
        }

    def _on_seen(self, seen: Any) -> None:
        if self.dialog is not None:
            self.dialog.preview.show_plane(seen.picture, seen.words, seen.notices)

    def _on_not_seen(self, error: Exception) -> None:
        if self.dialog is not None:
            self.dialog.preview.show_words(_sentence(error))

    def _on_finished(self) -> None:
        self._look.soon()

    def save(self) -> None:
        """Write the card beside the checkpoint, and load the model with it."""
        self.check()
        dialog, made = self.dialog, self._made
        if dialog is None or made is None or not dialog.save_button.isEnabled():
            return
        from napari_dmoe.models.card_files import card_beside

        target = card_beside(self._origin)
        if not may_write(dialog, Path(), target):
            return
        try:
            self._engines.write_card(target, made)
        except ValueError as error:
            dialog.show_faults({"": str(error)})
            return
        origin = self._origin
        dialog.accept()
        if self._session.model_origin == origin:
            self._loader.load(origin)


def _begun(loaded: LoadedModel, origin: str) -> dict[str, Any]:
    """Return the card to begin with; one that nobody wrote is named after the file."""
    card = loaded.card.model_dump(mode="json")
    if card["preprocessing"] is None:
        card["preprocessing"] = loaded.preprocessing.model_dump(mode="json")
    if card["name"] == GENERIC_CARD:
        stem = Path(origin).stem
        card |= {"name": stem, "title": stem}
    return card


def _found(loaded: LoadedModel) -> str:
    """Say what the weights tell, which no card can change."""
    config, facts = loaded.config, loaded.facts()
    channels = config.in_channels
    told = (
        f"{facts['architecture_title']}, {loaded.card.dims}D",
        f"{channels} channel{'s' * (channels != 1)}",
        f"{config.n_classes} classes",
        f"{config.n_routers} router{'s' * (config.n_routers != 1)}",
    )
    return f"Found in the weights: {', '.join(told)}."


def _seen(
    engines: Engines,
    pixels: SpatialImage,
    how: Any,
    n_channels: int,
    at: Mapping[str, int],
    hook: ProgressHook,
) -> Any:
    return engines.seen_plane(pixels, how, n_channels=n_channels, at=at, progress=hook)


def _sentence(error: Exception) -> str:
    said = str(error)
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."
