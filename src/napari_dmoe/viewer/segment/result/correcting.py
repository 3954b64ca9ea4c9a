"""Saves a corrected mask of a series where it lies, and brings its row up to date."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.measuring import Edits, edits_of
from napari_dmoe.viewer.segment.result.view import ResultSection
from napari_dmoe.viewer.session.pictures import Picture
from napari_dmoe.viewer.session.visits import MaskFile, State, Visits
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari.layers import Labels


@dataclass(frozen=True)
class _Correction:
    """What is saved, without its layer."""

    folder: Path
    picture: Picture
    labels: NDArray[Any]
    axes: tuple[str, ...]
    digest: str

    def write(self, path: Path, hook: ProgressHook) -> tuple[dict[str, str], State]:
        """Write mask, record and row; called in a thread."""
        from napari_dmoe.cohorts.series.corrected import save_correction  # has torch

        hook(Progress(0, 1, f"saving {path.name}"))
        row = self.picture.row
        done = save_correction(
            self.folder,
            row.get("id") or row.get("image") or self.picture.name,
            self.labels,
            file=row.get("file", ""),
            axes=self.axes,
            opened=self.digest,
        )
        return dict(done.cells), State.of(path)


class Correcting(Control):
    """Lets Save write a painted mask of a series in place, without a dialog."""

    def __init__(self, bench: Bench, section: ResultSection, visits: Visits) -> None:
        super().__init__(bench, section)
        self._section, self._visits = section, visits
        self._saving: Path | None = None
        session = bench.session
        changes = session.result_changed, session.image_changed, session.mask_saved
        self._refresh = Refresh(
            self, self.show, soon=(*changes, session.pictures.changed)
        )

    def show(self) -> None:
        """Say whether Save asks for a file, or which one it writes over."""
        found = self._found()
        self._section.show_save("" if found is None else found[1].path.name)

    def _found(self) -> tuple[Picture, MaskFile, Labels] | None:
        """Return the correction that is shown and belongs to the series; or None."""
        pictures, (image, result) = self._session.pictures, self._session.current
        file, mask = self._visits.file(result), result.mask() if result else None
        if image is None or result is None or file is None or mask is None:
            return None
        place = pictures.place_of(self._visits.key(image))
        if place is None or pictures.folder is None:
            return None
        picture = pictures[place]
        is_its = picture.mask == file.path and self._visits.is_unsaved(result)
        return (picture, file, mask) if is_its else None

    def save(self) -> bool:
        """Save the correction that is shown in place; say whether there is one.

        Who holds Shift saves it elsewhere.
        """
        found, result = self._found(), self._session.current[1]
        held = QApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier
        folder = self._session.pictures.folder
        if found is None or result is None or folder is None or held:
            return False
        picture, file, mask = found
        if self._saving == file.path:  # the button was pressed twice
            return True
        self._saving = file.path
        result.note_edits()
        shape = result.segmentation.labels.shape
        labels = np.array(mask.data).reshape(shape)
        axes = tuple(result.segmentation.axes)
        what = _Correction(folder, picture, labels, axes, file.state.digest)
        self._work.start_beside(
            Order(
                title=f"dMoE: saving {file.path.name}",
                status=f"Saving {file.path.name} …",
                work=partial(what.write, file.path),
                then=partial(self._on_saved, picture, file, mask, edits_of(mask)),
                if_failed=self._on_failed,
                if_stopped=self._on_stopped,
            )
        )
        return True

    def _on_saved(
        self,
        picture: Picture,
        file: MaskFile,
        mask: Labels,
        edits: Edits,
        saved: tuple[dict[str, str], State],
    ) -> str:
        self._saving = None
        (row, state), pictures = saved, self._session.pictures
        self._visits.note_rewritten(mask, state, edits)
        if edits_of(mask) == edits:  # nothing was painted meanwhile
            self._session.mask_saved.emit(mask)
        place = pictures.place_of(picture.key)
        row = {name: in_dock(cell) for name, cell in row.items()}
        if place is not None:
            pictures.update(place, row=row)
        self._refresh.soon()
        return f"Saved {file.path.name}, and its row of segment.csv."

    def _on_failed(self, error: Exception) -> str:
        self._saving = None
        return f"Not saved, the correction stays in this window: {error}"

    def _on_stopped(self) -> str:
        self._saving = None
        return "Stopped. The correction stays in this window."
