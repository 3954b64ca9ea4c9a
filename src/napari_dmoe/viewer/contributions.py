"""The functions behind napari's menus. Imports wait until a menu entry is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dmoe.viewer.layers import LayerData

SOURCE = "sample"


def phantom_fundus() -> list[LayerData]:
    """Return a made-up colour fundus that brings its made-up patient."""
    from napari_dmoe.cohorts.phantoms import NOTICE
    from napari_dmoe.cohorts.samples import sample_fundus
    from napari_dmoe.inference.provenance import METADATA_KEY

    case = sample_fundus()
    record = {"patient": case.patient.known(), "source": SOURCE, "notice": NOTICE}
    arguments = {
        "name": "phantom fundus",
        "rgb": "c" in case.image.axes,
        "scale": case.image.spacing,
        "units": (case.image.unit,) * 2,
        "axis_labels": ("y", "x"),
        "metadata": {METADATA_KEY: record},
    }
    return [(case.image.data, arguments, "image")]


def retina_colour() -> list[LayerData]:
    """Return the retina photograph that scikit-image ships (real, CC0)."""
    from skimage.data import retina

    return [(retina(), {"name": "retina", "rgb": True}, "image")]


def retina_green() -> list[LayerData]:
    """Return the photograph's green channel, in which vessels and cup stand out."""
    from skimage.data import retina

    green = retina()[..., 1]
    return [(green, {"name": "retina green", "colormap": "gray"}, "image")]
