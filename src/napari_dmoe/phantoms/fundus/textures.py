"""Smooth noise, white noise and soft steps, in the units of a view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.anatomy import View


def white_noise(rng: Rng, shape: tuple[int, ...]) -> Floats:
    """Return white noise of unit spread."""
    return rng.standard_normal(shape, np.float32)


def step(value: NDArray[np.floating]) -> Floats:
    """Return a soft step from 0 to 1, a logistic curve."""
    return np.asarray(0.5 + 0.5 * np.tanh(2 * value), np.float32)


def smooth(rng: Rng, view: View, *, cell: float) -> Floats:
    """Return smooth noise of unit spread, with features of `cell` world units.

    White noise on a coarse grid is spread by a Gaussian of 0.6 cells along each axis,
    which is one matrix product a side.
    """
    cell_px = max(1.0, cell * view.radius_px)
    spreads = []
    for n in view.shape:
        cells = np.arange(-2, n / cell_px + 3)
        distance = np.arange(n)[:, None] / cell_px - cells
        weights = np.exp(-((distance / 0.6) ** 2) / 2)
        spreads.append(weights / np.linalg.norm(weights, axis=1, keepdims=True))
    coarse = rng.standard_normal((spreads[0].shape[1], spreads[1].shape[1]))
    return np.asarray(spreads[0] @ coarse @ spreads[1].T, np.float32)
