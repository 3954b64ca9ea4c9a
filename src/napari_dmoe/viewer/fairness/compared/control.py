"""Keeps the list of what is compared, and where what comes of it is written."""

from __future__ import annotations

import os
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.checkpoints import is_path
from napari_dmoe.viewer.fairness.cohort.reading import Reading
from napari_dmoe.viewer.fairness.compared.subjects import (
    LOADED,
    Sort,
    Subject,
    loaded_subject,
    model_subject,
    predictions_subject,
    proposed,
)
from napari_dmoe.viewer.fairness.compared.view import FILE, FOLDER, ComparedSection
from napari_dmoe.viewer.session.models import titles_of
from napari_dmoe.viewer.ui.asking import ask_for_checkpoint
from napari_dmoe.viewer.ui.connections import Connections

ENDING = "-audit"
"""What the folder of a cohort's audit is called after its cohort."""

HOME = "dmoe-audits"
"""Folder in a person's own for the audits of what lies in no folder of theirs."""


class ComparedControl(Control):
    """Proposes what to compare until a person says it, and where to write."""

    changed = Signal()
    """Something else is compared, or written elsewhere."""

    def __init__(self, bench: Bench, section: ComparedSection) -> None:
        super().__init__(bench, section)
        self._section = section
        self._reading: Reading | None = None
        self._chosen: list[Subject] | None = None
        self._output: Path | None = None
        section.add_requested.connect(self._on_add)
        section.masks_requested.connect(self._on_masks)
        section.removed.connect(self._on_removed)
        section.dropped.connect(self.add)
        section.output_requested.connect(self._on_output)
        section.every_value_toggled.connect(lambda _: self.changed.emit())
        session = bench.session
        connections = Connections(self)
        connections.add(session.model_changed, self._on_model)
        connections.add(session.surroundings_changed, self._on_model)
        self._show()

    @property
    def subjects(self) -> list[Subject]:
        """What is compared, in order; the first is what others are compared with."""
        if self._chosen is not None:
            return self._chosen
        return proposed(self._reading, self._session)

    @property
    def output(self) -> Path | None:
        """The folder for what is written; None without a cohort."""
        if self._reading is None:
            return None
        return self._output or proposed_output(self._reading)

    @property
    def asks_every_value(self) -> bool:
        """Whether every value is asked of each model, too."""
        box = self._section.every_value_box
        return box.isEnabled() and box.isChecked()

    def show_cohort(self, reading: Reading | None) -> None:
        """Compare what fits a cohort, unless a person said what."""
        is_other = _source(reading) != _source(self._reading)
        self._reading = reading
        if is_other:
            self._output = None
        self._show()

    def add(self, path: str) -> None:
        """Compare a model by its name or path, or the masks of a folder, too."""
        if Path(path).is_dir():
            self._add(predictions_subject(path))
        elif path == LOADED:
            loaded = loaded_subject(self._session)
            if loaded is not None:
                self._add(loaded)
        else:
            self._add(model_subject(path, self._session))

    def _add(self, subject: Subject) -> None:
        """Add it; the first that a person names takes the place of what was proposed.

        Masks take the place of a proposed model, and another model stands beside it.
        """
        is_beside = self._chosen is not None or subject.sort is Sort.MODEL
        before = self.subjects if is_beside else []
        if subject.key not in [each.key for each in before]:
            self._chosen = [*before, subject]
            self._show()

    def _on_add(self, key: str) -> None:
        if key == FOLDER:
            self._on_masks()
            return
        path = ask_for_checkpoint(self._section) if key == FILE else key
        if path:
            self.add(path)

    def _on_masks(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self._section, "Folder of masks, one a case"
        )
        if folder:
            self._add(predictions_subject(folder))

    def _on_removed(self, place: int) -> None:
        self._chosen = [s for i, s in enumerate(self.subjects) if i != place]
        self._show()

    def _on_output(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self._section, "Folder for the audit", str((self.output or Path()).parent)
        )
        if folder:
            self.write_into(Path(folder))

    def write_into(self, folder: Path) -> None:
        """Write what comes of this cohort into a folder from now on."""
        self._output = folder
        self._show()

    def _on_model(self) -> None:
        """Another model is loaded: what it was is not what it is."""
        if self._chosen is not None:
            loaded = loaded_subject(self._session)
            kept = (loaded if s.key == LOADED else s for s in self._chosen)
            self._chosen = [each for each in kept if each is not None]
        self._show()

    def _show(self) -> None:
        subjects, section = self.subjects, self._section
        section.show_subjects([each.title for each in subjects])
        self._offer(subjects)
        is_model = any(each.sort is Sort.MODEL for each in subjects)
        section.allow_every_value("" if is_model else "Masks cannot be asked.")
        section.show_output(self.output)
        self.changed.emit()

    def _offer(self, subjects: list[Subject]) -> None:
        """Offer what is not yet compared."""
        session, taken = self._session, {each.key for each in subjects}
        loaded = loaded_subject(session)
        own = [] if loaded is None else [(loaded.title + " (loaded)", LOADED)]
        names = [n for n in session.surroundings.models if n != session.model_origin]
        titles = titles_of(names, session.surroundings)
        offered = [*own, *zip(titles, names, strict=True)]
        offered = [(title, key) for title, key in offered if key not in taken]
        offered += [("Checkpoint file…", FILE), ("Folder of masks…", FOLDER)]
        texts, keys = zip(*offered, strict=True)
        self._section.offer_models(texts, keys)


def _source(reading: Reading | None) -> Path | None:
    return None if reading is None else reading.wish.source


def proposed_output(reading: Reading) -> Path:
    """Return a folder for the audit of a cohort: beside it, where that can be.

    Not in it: a folder of masks among images would be read as more of them.
    """
    source = reading.wish.source
    name = source.stem if source.suffix else source.name
    if source.is_file() and name in ("cohort", "metadata", "participants", "test"):
        name = source.parent.name  # many tables are called so
    beside = source.parent.parent if source.is_file() else source.parent
    is_ours = bool(reading.wish.phantoms) or not source.exists()
    if is_ours or not os.access(beside, os.W_OK):
        beside = Path.home() / HOME
    return beside / f"{name}{ENDING}"


def is_file(subject: Subject) -> bool:
    """Say whether a subject is a file that a person chose."""
    return subject.sort is Sort.MODEL and is_path(subject.key)
