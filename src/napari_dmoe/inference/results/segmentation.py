"""What a run returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.frames import axes_by_frame, transposed
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.routing import RoutingMaps


@dataclass(frozen=True)
class Segmentation:
    """A segmented image.

    Parameters
    ----------
    labels : (*S) uint8 array
        Classes, with the source's full shape (or the network's, if scored there), along
        the source's axes in their order, but for channels. 0 where the network saw
        nothing, outside a centre crop.
    axes : tuple of str
        Names of the labels' axes.
    grid : Grid
        Where the labels lie in the source image: along y and x, or z, y and x, in this
        order, whatever the order of `axes`.
    classes : tuple of str
        Class names; label i is ``classes[i]``.
    by_value : mapping of str to (*S) uint8 array
        For an unknown driver, the labels that each of its values alone would give.
    probabilities : (K, *S) float32 array or None
        Class probabilities, where they were asked for; all 0 where the network saw
        nothing.
    routing : RoutingMaps or None
        Gates of every block; None for a network without its MoE.
    provenance : Provenance
        How it came about.
    """

    labels: NDArray[np.uint8]
    axes: tuple[str, ...]
    grid: Grid
    classes: tuple[str, ...]
    by_value: Mapping[str, NDArray[np.uint8]]
    probabilities: NDArray[np.float32] | None
    routing: RoutingMaps | None
    provenance: Provenance

    def __repr__(self) -> str:
        """Show what kind of result it is, and neither pixels nor values."""
        shape = " x ".join(
            f"{n} ({axis})"
            for n, axis in zip(self.labels.shape, self.axes, strict=True)
        )
        return f"Segmentation({shape}, classes={self.classes!r})"

    @property
    def axes_by_frame(self) -> tuple[str, ...]:
        """The axes that were run over, then those of the grid; so are routing maps."""
        return axes_by_frame(self.axes, len(self.grid.shape))

    def by_frame(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return samples along `axes` in the order of `axes_by_frame`, not copied."""
        return transposed(samples, self.axes, self.axes_by_frame)

    @classmethod
    def of_mask(
        cls,
        labels: NDArray[np.uint8],
        *,
        axes: tuple[str, ...],
        grid: Grid,
        record: Provenance,
    ) -> Segmentation:
        """Return a mask without what else its run found, such as one from a file."""
        return cls(labels, axes, grid, record.classes, {}, None, None, record)
