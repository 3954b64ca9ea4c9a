"""How the experts share the work in a part of an image: by block, and by class.

Knows no napari and no Qt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """The experts' shares of the gates in a part of a result that has routing.

    Integer `labels`, (*S) along the axes of the result, take the place of its own mask,
    as those that were painted on. Numbers that are no class count for none.
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
        """Whether the classes are those of another mask than the result's own."""
        at = dict(part.at)
        mask = made.by_frame(made.labels if labels is None else labels)
        self._labels, self._grid = cut(mask, made.axes_by_frame, made.grid, at)
        self._maps = routing_at(routing, at, extras)
        names = tuple(axis for axis in made.axes_by_frame if axis not in at)
        self._border: NDArray[np.bool_] | None = None
        if len(names) == 2:  # in volumes it would take too long
            from skimage.segmentation import find_boundaries  # it brings half of scipy

            self._border = find_boundaries(self._labels, connectivity=2)
        if part.region and len(names) == 2:
            inside = region_mask(part, names, self._grid, self._labels.shape)
            # A number that is no class: these pixels count for none.
            self._labels = np.where(inside, self._labels, len(self.classes))
            self._border = None if self._border is None else self._border & inside
            blocks = range(routing.n_blocks)
            rows = [load_within(self._maps, b, inside, self._grid) for b in blocks]
            self.load: NDArray[Any] = np.stack(rows)
            """Share of each expert in each block, (L, E); NaN where no token is."""
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
    labels = made.by_frame(made.labels)
    pixels, _ = cut(labels, made.axes_by_frame, made.grid, dict(part.at))
    gates = () if made.routing is None else made.routing.gates
    return pixels.size + max((each.size for each in gates), default=0)


def routing_at(
    routing: RoutingMaps, at: Mapping[str, float], extras: Extras
) -> RoutingMaps:
    """Return the mean routing in a slice, as if there was nothing else."""
    axes = (*routing.axes, *routing.token_axes)
    gates, grids = [], []
    for block, grid in enumerate(routing.grids):
        plane, smaller = cut(extras.mean(routing, block), axes, grid, at)
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
) -> tuple[NDArray[Any], Grid]:
    """Return the samples of a slice, with the grid that is left.

    The samples have an axis for each of `axes`, and lie on the grid along the last ones
    of them; axes behind them stay. `at` says where the slice lies on some axes, in
    pixels of the image.
    """
    start, step = _along(grid, len(axes))
    index: list[Any] = [slice(None)] * len(axes)
    for place, name in enumerate(axes):
        if name in at:
            nearest = round((at[name] - start[place]) / step[place])
            index[place] = int(np.clip(nearest, 0, samples.shape[place] - 1))
    spatial = axes[len(axes) - len(grid.shape) :]
    kept = [i for i, name in enumerate(spatial) if name not in at]
    smaller = Grid(
        tuple(grid.shape[i] for i in kept),
        tuple(grid.start[i] for i in kept),
        tuple(grid.step[i] for i in kept),
    )
    return samples[tuple(index)], smaller


def _along(grid: Grid, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return samples' start along n axes, and their steps; a grid's on the last."""
    n_extra = n - len(grid.shape)
    start, step = (*(0.0,) * n_extra, *grid.start), (*(1.0,) * n_extra, *grid.step)
    return np.array(start), np.array(step)


def region_mask(
    part: Part, axes: Sequence[str], grid: Grid, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return which pixels of a plane lie in the shapes that were drawn on it.

    The plane has two `axes`, in the order of the result, with as many pixels along each
    as `shape` says; along the last ones they lie on the grid.
    """
    from skimage.draw import polygon2mask

    start, step = _along(grid, len(axes))
    order = [part.plane.index(axis) for axis in axes]
    inside = np.zeros(shape, bool)
    for outline in part.region:
        corners = (np.array(outline)[:, order] - start) / step
        inside |= polygon2mask(shape, corners)
    return inside
