"""The demo in a window: the main job on the samples, with the dock beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.progress import silent
from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.contributed import PLUGIN
from napari_dmoe.viewer.session.session import Session, session_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels

    from napari_dmoe.viewer.dock import DMoEDock

MODELS = {
    "phantom-skin": "skin-phantom",
    "phantom-pelvis": "pelvis-phantom",
    "phantom-fundus": "fundus-phantom",
    "retina-colour": "fundus-phantom",
}
"""Samples by their key in the manifest, and the bundled model for each. Every sample
gets its own window: models differ, and some images have millimetres and one has not."""

_MS_BETWEEN_LOOKS = 200


def show_demo() -> None:
    """Open windows with the segmented samples and the dock, until they are closed."""
    import napari
    from qtpy.QtCore import QTimer

    for sample in MODELS:
        open_demo(napari.Viewer(title=f"napari-dmoe: {sample}"), sample)
    timer = QTimer()  # now and then Python has to look whether a signal has come
    timer.timeout.connect(lambda: None)
    timer.start(_MS_BETWEEN_LOOKS)
    napari.run()


def open_demo(viewer: napari.Viewer, sample: str) -> DMoEDock:
    """Open a sample of :data:`MODELS` in a viewer, segment it, return the dock."""
    from napari_dmoe.models.checkpoint import load_checkpoint

    session, model = session_of(viewer), MODELS[sample]
    session.set_model(load_checkpoint(model), model)
    image = viewer.open_sample(PLUGIN, sample)[0]
    session.models_chosen.note(image)
    mask = _segment(session, image)
    if image.ndim == len(SPATIAL_AXES) and mask is not None:
        largest = int((mask.data > 0).sum((1, 2)).argmax())
        viewer.dims.set_current_step(0, largest)
    return open_dock(viewer)


def _segment(session: Session, image: Image) -> Labels | None:
    from napari_dmoe.inference.running.segment import segment

    inquiry, loaded = session.inquire(image), session.model
    if loaded is None:
        return None
    outcome = inquiry.outcome(segment, loaded, silent)
    return session.show_outcome(image, outcome).mask()
