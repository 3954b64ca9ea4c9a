"""Slabs of a mask are told while the run goes on, each voxel of it once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stub_networks import thresholding_model

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.inference.running.volume_masks import FinishedSlab
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled

T2 = Patient(severity="T2")
HOW = InferenceSettings(device="cpu", overlap=0)


def scan(shape: tuple[int, ...], axes: str) -> SpatialImage:
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    return SpatialImage(data, tuple(axes), np.diag([4.0, -3, 2, 1]), "mm")


@pytest.mark.parametrize(
    ("shape", "axes", "spacing"),
    [
        ((40, 33, 150), "zyx", None),
        ((150, 33, 40), "xyz", (6, 3, 2)),
        ((2, 40, 33, 3, 90), "tzyqx", None),
    ],
)
def test_slabs_make_up_the_mask(
    shape: tuple[int, ...], axes: str, spacing: tuple[float, ...] | None
) -> None:
    model = thresholding_model(window=(0, 1), spacing=spacing)
    slabs: list[FinishedSlab] = []
    result = segment(model, scan(shape, axes), T2, settings=HOW, finished=slabs.append)
    assert len(slabs) > (6 if "t" in axes else 1)
    made = np.full(result.labels.shape, 9, np.uint8)
    for slab in slabs:
        assert (made[slab.place] == 9).all()
        made[slab.place] = slab.labels
    np.testing.assert_array_equal(made, result.labels)


def test_a_blank_volume_is_told_as_background(tmp_path: Path) -> None:
    model = thresholding_model(window=(0, 1))
    image = SpatialImage(np.ones((20, 20, 150), np.float32), ("z", "y", "x"))
    made = np.full(image.data.shape, 9, np.uint8)

    def draw(slab: FinishedSlab) -> None:
        made[slab.place] = slab.labels

    segment_to_file(tmp_path, "a", model, image, T2, settings=HOW, finished=draw)
    assert not made.any()


def test_what_it_raises_ends_the_run(tmp_path: Path) -> None:
    def stop(_: FinishedSlab) -> None:
        raise Cancelled

    model, image = thresholding_model(window=(0, 1)), scan((40, 33, 150), "zyx")
    with pytest.raises(Cancelled):
        segment_to_file(tmp_path, "a", model, image, T2, settings=HOW, finished=stop)
    assert not any(tmp_path.iterdir())
