"""What is told of an image and a model before a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.imaging import memory
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.outlook import (
    LIKE,
    NOT_STATED,
    PLANES_LOOKED_AT,
    outlook,
)
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel, bundled_dims, load_checkpoint
from napari_dmoe.phantoms.samples import sample_fundus, sample_pelvis
from napari_dmoe.progress import Cancelled, Progress


@pytest.fixture(scope="module")
def fundus() -> LoadedModel:
    return load_checkpoint("fundus-phantom")


@pytest.fixture(scope="module")
def pelvis() -> LoadedModel:
    return load_checkpoint("pelvis-phantom")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_image_of_its_kind_is_like_those_of_the_training(
    fundus: LoadedModel, pelvis: LoadedModel
) -> None:
    plane = outlook(fundus, sample_fundus().image)
    assert (plane.problem, plane.doubts, plane.seen) == ("", (), "whole")
    assert LIKE in plane.facts
    volume = outlook(pelvis, sample_pelvis().image)
    needs, *facts = volume.facts
    assert (volume.doubts, facts) == ((), [LIKE])
    assert re.fullmatch(r"Needs .* GiB free, \d+ windows?, about .*\.", needs)


def test_another_kind_says_in_what_it_differs_as_the_run_does(
    fundus: LoadedModel,
) -> None:
    image = SpatialImage(noise(64, 64, 3), ("y", "x", "c"))
    (said, *_) = outlook(fundus, image).doubts
    assert said.startswith("Unlike the training images: ")
    assert "sharpness" in said
    notices = " ".join(segment(fundus, image).provenance.notices)
    assert "unlike the images it was trained on" in notices


def test_of_a_stack_a_few_planes_are_looked_at(fundus: LoadedModel) -> None:
    image = SpatialImage(noise(40, 32, 32), ("z", "y", "x"))
    steps: list[Progress] = []
    (said, *_) = outlook(fundus, image, progress=steps.append).doubts
    assert f"({PLANES_LOOKED_AT} of {PLANES_LOOKED_AT} planes looked at)" in said
    assert steps


@pytest.mark.parametrize(
    ("fit", "said"),
    [("pad", ""), ("stretch", ""), ("crop", "The middle 20 x 20 pixels are seen")],
)
def test_a_picture_that_is_cropped_says_so(
    tiny_checkpoint: Callable[..., Path], fit: str, said: str
) -> None:
    stated = Preprocessing(side=32, fit=fit)
    card = read_card("fairseg-race").model_copy(update={"preprocessing": stated})
    loaded = load_checkpoint(tiny_checkpoint(3, 3), card=card)
    found = outlook(loaded, SpatialImage(noise(20, 40), ("y", "x")))
    assert [each[: len(said)] for each in found.doubts] == ([said] if said else [])
    assert NOT_STATED in found.facts
    # That a crop leaves something out is said above, and nothing else of it.
    assert found.seen == {"pad": "whole", "stretch": "stretched", "crop": ""}[fit]
    how = InferenceSettings(fit="pad")
    assert not outlook(
        loaded, SpatialImage(noise(20, 40), ("y", "x")), settings=how
    ).doubts


@pytest.mark.parametrize(
    ("shape", "axes", "said"),
    [
        ((5, 32, 32), ("c", "y", "x"), "found 5 channels"),
        ((1, 9), ("y", "x"), "at least 2 x 2 pixels"),
        ((0, 9, 9), ("z", "y", "x"), "empty"),
    ],
)
def test_what_would_be_refused_is_told_as_the_run_tells_it(
    fundus: LoadedModel, shape: tuple[int, ...], axes: tuple[str, ...], said: str
) -> None:
    image = SpatialImage(noise(*shape), axes)
    found = outlook(fundus, image)
    assert said in found.problem
    assert found.doubts[0] == found.problem
    with pytest.raises(ValueError, match=said):
        segment(fundus, image)


def test_a_plane_and_numbers_that_are_none_are_refused_for_volumes(
    pelvis: LoadedModel,
) -> None:
    assert "z" in outlook(pelvis, SpatialImage(noise(9, 9), ("y", "x"))).problem
    complex_ones = SpatialImage(np.ones((8, 8, 8), complex), ("z", "y", "x"))
    assert "complex" in outlook(pelvis, complex_ones).problem


def test_what_does_not_fit_into_memory_is_refused(
    fundus: LoadedModel, pelvis: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 10)
    plane, volume = noise(32, 32), noise(32, 32, 32)
    for loaded, image in (
        (fundus, SpatialImage(plane, ("y", "x"))),
        (pelvis, SpatialImage(volume, ("z", "y", "x"))),
    ):
        assert "GiB" in outlook(loaded, image).problem


def test_a_voxel_size_that_is_not_known_asks_for_care(pelvis: LoadedModel) -> None:
    image = sample_pelvis().image
    unknown = SpatialImage(image.data, image.axes)
    assert any("voxel size is not known" in s for s in outlook(pelvis, unknown).doubts)


def test_it_can_be_stopped(fundus: LoadedModel, pelvis: LoadedModel) -> None:
    def stop(_: Progress) -> None:
        raise Cancelled

    for loaded, image in (
        (fundus, sample_fundus().image),
        (pelvis, sample_pelvis().image),
    ):
        with pytest.raises(Cancelled):
            outlook(loaded, image, progress=stop)


def test_the_bundled_models_say_what_they_see_at_once() -> None:
    assert bundled_dims() == {
        "fundus-phantom": 2,
        "fundus-race-phantom": 2,
        "pelvis-phantom": 3,
        "skin-isic2017": 2,
        "skin-phantom": 2,
    }


def test_that_there_is_nothing_in_an_image_is_said_first(
    fundus: LoadedModel, pelvis: LoadedModel
) -> None:
    for loaded, axes in ((fundus, "yx"), (pelvis, "zyx")):
        flat = SpatialImage(np.full((20,) * len(axes), 7, np.uint8), tuple(axes))
        found = outlook(loaded, flat)
        assert found.doubts[0].startswith("The image is constant")
        assert found.is_unlike == any("Unlike" in each for each in found.doubts)


def test_why_a_volume_looks_unlike_is_said_before_that_it_does(
    pelvis: LoadedModel,
) -> None:
    found = outlook(pelvis, SpatialImage(noise(16, 40, 40), ("z", "y", "x"))).doubts
    why = [i for i, said in enumerate(found) if "voxel size is not known" in said]
    unlike = [i for i, said in enumerate(found) if said.startswith("Unlike")]
    assert why < unlike
