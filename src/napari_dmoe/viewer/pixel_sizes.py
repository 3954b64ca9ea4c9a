"""How large a pixel or a voxel of a result is, to measure what was counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.results.segmentation import Segmentation


@dataclass(frozen=True)
class PixelSize:
    """How large a pixel or voxel is.

    Parameters
    ----------
    size : float
        Its area or volume.
    unit : str
        ``"mm²"`` or ``"mL"``; ``"px"`` or ``"voxels"`` where its size is not known.
    """

    size: float = 1.0
    unit: str = "px"

    def text(self, n: int) -> str:
        """Say how large a number of them is, without the unit."""
        return f"{n * self.size:.0f}" if self.is_count else f"{n * self.size:.3g}"

    @property
    def is_count(self) -> bool:
        """Whether they can only be counted."""
        return self.unit in ("px", "voxels")


PIXELS = PixelSize()


def pixel_size(result: Segmentation, image: SpatialImage) -> PixelSize:
    """Return how large a pixel of a result is."""
    from napari_dmoe.inference.masks.mask_measures import label_frame

    frame = label_frame(result, image)
    is_voxel = frame.unit == "px" and len(result.grid.shape) == 3
    return PixelSize(frame.pixel, "voxels" if is_voxel else frame.unit)


def pixels_or_voxels(result: Segmentation) -> str:
    """Say what a mask is made of."""
    return "voxels" if len(result.grid.shape) == 3 else "pixels"
