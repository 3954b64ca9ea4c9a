"""Several patients in one viewer, and whose pictures are seen.

The name of every layer begins with its patient's, whatever the viewer knows of it.
"""

from __future__ import annotations

import re

import numpy as np
from desk import Desk
from napari.components import ViewerModel
from napari.layers import Image, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

SHAPE = (12, 9)
NAMES = ("ann", "ben", "cle")


def pixels_of(name: str, shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    """Return pixels that are those of one patient alone."""
    rng = np.random.default_rng(sum(map(ord, name)))
    return rng.integers(1, 255, shape).astype(np.uint8)


def patient_of(layer: Layer) -> str:
    """Return whose a layer is, by its name."""
    return re.split(r"[\s_.]", layer.name)[0]


def visible_patients(viewer: ViewerModel) -> list[str]:
    """Return whose layers are seen, in their order; each once."""
    seen = [patient_of(layer) for layer in viewer.layers if layer.visible]
    return list(dict.fromkeys(seen))


def seen(viewer: ViewerModel) -> list[str]:
    """Return the names of the layers that are seen."""
    return [str(layer.name) for layer in viewer.layers if layer.visible]


class Ward:
    """A desk with an image of each patient, all of one size in one place."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.viewer = desk, desk.viewer
        self.seen_at_once: list[list[str]] = []
        """Whose pictures were seen at once, between two turns of the event loop."""
        self._watch = QTimer(desk.dock)
        self._watch.timeout.connect(self._look)
        self._watch.start(0)

    def _look(self) -> None:
        patients = visible_patients(self.viewer)
        if len(patients) > 1:
            self.seen_at_once.append(patients)

    def admit(self, *names: str) -> None:
        """Open the images, each with a patient of its own and a mask."""
        for name in names:
            self.viewer.add_image(pixels_of(name), name=name)
            self.desk.choose("severity", "suspect")
            self.desk.run()

    def image(self, name: str) -> Image:
        layer = self.viewer.layers[name]
        assert isinstance(layer, Image)
        return layer

    def choose(self, name: str) -> None:
        """Choose an image in the dock's list, as a person does."""
        combo = self.desk.segmenting.tab.image.combo
        place = combo.findText(name)
        assert place >= 0
        combo.setCurrentIndex(place)
        combo.activated.emit(place)

    def see_nothing_but(self, name: str) -> None:
        """Check whose pictures are seen, and nothing else."""
        assert visible_patients(self.viewer) == [name]

    def see_only(self, name: str) -> None:
        """Check whose pictures are seen, and that the dock is at the same image."""
        session = self.desk.session
        assert visible_patients(self.viewer) == [name]
        assert session.image is self.image(name)
        assert self.image(name).visible
        active = self.viewer.layers.selection.active
        assert active is None or patient_of(active) == name
