"""A preview of a slice: the right one, from as little of the volume as it needs."""

from __future__ import annotations

import numpy as np
import pytest
from refusing import Refusing
from stub_networks import thresholding_model

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.slice_preview import (
    preview_slice,
    share_of_preview,
    with_preview,
)
from napari_dmoe.patient import Patient

T2 = Patient(severity="T2")
HOW = InferenceSettings(device="cpu", overlap=0.5)
VOXELS = np.random.default_rng(0).random((300, 40, 70), dtype=np.float32)


def image(axes: str, affine: tuple[float, ...] = (2.0, 2.0, 2.0, 1.0)) -> SpatialImage:
    order = tuple("zyx".index(axis) for axis in axes)
    return SpatialImage(VOXELS.transpose(order), tuple(axes), np.diag(affine), "mm")


@pytest.mark.parametrize("axes", ["zyx", "xyz"])
@pytest.mark.parametrize("number", [0, 150, 299])
@pytest.mark.parametrize("step", [2.0, -2.0])
def test_a_preview_is_what_the_model_says_of_that_slice(
    axes: str, number: int, step: float
) -> None:
    model = thresholding_model(window=(0, 1))
    found = preview_slice(
        model,
        image(axes, (step, 2.0, 2.0, 1.0)),
        T2,
        axis="z",
        number=number,
        settings=HOW,
    )
    assert found.axes == tuple(axes)
    along = axes.index("z")
    assert found.labels.shape[along] == 1
    slices = image(axes).data.take([number], along)
    np.testing.assert_array_equal(found.labels, slices > 0.5)


def test_a_resampled_preview_lies_where_the_result_does() -> None:
    model = thresholding_model(window=(0, 1), spacing=(4, 2, 2))
    whole = segment(model, image("zyx"), T2, settings=HOW).labels
    found = preview_slice(
        model, image("zyx"), T2, axis="z", number=150, settings=HOW
    ).labels
    assert (found[0] == whole[150]).mean() > 0.999


def test_no_more_is_read_than_one_window_sees() -> None:
    model = thresholding_model(window=(0, 1))
    lazy = Refusing(VOXELS, 32 / 300)
    part = SpatialImage(lazy, ("z", "y", "x"), np.diag([2.0, 2, 2, 1]), "mm")
    found = preview_slice(model, part, T2, axis="z", number=150, settings=HOW)
    np.testing.assert_array_equal(found.labels[0], VOXELS[150] > 0.5)


def test_a_run_looks_at_its_slice_first() -> None:
    model, found, said = thresholding_model(window=(0, 1)), [], []
    result = with_preview(
        segment,
        model,
        image("zyx"),
        T2,
        at=("z", 150),
        told=found.append,
        settings=HOW,
        progress=said.append,
    )
    np.testing.assert_array_equal(found[0].labels[0], VOXELS[150] > 0.5)
    np.testing.assert_array_equal(result.labels, VOXELS > 0.5)
    assert said[0].message.startswith("preview of z 150, ")
    fractions = [step.fraction for step in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_what_would_not_be_quick_is_not_previewed() -> None:
    model, scored = (
        thresholding_model(),
        HOW.model_copy(update={"scored_at": "network"}),
    )
    # Of 18 x 2 x 2 windows those of one layer, which overlap less: 1 x 2 x 2.
    assert share_of_preview(model, image("zyx"), "z", HOW) == pytest.approx(1 / 18)
    assert share_of_preview(model, image("zyx"), "x", HOW) == 0
    assert share_of_preview(model, image("zyx"), "z", scored) == 0
    several = SpatialImage(VOXELS[np.newaxis], ("t", "z", "y", "x"))
    assert share_of_preview(model, several, "z", HOW) == 0
