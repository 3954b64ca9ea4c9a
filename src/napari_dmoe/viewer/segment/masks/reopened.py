"""Opens masks from files, each for the open image that it belongs to.

That is told by a mask's record, which has a hash of the image's pixels; without one by
its name, or else by its size and place. Where it cannot be told, it is asked.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels

from napari_dmoe.imaging.mask_likeness import Certainty, Judgement
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers import found_masks as layers
from napari_dmoe.viewer.layers import undecided
from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.opening import OpenedMask, opened_mask
from napari_dmoe.viewer.layers.placement import place_of, plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.slot import free_name
from napari_dmoe.viewer.segment.masks.found import FoundMasks
from napari_dmoe.viewer.segment.masks.of_record import pixels_of, places_of
from napari_dmoe.viewer.segment.masks.questions import size_of
from napari_dmoe.viewer.segment.result.view import ResultSection
from napari_dmoe.viewer.session.inquiry import GONE
from napari_dmoe.viewer.session.reopening import is_on, show_alone
from napari_dmoe.viewer.ui.work import Order


@dataclass(frozen=True)
class _Read:
    """A mask from a file, and which of the open images its record is of."""

    mask: OpenedMask
    of: tuple[int, ...] = ()
    in_classes: layers.InClasses | None = None
    """Its labels as those of an open image; None where it has a record."""


class ReopenedMasks(Control):
    """Opens masks for their images; `found` takes those that have no record."""

    def __init__(self, bench: Bench, section: ResultSection, found: FoundMasks) -> None:
        super().__init__(bench, section)
        self._found = found
        self._shown: weakref.ref[Image] | None = None
        """The image that was worked on when masks were last opened, or their own."""

    def open(self, paths: Sequence[Path]) -> None:
        """Open masks, each for the open image that it belongs to."""
        among, dims = self._found.images, self._session.dims
        self._note_shown()
        references = [weakref.ref(image) for image in among]
        pixels = [pixels_of(image, dims) for image in among]
        name = paths[0].name if len(paths) == 1 else f"{len(paths)} masks"
        order = Order(
            title=f"dMoE: opening {name}",
            status=f"Opening {name} …",
            work=partial(_read_each, tuple(paths), pixels, self._found.classes),
            then=partial(self._on_read, references),
            if_stopped=lambda: "Stopped. Nothing was opened.",
        )
        self._work.start_beside(order)

    def _on_read(
        self,
        references: Sequence[weakref.ref[Image]],
        found: tuple[Sequence[_Read], Sequence[str]],
    ) -> str:
        read, problems = found
        if self._session.viewer is None:
            return GONE
        said = [self._add(each, references) for each in read]
        if len(said) > 1:
            said = [f"Opened {len(said)} masks.", *dict.fromkeys(said)]
        return " ".join((*said, *problems))

    def _add(self, read: _Read, references: Sequence[weakref.ref[Image]]) -> str:
        """Put a mask into the viewer, and say what of."""
        viewer = self._session.viewer
        images = [image for each in references if stays(viewer, image := each())]
        images = [image for image in images if image is not None]
        data, arguments, _ = read.mask.layer
        probe = Labels(data, **arguments)
        judgement = layers.judged_file(read.mask.path, probe, images)
        if read.in_classes is not None:
            return self._add_plain(read.mask, read.in_classes, probe, judgement, images)
        of = [references[place]() for place in read.of]
        owners = [image for image in images if image in of and is_on(probe, image)]
        named = [images[place] for place in judgement.owners]
        fitting = [image for image in owners if image in named] or owners
        owner = fitting[0] if fitting else None
        labels = self._put(read.mask, data, arguments, owner)
        name = read.mask.path.name
        if owner is None:
            self._session.showing.own(None, labels)  # it would lie on another patient
            return f"Opened {name} as a layer: its image is not open. It is hidden."
        hidden = show_alone(self._session, labels, owner)
        return f"Opened {name} as a result of “{owner.name}”. {hidden}".rstrip()

    def _add_plain(
        self,
        mask: OpenedMask,
        in_classes: layers.InClasses,
        probe: Labels,
        judgement: Judgement,
        images: Sequence[Image],
    ) -> str:
        """Put a mask without a record into the viewer, as labels of its image."""
        data, arguments, _ = mask.layer
        owners = [images[place] for place in judgement.owners]
        is_sure = judgement.certainty is Certainty.CERTAIN or (
            len(owners) == 1 and not judgement.named
        )
        owner = owners[0] if is_sure else None
        if owner is not None:
            data = in_classes.labels
            place = {} if layers.is_placed(probe) else place_of(owner)
            arguments = arguments | in_classes.look | place
        mark = undecided.ASK if owner is None else undecided.LABELS
        metadata = {**arguments["metadata"], undecided.LOOKS_KEY: mark}
        labels = self._put(mask, data, arguments | {"metadata": metadata}, owner)
        if owner is not None:
            said = "; ".join(in_classes.said)
            return self._found.taken.note(labels, owner, said=said)
        if owner is None and (owners or judgement.named):
            self._session.showing.own(None, labels)  # unseen until it is known whose
        why = _why_of_none(probe, judgement, images)
        self._found.look()
        return f"Opened {mask.path.name} as a layer: {why}"

    def _note_shown(self) -> None:
        image = self._session.image
        self._shown = None if image is None else weakref.ref(image)

    def _show(self, owner: Image | None) -> None:
        """Show the image of a mask, unless somebody chose another one meanwhile."""
        shown = None if self._shown is None else self._shown()
        if owner is not None and shown is self._session.image:
            self._session.choose_image(owner)
            self._note_shown()

    def _put(
        self,
        mask: OpenedMask,
        data: Any,
        arguments: dict[str, Any],
        owner: Image | None,
    ) -> Labels:
        """Add a Labels layer, and show its image with it."""
        viewer, session = self._session.viewer, self._session
        if viewer is None:
            raise RuntimeError(GONE)
        self._show(owner)
        name = layers.named_for(str(arguments["name"]), owner)
        name = free_name(viewer, name)
        with pointer_away(viewer), session.showing.adding(owner):
            labels = plain(viewer.add_labels(data, **(arguments | {"name": name})))
        undecided.note_file(labels, mask.path)
        if owner is None:
            session.showing.release(labels)
        return labels


def _why_of_none(probe: Labels, judgement: Judgement, images: Sequence[Image]) -> str:
    """Say why a mask is no open image's, and which image it needs."""
    if judgement.other_size is not None:
        image = images[judgement.other_size]
        return (
            f"it is called like the mask of “{image.name}”, but has {size_of(probe)} "
            f"pixels where that has {size_of(image)}."
        )
    if judgement.named:
        return f"it needs “{judgement.named}”, which is not open, and is hidden."
    if len(judgement.owners) > 1:
        return "it fits several open images. Which one is asked above."
    return f"no open image has its {size_of(probe)} pixels in its place."


def _read_each(
    paths: Sequence[Path],
    pixels: Sequence[SpatialImage | None],
    classes: Sequence[str],
    hook: ProgressHook,
) -> tuple[list[_Read], list[str]]:
    """Read masks; one that cannot be read is told of, unless it is the only one."""
    read, problems = [], []
    for n, path in enumerate(paths):
        hook(Progress(n, len(paths), f"opening {path.name}"))
        try:
            mask = opened_mask(path)
        except ImageError as error:
            if len(paths) == 1:
                raise
            problems.append(f"{error}.")
            continue
        labels = None
        if mask.record is None:
            labels = layers.in_classes(mask.layer[0], classes, mask.notices)
        read.append(_Read(mask, places_of(mask.record, pixels), labels))
    return read, problems
