"""The tokens of a volume cover it, and none of them lies beyond it."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import prepare_volume
from napari_dmoe.inference.running.windows import Tokens, Windows

PATCH = (32, 32, 64)
PLAIN = VolumePreprocessing(window=(0, 1), patch=PATCH, spacing=(4, 3, 3))
SIDES = (2, 4, 8, 16, 32)
"""Voxels along a side of a token in each stage."""

edges = st.integers(1, 90)
spacings = st.floats(1, 9)
signs = st.sampled_from((-1, 1))


@given(
    st.tuples(edges, edges, edges),
    st.tuples(spacings, spacings, spacings),
    st.tuples(signs, signs, signs),
    st.sampled_from(SIDES),
)
def test_every_token_of_a_padded_volume_overlaps_it(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    directions: tuple[int, int, int],
    side: int,
) -> None:
    affine = np.diag([*np.multiply(spacing, directions), 1])
    image = SpatialImage(np.zeros(shape, np.float32), ("z", "y", "x"), affine, "mm")
    prepared = prepare_volume(image, PLAIN, n_channels=1)
    windows = Windows(prepared.grid.shape, PATCH, 0.5)
    n_tokens = math.prod(PATCH) // side**3
    stage = Tokens(windows, n_tokens)
    assert stage.step == side
    coarse = prepared.grid.every(stage.step, stage.first_centre, stage.shape)
    grid, _ = coarse.upright()
    for pixels, tokens, start, step in zip(
        shape, grid.shape, grid.start, grid.step, strict=True
    ):
        borders = start + step * (np.arange(tokens + 1) - 0.5)
        image_ends = (-0.5, pixels - 0.5)
        assert borders[0] <= image_ends[0] + 1e-6
        assert borders[1] > image_ends[0] + 1e-6  # the first reaches into the image
        assert borders[-2] < image_ends[1] - 1e-6  # and so does the last
        assert borders[-1] >= image_ends[1] - 1e-6
