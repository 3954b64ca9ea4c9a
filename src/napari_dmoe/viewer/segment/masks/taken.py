"""Says which layers were taken as labels, and takes that back."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.found_masks import raise_over
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.measuring import Edits, edits_of
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.slot import free_name
from napari_dmoe.viewer.segment.masks.found_view import FoundMasksSection, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST = 20
"""Masks that are remembered as they came, for an undo: their samples need memory."""


@dataclass(frozen=True, eq=False)
class Taken:
    """A mask that was made labels, and what it was before."""

    labels: weakref.ref[Labels]
    owner: weakref.ref[Image] | None
    before: tuple[NDArray[Any], dict[str, Any]] | None
    """Samples and arguments of the Image layer that it was; None if it was none."""
    said: str = ""
    edits: Edits = (0, 0)
    """How often the labels had been changed."""

    @property
    def image(self) -> Image | None:
        """The image whose labels they are."""
        return None if self.owner is None else self.owner()


class TakenMasks(Control):
    """Remembers what was taken, until somebody has seen it."""

    def __init__(self, bench: Bench, section: FoundMasksSection) -> None:
        super().__init__(bench, section)
        self._section = section
        self._taken: list[Taken] = []
        section.truths_requested.connect(self._on_truths)
        section.undo_requested.connect(self._on_undo)
        section.done_requested.connect(self._on_done)

    def note(
        self,
        labels: Labels,
        owner: Image | None,
        before: tuple[NDArray[Any], dict[str, Any]] | None = None,
        *,
        is_truth: bool = False,
        said: str = "",
    ) -> str:
        """Take note whose labels they are, and say it."""
        if owner is not None:
            raise_over(self._session.viewer, labels, owner)
            self._session.showing.own(owner, labels)
            if is_truth:
                self._session.truths.set(owner, labels)
        of = None if owner is None else weakref.ref(owner)
        taken = Taken(weakref.ref(labels), of, before, said, edits_of(labels))
        self._taken = [*self._taken, taken][-_MOST:]
        self.show()
        whose = "" if owner is None else f" of “{owner.name}”"
        what = "truth" if is_truth and owner is not None else "labels"
        return f"“{labels.name}” is taken as {what}{whose}."

    def show(self) -> None:
        """Say what was taken, and offer what can still be done with it."""
        viewer = self._session.viewer
        self._taken = [t for t in self._taken if stays(viewer, t.labels())]
        owned = [each for each in self._taken if each.image is not None]
        self._section.show_taken(
            self._said(),
            n_undone=sum(t.before is not None for t in self._taken),
            may_be_truth=any(not self._is_truth(each) for each in owned),
        )

    def _is_truth(self, taken: Taken) -> bool:
        image, labels = taken.image, taken.labels()
        truth = None if image is None else self._session.truths.of(image)
        return truth is not None and truth.labels is labels

    def _said(self) -> str:
        taken = self._taken
        if not taken:
            return ""
        names = [str(labels.name) for t in taken if (labels := t.labels()) is not None]
        what = "truth" if all(map(self._is_truth, taken)) else "labels"
        said = _sentences(taken)
        images = list(dict.fromkeys(each.image for each in taken))
        whose = " of their images" if None not in images else ""
        if len(images) == 1 and images[0] is not None:
            whose = f" of “{images[0].name}”"
        be = "is" if len(taken) == 1 else "are"
        return f"{listed(names)} {be} taken as {what}{whose}. {said}".strip()

    def _on_truths(self) -> None:
        for each in self._taken:
            labels = each.labels()
            if each.image is not None and labels is not None:
                self._session.truths.set(each.image, labels)
        self.show()

    def _on_undo(self) -> None:
        """Bring the Image layers back that the labels came as, but for painted ones."""
        viewer, taken = self._session.viewer, self._taken
        self._taken = []
        for each in taken:
            labels = each.labels()
            if viewer is None or labels is None or each.before is None:
                continue
            if edits_of(labels) != each.edits:
                self._work.say(f"“{labels.name}” stays: it was painted on.")
                continue
            data, arguments = each.before
            leaving_of(viewer).let_go(labels)
            arguments = arguments | {"name": free_name(viewer, arguments["name"])}
            with pointer_away(viewer):
                viewer.add_image(data, **arguments)
        self.show()

    def _on_done(self) -> None:
        self._taken = []
        self.show()


def _sentences(taken: Sequence[Taken]) -> str:
    """Return what was decided of their values, each said once."""
    said = dict.fromkeys(each.said for each in taken if each.said)
    return " ".join(f"{each[:1].upper()}{each[1:]}." for each in said)
