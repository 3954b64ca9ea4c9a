"""Masks read back from a file, in the order in which their run returned them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.results.provenance import Provenance


def in_order_of_result(mask: SpatialImage, record: Provenance) -> NDArray[Any]:
    """Return a mask's labels along the axes of the result that it was written from.

    Parameters
    ----------
    mask : SpatialImage
        The mask, whose file may store its axes in another order.
    record : Provenance
        Its record.

    Raises
    ------
    ValueError
        When the mask has other axes than the image of the record.
    """
    frame = SPATIAL_AXES[-len(record.grid["shape"]) :]
    image_axes = [axis for axis in record.image.axes if axis != CHANNEL_AXIS]
    order = [axis for axis in image_axes if axis not in frame] + list(frame)
    if sorted(order) != sorted(mask.axes):
        raise ValueError(
            f"the mask has the axes {', '.join(mask.axes)}, its record "
            f"{', '.join(order)}: it is another one's"
        )
    data = np.asarray(mask.data)
    return np.ascontiguousarray(data.transpose([mask.axes.index(a) for a in order]))
