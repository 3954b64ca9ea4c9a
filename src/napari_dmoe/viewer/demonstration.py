"""The demo in a window: the main job on the samples, with the dock beside them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_dmoe.viewer import results
from napari_dmoe.viewer.layers import to_image
from napari_dmoe.viewer.session import Session, session_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_dmoe.viewer.widgets.dmoe_dock import DMoEDock

MODEL = "fundus-phantom"
SAMPLES = ("phantom-fundus", "retina-colour")
"""Keys in the manifest. Each gets its own window, because one has millimetres and the
other has not."""


def show_demo() -> None:
    """Open windows with the segmented samples and the dock, until they are closed."""
    import napari

    for key in SAMPLES:
        open_demo(napari.Viewer(title=f"napari-dmoe: {key}"), key)
    napari.run()


def open_demo(viewer: napari.Viewer, sample: str, model: str = MODEL) -> DMoEDock:
    """Open a sample in a viewer, segment it, and open the dock.

    Parameters
    ----------
    viewer : napari.Viewer
        Where to.
    sample : str
        Key of the sample in the manifest.
    model : str
        Name of a bundled model, or path of a checkpoint.

    Returns
    -------
    DMoEDock
        The dock.
    """
    from napari_dmoe.models.checkpoint import load_checkpoint

    session = session_of(viewer)
    session.set_model(load_checkpoint(model), model)
    image = viewer.open_sample("napari-dmoe", sample)[0]
    _segment(session, image)
    dock: DMoEDock = viewer.window.add_plugin_dock_widget("napari-dmoe", "dMoE")[1]
    return dock


def _segment(session: Session, image: Image) -> None:
    from napari_dmoe.inference.segment import segment
    from napari_dmoe.inference.settings import InferenceSettings

    viewer, loaded = session.viewer, session.model
    if viewer is None or loaded is None:
        return
    settings = InferenceSettings()
    began = time.perf_counter()
    patient = session.patient_of(image)
    segmentation = segment(
        loaded, to_image(image, session.dims), patient, settings=settings
    )
    result = results.show(
        viewer,
        image,
        segmentation,
        request=session.request(image, settings),
        seconds=time.perf_counter() - began,
    )
    session.set_result(image, result)
