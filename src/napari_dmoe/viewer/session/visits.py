"""Shows one image of a series after another, and lets go those that were left behind.

A second visit finds the layers of the first. A few images stay open; further back only
those on which somebody made something stay: painted, kept, made by a run, or layers of
their own. Knows no Qt.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels, Layer

from napari_dmoe.imaging.disk.states import state_of
from napari_dmoe.imaging.files import image_stem, read_image
from napari_dmoe.imaging.spatial import ImageReadError
from napari_dmoe.purpose import reason
from napari_dmoe.viewer.layers import names
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.measuring import Edits, edits_of
from napari_dmoe.viewer.layers.opening import image_layer, mask_layers
from napari_dmoe.viewer.layers.placement import LayerData, plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.records import layer_record
from napari_dmoe.viewer.layers.slot import free_name
from napari_dmoe.viewer.layers.undecided import IMAGE, decide
from napari_dmoe.viewer.session.pictures import Picture, layer_key
from napari_dmoe.viewer.session.reopening import reopened_result
from napari_dmoe.viewer.session.results import Result

if TYPE_CHECKING:
    from napari_dmoe.viewer.session.session import Session

FROM_TABLE = "table"
"""Where the values of a patient came from whom a table names."""

MOST_OPEN = 6
"""So many images stay open behind the one that is looked at."""

GO_TOGETHER = 4
"""So many images go at a time: the window stands still whenever layers go."""

Stamp = tuple[int, int]
"""When a file was last written, and its size."""


@dataclass(frozen=True)
class State:
    """What tells whether a file is as it was."""

    stamp: Stamp | None
    """What can be looked up at any time."""
    digest: str
    """What tells for sure."""

    @classmethod
    def of(cls, path: Path) -> State:
        """Look at a file; called in a thread.

        Raises
        ------
        OSError
            When it cannot be read.
        """
        return cls(stamp_of(path), state_of(path))


@dataclass(frozen=True)
class Wanted:
    """Which files of an image are to be read; None for what is open already."""

    image: Path | None
    mask: Path | None

    def __bool__(self) -> bool:
        return self.image is not None or self.mask is not None


@dataclass(frozen=True)
class Loaded:
    """What was read of an image's files; None for what was not."""

    image: LayerData | None = None
    mask: LayerData | None = None
    state: State | None = None
    """Of the mask's file."""
    said: str = ""
    """Why the mask could not be read."""


@dataclass
class MaskFile:
    """The file that a mask's layer was opened from."""

    path: Path
    state: State
    saved_at: Edits = (0, 0)
    """How often the layer had been changed when it was last as in a file."""
    is_rewritten: bool = False
    """Whether a correction was saved over it: what it held at first is a change."""


def read_files(wanted: Wanted) -> Loaded:
    """Read an image with its mask; called in a thread.

    Raises
    ------
    ImageReadError
        When the image cannot be read. Of a mask that cannot be, it is said why.
    """
    image = None
    if wanted.image is not None:
        image = image_layer(read_image(wanted.image), image_stem(wanted.image))
    if wanted.mask is None:
        return Loaded(image)
    try:
        state = State.of(wanted.mask)  # first: it may be written meanwhile
        (mask,) = mask_layers(wanted.mask)
    except (ImageReadError, OSError) as error:
        return Loaded(image, said=f"Its mask cannot be read: {reason(error)}.")
    return Loaded(image, mask, state)


