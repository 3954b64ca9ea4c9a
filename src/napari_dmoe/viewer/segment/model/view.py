"""The choice of a model, and what its card says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_dmoe.models.titles import short_title
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.checkpoints import is_path
from napari_dmoe.viewer.ui import icons, parts
from napari_dmoe.viewer.ui.asking import ask_for_checkpoint
from napari_dmoe.viewer.ui.lines import LinkButton

if TYPE_CHECKING:
    from napari_dmoe.models.card import CardAttribute, ModelCard
    from napari_dmoe.models.checkpoint import LoadedModel

NOT_KNOWN = "not known: values 0, 1, …"
"""The answer that stands for the file's own card or, without one, a generic card."""

NOTHING = "No model is loaded. Choose one above, or open or drop a checkpoint."
_LIST_HELP = "Bundled models, and checkpoints that were opened last."
_DESCRIBE_HELP = (
    "Say what drives this checkpoint, what it draws and how its images are prepared. "
    "It is written beside the file."
)
_SHORT_HASH = 12
_LEAST = 34  # beside its buttons, in the narrowest dock
_NOT_STATED = "not stated"


class ModelSection(QWidget):
    """Shows a model and tells which one, and which card, a person wants."""

    model_requested = Signal(str)
    """Name of a bundled model, or path of a checkpoint."""
    card_requested = Signal(str)
    """Name of a published card for the model that is shown; empty for the generic."""
    unload_requested = Signal()
    save_requested = Signal()
    """The loaded model, which is not saved, is to be."""
    describe_requested = Signal()
    """A person wants to write the card of their own checkpoint."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = parts.narrow_combo("Model", _LIST_HELP, characters=2)
        self.combo.setPlaceholderText("no model")
        self.combo.setMinimumWidth(_LEAST)
        self.combo.activated.connect(self._on_activated)
        self.browse_button = parts.button(
            "Open…",
            "Open a dMoE checkpoint (.safetensors, .pth, .pt). A file can also be "
            "dropped on this dock or on the canvas.",
            self._on_browse,
        )
        self.unload_button = parts.button(
            "Unload",
            "Forget the model and give its memory back.",
            self.unload_requested,
        )
        self.save_button = parts.button(
            "Save…",
            "Save this tuned model as a file, or it is gone with the window.",
            self.save_requested,
        )
        icons.give(self.browse_button, "open", alone=True)
        icons.give(self.unload_button, "unload", alone=True)
        icons.give(self.save_button, "save", alone=True)
        self.describe_link = LinkButton("Describe this model…")
        self.describe_link.setToolTip(_DESCRIBE_HELP)
        self.describe_link.clicked.connect(self.describe_requested)
        self.facts = parts.paragraph(name="model-facts")
        self.error = parts.paragraph(name="model-error")
        self.details = CardDetails()
        """These three stand elsewhere: the tab says where."""
        self._make_question()
        self._titles: Mapping[str, str] = {}
        self._unsaved = ""
        self._cards: list[str] = []
        buttons = self.save_button, self.browse_button, self.unload_button
        # The list has a line of its own: names are long, and the dock may be narrow.
        head = parts.row(parts.heading("MODEL"), *buttons, stretch=0)
        parts.column(self, head, self.combo, self._question, self.describe_link)
        self.show_nothing()

    def _make_question(self) -> None:
        """Make what asks for the card of a file that has none."""
        self.card_combo = parts.narrow_combo(
            "What drives this model?",
            "The file does not say what its routers stand for. These are the published "
            "cards whose shapes fit it: choose only what you know.",
        )
        self.card_combo.activated.connect(self._on_card)
        self._question = QWidget()
        parts.column(
            self._question,
            parts.row(QLabel("Driven by"), self.card_combo, stretch=1),
        )

    def offer(self, titles: Mapping[str, str]) -> None:
        """Offer bundled models by name and files by path, each with its title."""
        self._titles = dict(titles)
        self._fill(self.combo.currentData() or "")

    def _fill(self, chosen: str) -> None:
        """Fill the list: what is not saved first, then what is bundled, then files."""
        files = [name for name in self._titles if is_path(name)]
        bundled = [name for name in self._titles if name not in files]
        unsaved = [self._unsaved] if self._unsaved else []
        groups = (("Not saved", unsaved), ("Bundled", bundled), ("Recent", files))
        are_several = sum(bool(names) for _, names in groups) > 1
        self.combo.clear()
        for heading, names in groups:
            if names and are_several:
                self.combo.addItem(heading)
                item = self.combo.model().item(self.combo.count() - 1)
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            for name in names:
                place, role = self.combo.count(), Qt.ItemDataRole.ToolTipRole
                title = self._titles.get(name, name)
                self.combo.addItem(title, name)
                self.combo.setItemData(place, name, role)
                if not is_path(name):
                    self.combo.setItemData(place, short_title(title), parts.SHORT)
        self.combo.setCurrentIndex(self.combo.findData(chosen) if chosen else -1)
        self._explain()

    def show_choice(self, name: str, *, is_saved: bool = True) -> None:
        """Show which model is loaded; none for an empty name.

        One that `is_saved` in no file stands in the list as long as it is loaded.
        """
        unsaved = "" if is_saved else name
        if unsaved != self._unsaved:
            self._unsaved = unsaved
            self._fill(name)
        self.combo.setCurrentIndex(self.combo.findData(name) if name else -1)
        self.save_button.setVisible(bool(unsaved))
        self.describe_link.setVisible(is_saved and is_path(name))
        self._explain()

    def _explain(self) -> None:
        """Say which model it is where the list is pointed at: names may be cut."""
        title, name = self.combo.currentText(), self.combo.currentData()
        known = dict.fromkeys(filter(None, (title, name)))
        self.combo.setToolTip("\n".join((*known, _LIST_HELP)))

    def show_loading(self, title: str) -> None:
        """Say that a model is being loaded."""
        parts.say(self.error, "")
        parts.say(self.facts, f"Loading {escape(title)} …")

    def show_starting(self) -> None:
        """Say that models are being looked for."""
        parts.say(self.facts, "Looking for models …")

    def show_nothing(self) -> None:
        """Say that no model is loaded, and what to do."""
        parts.say(self.facts, NOTHING)
        self.details.forget()
        self.details.setVisible(False)
        self._question.setVisible(False)
        self.unload_button.setEnabled(False)
        self.show_choice("")

    def show_model(self, loaded: LoadedModel, cards: Mapping[str, str]) -> None:
        """Show a model.

        Its published cards to choose from, by their names with what drives a model with
        each, are empty where the file brought its own.
        """
        parts.say(self.error, "")
        parts.say(self.facts, _facts(loaded))
        self.details.setVisible(True)
        self.details.show_model(loaded)
        self.unload_button.setEnabled(True)
        self._cards = list(cards)
        self.card_combo.clear()
        self.card_combo.addItem(NOT_KNOWN)
        for name, drives in cards.items():
            place, role = self.card_combo.count(), Qt.ItemDataRole.ToolTipRole
            self.card_combo.addItem(drives)
            self.card_combo.setItemData(place, name, role)
        chosen = loaded.card.name
        place = self._cards.index(chosen) + 1 if chosen in self._cards else 0
        self.card_combo.setCurrentIndex(place)
        self._question.setVisible(bool(cards))

    def show_error(
        self, message: str, loaded: LoadedModel | None, title: str = ""
    ) -> None:
        """Say why a checkpoint could not be loaded, and which model is kept."""
        kept = f" {title} is kept." if title else ""
        text = message.rstrip(".")
        parts.say(self.error, f"<b>Not loaded.</b> {escape(text)}.{escape(kept)}")
        parts.say(self.facts, NOTHING if loaded is None else _facts(loaded))

    def _on_activated(self, index: int) -> None:
        name = self.combo.itemData(index)
        if name:
            self.model_requested.emit(name)

    def _on_browse(self) -> None:
        path = ask_for_checkpoint(self)
        if path:
            self.model_requested.emit(path)

    def _on_card(self, index: int) -> None:
        self.card_requested.emit("" if index == 0 else self._cards[index - 1])


class CardDetails(QWidget):
    """Shows a model card; unfolds at a click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._loaded: LoadedModel | None = None
        self._form = parts.TextForm()
        self.copy_button = parts.button(
            "Copy all", "Copy the card, shapes and full hash as JSON.", self._on_copy
        )
        content = QWidget()
        layout = parts.column(content, self._form, self.copy_button)
        layout.setContentsMargins(4, 4, 0, 4)
        self.fold = parts.Fold(
            "About this model", "What the model's card and file state.", content
        )
        parts.column(self, self.fold)

    @property
    def rows(self) -> Mapping[str, QLabel]:
        """What is said, by name."""
        return self._form.texts

    def show_model(self, loaded: LoadedModel) -> None:
        """Show another model's card."""
        self._loaded = loaded
        self._form.show_texts(_rows(loaded))
        self.rows["SHA-256"].setToolTip(loaded.sha256)
        self.rows["Title"].setToolTip(loaded.card.name)

    def forget(self) -> None:
        """Let go of the model, so that its memory can be given back."""
        self._loaded = None

    def _on_copy(self) -> None:
        if self._loaded is not None:
            parts.copy_text(
                json.dumps(self._loaded.facts(), indent=2, ensure_ascii=False)
            )


