"""Lines that ask what a layer is that looks like a mask, and say what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_dmoe.viewer.ui import parts

_NONE = "no open image"

_HELP = {
    "labels": "Make it a Labels layer of that image: to look at, to correct, and to "
    "fine-tune on.",
    "truth": "Take it for what is really there: results of that image are then "
    "compared with it.",
    "image": "It is an image to segment, of a patient of its own.",
    "undo": "Bring the image layer back that it was.",
    "done": "Put this line away.",
}


@dataclass(frozen=True)
class MaskQuestion:
    """What is asked of a layer that looks like a mask."""

    text: str
    owners: tuple[str, ...] = ()
    """Images that it may belong to, the likeliest first; nothing for none."""
    may_be_image: bool = True
    """Whether it is an Image layer: that may be an image to segment after all."""
    may_be_of_none: bool = False
    """Whether it may belong to no open image at all: that is said first then."""
    n_alike: int = 1
    """Of how many layers the same can be asked."""


class FoundMasksSection(QWidget):
    """Asks about one layer at a time, and says below what was done of itself."""

    labels_requested = Signal(int, bool)
    """Place of the image in the list, -1 for none; whether for all alike."""
    truth_requested = Signal(int, bool)
    image_requested = Signal(bool)
    truths_requested = Signal()
    """What was taken as labels is to be the truth, too."""
    undo_requested = Signal()
    done_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.question = parts.paragraph(name="mask-question")
        parts.emphasise(self.question)
        self.combo = parts.narrow_combo(
            "Image of the mask", "Open images that have the mask's size."
        )
        self._n_none = 0
        self.combo.currentIndexChanged.connect(self._show_owner)
        self.all_box = QCheckBox()
        self.all_box.setToolTip("Answer the same for every layer that is asked about.")
        self.labels_button = parts.button(
            "Take as labels", _HELP["labels"], self._on_labels
        )
        self.truth_button = parts.button("As truth", _HELP["truth"], self._on_truth)
        self.image_button = parts.button(
            "It is an image", _HELP["image"], self._on_image
        )
        answers = self.labels_button, self.truth_button, self.image_button
        self._asked = QWidget()
        parts.column(
            self._asked, self.question, self.combo, parts.flow(*answers), self.all_box
        )
        self._make_taken()
        parts.column(self, self._asked, self._taken)
        self.show_question(None)
        self.show_taken("")

    def _make_taken(self) -> None:
        self.taken = parts.paragraph(name="masks-taken")
        self.truths_button = parts.button(
            "As truth", _HELP["truth"], self.truths_requested
        )
        self.undo_button = parts.button(
            "Undo: it is an image", _HELP["undo"], self.undo_requested
        )
        self.done_button = parts.button("OK", _HELP["done"], self.done_requested)
        buttons = self.truths_button, self.undo_button, self.done_button
        self._taken = QWidget()
        parts.column(self._taken, self.taken, parts.flow(*buttons))

    def show_question(self, question: MaskQuestion | None) -> None:
        """Ask something; nothing for None."""
        self._asked.setVisible(question is not None)
        self._show_self()
        if question is None:
            return
        is_another = question.text != self.question.text()
        parts.say(self.question, question.text)
        self._n_none = int(question.may_be_of_none or not question.owners)
        offered = (*(_NONE,) * self._n_none, *question.owners)
        parts.offer(self.combo, offered)
        if is_another:  # what was chosen for one mask is not said of the next
            self.combo.setCurrentIndex(0)
        self.combo.setVisible(len(offered) > 1)
        self._show_owner()
        self.image_button.setText(
            "It is an image" if question.may_be_image else "Leave it"
        )
        n = question.n_alike
        self.all_box.setVisible(n > 1)
        self.all_box.setText(f"the same for all {n}")
        if n < 2:
            self.all_box.setChecked(False)

    def _show_owner(self) -> None:
        """Offer what can be said of a mask of the image that is chosen, or of none."""
        is_owned = self._owner >= 0
        self.labels_button.setText("Take as labels" if is_owned else "As labels")
        self.truth_button.setVisible(is_owned)

    def show_taken(
        self, text: str, *, n_undone: int = 1, may_be_truth: bool = True
    ) -> None:
        """Say what was taken as labels, and how much can be undone; or nothing."""
        parts.say(self.taken, text)
        self._taken.setVisible(bool(text))
        self.undo_button.setVisible(n_undone > 0)
        what = "it is an image" if n_undone < 2 else "they are images"
        self.undo_button.setText(f"Undo: {what}")
        self.truths_button.setVisible(may_be_truth)
        self._show_self()

    def _show_self(self) -> None:
        parts_of_it = self._asked, self._taken
        self.setVisible(any(not each.isHidden() for each in parts_of_it))

    @property
    def _owner(self) -> int:
        return self.combo.currentIndex() - self._n_none

    @property
    def _is_for_all(self) -> bool:
        return self.all_box.isChecked()

    def _on_labels(self) -> None:
        self.labels_requested.emit(self._owner, self._is_for_all)

    def _on_truth(self) -> None:
        self.truth_requested.emit(self._owner, self._is_for_all)

    def _on_image(self) -> None:
        self.image_requested.emit(self._is_for_all)


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names in quotation marks, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b"]), listed("abcde")
    ('“a”, “b”', '“a”, “b”, “c” and 2 more')
    """
    said = ", ".join(f"“{name}”" for name in names[:most])
    more = len(names) - most
    return f"{said} and {more} more" if more > 0 else said