def stamp_of(path: Path) -> Stamp | None:
    """Return when a file was last written, and its size; None without a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class Visits:
    """The layers of the images that are gone through."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._opened: WeakKeyDictionary[Layer, object] = WeakKeyDictionary()
        self._files: WeakKeyDictionary[Layer, MaskFile] = WeakKeyDictionary()
        self._latest: dict[object, None] = {}

    def note_images(self) -> None:
        """Take note of the images that are open."""
        self._session.pictures.note_layers(self._session.images())

    def note_shown(self) -> None:
        """Take note of the image that is worked on."""
        image = self._session.image
        self._session.pictures.note_shown(None if image is None else self.key(image))

    def note_painted(self, *_: object) -> None:
        """Take note of the masks that were painted on and are not saved."""
        for image in self._session.images():
            results = self._session.results_of(image)
            is_painted = any(map(self.is_unsaved, results))
            self._session.pictures.note_painted(self.key(image), is_painted)

    def note_saved(self, mask: Layer) -> None:
        """Take note that a mask is saved as it is now."""
        file = self._files.get(plain(mask))
        if file is not None:
            file.saved_at = edits_of(plain(mask))
        self.note_painted()

    def note_rewritten(self, mask: Layer, state: State, edits: Edits) -> None:
        """Take note that a correction was saved over the file that it is from."""
        file = self._files.get(plain(mask))
        if file is not None:
            file.state, file.saved_at, file.is_rewritten = state, edits, True
        self.note_painted()

    def key(self, image: Layer) -> object:
        """Return by which key an open image is known among those gone through."""
        image, pictures = plain(image), self._session.pictures
        key = self._opened.get(image)
        if key is not None and pictures.place_of(key) is not None:
            return key
        source = image.source.path
        for path in (os.path.abspath, os.path.realpath) if source else ():
            key = pictures.key_of_file(Path(path(source)))
            if key is not None:
                return key
        return layer_key(image)

    def image(self, picture: Picture) -> Image | None:
        """Return the open image of a picture, whoever opened it; None without one."""
        viewer = self._session.viewer
        if picture.layer is not None:
            layer = picture.layer()
            return layer if stays(viewer, layer) else None
        for image in self._session.images():
            if stays(viewer, image) and self.key(image) == picture.key:
                return image
        return None

    def truth(self, picture: Picture) -> Path | None:
        """Return the file with the truth of an open image, where none is known yet."""
        image = self.image(picture)
        if image is None or self._session.truths.of(image) is not None:
            return None
        return picture.truth

    def wanted(self, picture: Picture) -> Wanted:
        """Return which files have to be read before an image can be shown."""
        if picture.layer is not None:
            return Wanted(None, None)
        image = self.image(picture)
        mask = picture.mask
        if mask is not None and image is not None:
            found = self._from_file(image, mask)
            if found is not None and not self._is_stale(found):
                mask = None
        return Wanted(picture.path if image is None else None, mask)

    def _from_file(self, image: Image, path: Path) -> Result | None:
        """Return the result of an image that was opened from a file."""
        for result in self._session.results_of(image):
            file = self.file(result)
            if file is not None and file.path == path:
                return result
        return None

    def file(self, result: Result | None) -> MaskFile | None:
        """Return from which file a result was opened; None for others."""
        mask = None if result is None else result.mask()
        return None if mask is None else self._files.get(mask)

    def _is_stale(self, result: Result) -> bool:
        """Say whether the file is another, such as of a series that was run again."""
        file = self.file(result)
        is_other = file is not None and stamp_of(file.path) != file.state.stamp
        return is_other and not self.is_unsaved(result)

    def is_unsaved(self, result: Result) -> bool:
        """Say whether a mask was painted on and not saved since."""
        mask, file = result.mask(), self.file(result)
        if mask is None or (file is not None and file.saved_at == edits_of(mask)):
            return False
        is_rewritten = file is not None and file.is_rewritten
        return is_rewritten or result.looks_edited

    def show(self, picture: Picture, loaded: Loaded) -> str:
        """Show an image with its patient and its mask; return what is to be said."""
        session = self._session
        image = self.image(picture)
        if image is None and loaded.image is not None:
            image = self._add_image(picture, loaded.image)
        if image is None:
            return ""
        self._bring_patient(picture, image)
        said = loaded.said
        if loaded.mask and loaded.state and picture.mask:
            file = MaskFile(picture.mask, loaded.state)
            said = self._add_mask(image, loaded.mask, file)
        session.choose_image(image)
        key = self.key(image)
        session.pictures.note_shown(key)
        self._latest.pop(key, None)
        self._latest[key] = None
        self.let_go()
        return said

    def _add_image(self, picture: Picture, layer_data: LayerData) -> Image:
        viewer, (data, arguments, _) = self._session.viewer, layer_data
        image = Image(data, **arguments, visible=False)  # until the others are not
        decide(image, IMAGE)  # whatever it looks like: it was listed as one
        self._opened[image] = picture.key
        with pointer_away(viewer):
            if viewer is not None:
                viewer.add_layer(image)
        return image

    def _bring_patient(self, picture: Picture, image: Image) -> None:
        """Bring the patient of the row, unless somebody said something of them."""
        session, patient = self._session, picture.patient
        if patient is None or session.patient_of(image).known():
            return
        model = session.model
        if model is not None:  # no form could correct a column that it does not show
            from napari_dmoe.models.naming import heard_of  # it imports torch

            patient = heard_of(patient, [each.name for each in model.card.attributes])
        session.set_patient(image, patient, FROM_TABLE)

    def _add_mask(self, image: Image, made: LayerData, file: MaskFile) -> str:
        session, viewer = self._session, self._session.viewer
        if viewer is None:
            return ""
        mask = Labels(made[0], **made[1])
        record = layer_record(mask)
        if record is not None:
            name = names.layer_name(image.name, names.mask_words(record))
            mask.name = free_name(viewer, name)
        result = reopened_result(mask, image)
        if result is None:
            return f"{file.path.name} has no record, or lies on other pixels."
        before = self._from_file(image, file.path)
        if before is not None and (old := before.mask()) is not None:
            leaving_of(viewer).let_go(old)  # its file is another by now
        with pointer_away(viewer), self._session.showing.adding(image):
            viewer.add_layer(mask)
        file.saved_at = edits_of(mask)
        self._files[mask] = file
        session.set_result(image, result)
        return ""

    def let_go(self) -> None:
        """Let the layers of images go that were left behind some images ago."""
        viewer, now = self._session.viewer, self._session.image
        if viewer is None:
            return
        by_key = {
            key: image for image, key in self._opened.items() if stays(viewer, image)
        }
        visited = [key for key in self._latest if key in by_key]
        self._latest = dict.fromkeys(visited)
        behind = [by_key[key] for key in visited[: -MOST_OPEN - 1]]
        going = [im for im in behind if im is not now and not self._is_needed(im)]
        if len(going) < GO_TOGETHER:
            return
        for image in going:
            for layer in [*self._session.showing.layers_of(image), image]:
                leaving_of(viewer).let_go(layer)

    def _ours(self, image: Layer) -> set[Layer]:
        """Return the layers on an image that can be made again as they are."""
        session = self._session
        ours = {*session.groups.layers(image)}
        frame, truth = session.seen_frames.layer(image), session.truths.of(image)
        if frame is not None:
            ours.add(frame)
        if truth is not None and truth.path is not None and truth.labels is not None:
            ours.add(truth.labels)
        ours = {layer for layer in ours if not _is_painted(layer)}
        for result in session.results_of(image):
            if self.file(result) is not None and not self.is_unsaved(result):
                kept = (reference() for reference in (result.mask, *result.maps))
                ours |= {layer for layer in kept if layer is not None}
        return ours

    def _is_needed(self, image: Layer) -> bool:
        """Say whether somebody made something on an image that would be lost."""
        ours = self._ours(image)
        return any(each not in ours for each in self._session.showing.layers_of(image))


def _is_painted(layer: Layer) -> bool:
    """Say whether somebody painted on a layer, and did not undo it."""
    return isinstance(layer, Labels) and layer.editable and edits_of(layer)[1] > 0
