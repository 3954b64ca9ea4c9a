"""How the experts share the work in a part of an image: by block, and by class.

Knows no napari and no Qt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.maps.measures import (
    collapsed,
    load_matrix,
    load_per_class,
    load_within,
)
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.routing.extras import Extras
from napari_dmoe.viewer.routing.plots.region import Part


class PartLoads:
    """The experts' shares of the gates in a part of a result.

    Parameters
    ----------
    made : Segmentation
        A result with routing.
    part : Part
        The part.
    extras : Extras
        Knows the mean gates.
    labels : (*S) integer array, optional
        A mask along the axes of the result that takes the place of its own, such as
        one that was painted on. Numbers that are no class count for none.

    Attributes
    ----------
    load : (L, E) array
        Share of each expert in each block; NaN where the part holds no token.
    words : str
        What the part is.
    classes : tuple of str
        Names of the classes.
    is_painted : bool
        Whether the classes are those of another mask than the result's own.
    """

    def __init__(
        self,
        made: Segmentation,
        part: Part,
        extras: Extras,
        *,
        labels: NDArray[np.integer] | None = None,
    ) -> None:
        routing = made.routing
        if routing is None:
            raise ValueError("the network has no MoE, so no expert has a load")
        self.words, self.classes = part.words, made.classes
        self.is_painted = labels is not None
        at = dict(part.at)
        mask = made.labels if labels is None else labels
        self._labels, _, self._grid = cut(mask, made.axes, made.grid, at)
        self._maps = routing_at(routing, at, extras)
        names = tuple(axis for axis in made.axes if axis not in at)
        self._border: NDArray[np.bool_] | None = None
        if len(names) == 2:  # in volumes it would take too long
            self._border = find_boundaries(self._labels, connectivity=2)
        if part.region and len(names) == 2:
            inside = region_mask(part, names, self._grid, self._labels.shape)
            # A number that is no class: these pixels count for none.
            self._labels = np.where(inside, self._labels, len(self.classes))
            self._border = None if self._border is None else self._border & inside
            blocks = range(routing.n_blocks)
            rows = [load_within(self._maps, b, inside, self._grid) for b in blocks]
            self.load: NDArray[Any] = np.stack(rows)
            if not inside.any():
                self.words += ", of which nothing lies on the image"
        else:
            self.load = load_matrix(self._maps)
        self._per_class: dict[int, NDArray[np.float64]] = {}

    def per_class(self, block: int) -> NDArray[np.float64]:
        """Return each expert's share in the pixels of each class, (K, E)."""
        if block not in self._per_class:
            self._per_class[block] = load_per_class(
                self._maps, block, self._labels, self._grid, len(self.classes)
            )
        return self._per_class[block]

    def at_border(self, block: int) -> NDArray[np.float64] | None:
        """Return each expert's share along the borders of the mask, (E,).

        NaN where the part holds no border; None for volumes.
        """
        if self._border is None:
            return None
        return load_within(self._maps, block, self._border, self._grid)

    def warning(self, unit: str) -> str:
        """Say where one expert does nearly everything; nothing where none does."""
        found = collapsed(np.nan_to_num(self.load))
        if not found or self.load.shape[1] < 2:
            return ""
        parts = [f"expert {c.expert} in {unit} {c.block} ({c.load:.0%})" for c in found]
        return f"One expert does nearly all the work: {', '.join(parts)}."


def loads_of(
    made: Segmentation,
    part: Part,
    extras: Extras,
    *,
    labels: NDArray[np.integer] | None,
    block: int,
) -> PartLoads:
    """Return the loads in a part, with what takes long of one block computed."""
    loads = PartLoads(made, part, extras, labels=labels)
    loads.per_class(block)
    return loads


def n_samples(made: Segmentation, part: Part) -> int:
    """Return from how many samples the loads in a part are computed."""
    pixels, _, _ = cut(made.labels, made.axes, made.grid, dict(part.at))
    gates = () if made.routing is None else made.routing.gates
    return pixels.size + max((each.size for each in gates), default=0)


def routing_at(
    routing: RoutingMaps, at: Mapping[str, float], extras: Extras
) -> RoutingMaps:
    """Return the mean routing in a slice, as if there was nothing else."""
    axes = (*routing.axes, *routing.token_axes)
    gates, grids = [], []
    for block, grid in enumerate(routing.grids):
        plane, _, smaller = cut(extras.mean(routing, block), axes, grid, at)
        gates.append(plane[np.newaxis])
        grids.append(smaller)
    return replace(
        routing,
        gates=tuple(gates),
        grids=tuple(grids),
        values=("",),
        weights=(1.0,),
        axes=tuple(axis for axis in routing.axes if axis not in at),
        token_axes=tuple(axis for axis in routing.token_axes if axis not in at),
    )


def cut(
    samples: NDArray[Any], axes: Sequence[str], grid: Grid, at: Mapping[str, float]
) -> tuple[NDArray[Any], tuple[str, ...], Grid]:
    """Return the samples of a slice, with the axes and the grid that are left.

    Parameters
    ----------
    samples : array
        One axis for each of `axes`; others behind them stay.
    axes : sequence of str
        Their names.
    grid : Grid
        Where the samples lie along the last ones of them.
    at : mapping of str to float
        Where the slice lies on some axes, in pixels of the image.
    """
    n_extra = len(axes) - len(grid.shape)
    index: list[Any] = []
    for place, name in enumerate(axes):
        if name not in at:
            index.append(slice(None))
            continue
        start, step = 0.0, 1.0
        if place >= n_extra:
            start, step = grid.start[place - n_extra], grid.step[place - n_extra]
        nearest = round((at[name] - start) / step)
        index.append(int(np.clip(nearest, 0, samples.shape[place] - 1)))
    kept = [i for i, name in enumerate(axes[n_extra:]) if name not in at]
    smaller = Grid(
        tuple(grid.shape[i] for i in kept),
        tuple(grid.start[i] for i in kept),
        tuple(grid.step[i] for i in kept),
    )
    return samples[tuple(index)], tuple(n for n in axes if n not in at), smaller


def region_mask(
    part: Part, axes: Sequence[str], grid: Grid, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return which pixels of a plane lie in the shapes that were drawn on it.

    Parameters
    ----------
    part : Part
        The shapes; along its `plane` in the order of the layer's axes.
    axes : sequence of str
        The two axes of the plane, in the order of the result.
    grid : Grid
        Where the pixels lie along the last ones of them.
    shape : tuple of int
        Pixels along each axis.
    """
    from skimage.draw import polygon2mask

    n_extra = len(axes) - len(grid.shape)
    start = np.array((*(0.0,) * n_extra, *grid.start))
    step = np.array((*(1.0,) * n_extra, *grid.step))
    order = [part.plane.index(axis) for axis in axes]
    inside = np.zeros(shape, bool)
    for outline in part.region:
        corners = (np.array(outline)[:, order] - start) / step
        inside |= polygon2mask(shape, corners)
    return inside