def _facts(loaded: LoadedModel) -> str:
    """Say in two lines what the model is and what drives it."""
    card = loaded.card
    drivers = [
        f"<b>{escape(driver.label.lower())}</b> ({escape(_routed(card, driver))})"
        for driver in card.attributes
    ]
    drives = f"driven by {' and '.join(drivers) or 'nothing: one mask for everybody'}"
    kind = str(loaded.facts()["architecture_title"])
    classes = escape(", ".join(card.classes[1:]))
    size = f" · {loaded.n_bytes / 1e6:.1f} MB" if loaded.n_bytes else ""
    return f"{escape(kind)}, {drives}<br>classes {classes}{size}"


def _routed(card: ModelCard, driver: CardAttribute) -> str:
    """List a driver's values, those apart that no training case had."""
    never = card.untrained(driver.name)
    trained = ", ".join(value for value in driver.values if value not in never)
    return "; never trained: ".join(filter(None, (trained, ", ".join(never))))


def _rows(loaded: LoadedModel) -> dict[str, str]:
    card = loaded.card
    facts = card.training
    drivers = {each.label: _values(card, each) for each in card.attributes}
    return {
        "Title": card.title,
        "File": loaded.source or _NOT_STATED,
        "SHA-256": f"{loaded.sha256[:_SHORT_HASH]}…" if loaded.sha256 else _NOT_STATED,
        "Size": f"{loaded.n_parameters / 1e6:.2f} M parameters",
        "Input": " × ".join(map(str, reversed(loaded.input_size))) + " px",
        "Fit": loaded.preprocessing.words,
        "Mask": loaded.preprocessing.mask_words or "as the network gives it",
        "Images": card.modality or _NOT_STATED,
        **(drivers or {"Drivers": "none: one mask for everybody"}),
        "Trained on": _trained_on(loaded),
        "Dice": facts.dice_in_words or _NOT_STATED,
        "Notice": card.notice or "none",
        "Use": card.intended_use or _NOT_STATED,
        "Licence": card.weights_licence or _NOT_STATED,
        "Data": card.data_licence or _NOT_STATED,
        "Cite": card.citation or _NOT_STATED,
    }


def _values(card: ModelCard, attribute: CardAttribute) -> str:
    """Say for each value, one a line, how much of the training data had it."""
    counts, never = card.counts(attribute.name), card.untrained(attribute.name)
    shares, lines = attribute.frequencies, []
    for value, prior in zip(attribute.values, attribute.prior, strict=True):
        if value in counts:
            said = f"{value}: {counts[value]:,} cases"
        else:
            said = value if shares is None else f"{value}: {prior:.0%} of cases"
        lines.append(f"{said}, never trained" if value in never else said)
    if not counts and shares is None:
        lines.append("(training numbers not stated)")
    spare = attribute.routers - len(attribute.values)
    if spare:
        lines.append(f"(and {spare} routers without a value)")
    return "\n".join(lines)


def _trained_on(loaded: LoadedModel) -> str:
    facts = loaded.card.training
    n_cases = f"{facts.n_cases:,} cases" if facts.n_cases is not None else ""
    data = in_dock(facts.data or "")
    parts = [part for part in (data, n_cases, facts.note) if part]
    return " · ".join(parts) or _NOT_STATED
