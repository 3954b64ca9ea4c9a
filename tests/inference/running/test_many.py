"""Images that share batches: each comes out as in a run of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.running.drivers import RouterChoice, choose_routers
from napari_dmoe.inference.running.many import (
    Asked,
    Joined,
    answered,
    batches_for,
    segment_many,
)
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Progress

PATIENTS = (
    Patient(sex="female", age=30),
    Patient(sex="male"),
    Patient(),
    Patient(sex="female", age=70),
)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_checkpoint("skin-phantom")


def pictures(*sizes: tuple[int, ...]) -> list[SpatialImage]:
    rng = np.random.default_rng(5)
    made = []
    for size in sizes:
        data = np.repeat(np.repeat(rng.random((6, 6, *size[2:])), 30, 0), 30, 1)
        data = data[: size[0], : size[1]] * 255
        axes = "yxc" if len(size) == 3 else "yx"
        made.append(SpatialImage.from_array(data.astype(np.uint8), axes=axes))
    return made


SIZES = ((90, 120, 3), (150, 80, 3), (60, 60), (130, 130, 3))


def choice(
    loaded: LoadedModel, patient: Patient, how: InferenceSettings
) -> RouterChoice:
    return choose_routers(loaded, patient, how)


@pytest.mark.parametrize(
    "how",
    [
        InferenceSettings(device="cpu", batch=3, probabilities=True),
        InferenceSettings(device="cpu", batch=8, noise=True, samples=2, seed=4),
        InferenceSettings(device="cpu", batch=8, scored_at="network", fit="crop"),
    ],
    ids=["mixed", "noise", "network"],
)
def test_each_image_comes_out_as_by_itself(
    loaded: LoadedModel, how: InferenceSettings
) -> None:
    images = pictures(*SIZES)
    asked = [
        Asked(image, (choice(loaded, patient, how),))
        for image, patient in zip(images, PATIENTS, strict=True)
    ]
    found = list(segment_many(loaded, asked, how))
    for (mine,), image, patient in zip(found, images, PATIENTS, strict=True):
        alone = segment(loaded, image, patient, settings=how)
        assert (mine.labels == alone.labels).mean() >= 0.9999
        assert mine.labels.shape == alone.labels.shape
        assert list(mine.by_value) == list(alone.by_value)
        assert mine.provenance.notices == alone.provenance.notices
        assert mine.provenance.image == alone.provenance.image
        assert mine.grid == alone.grid
        if mine.probabilities is not None and alone.probabilities is not None:
            assert np.abs(mine.probabilities - alone.probabilities).max() < 1e-4
        for ours, theirs in zip(mine.routing.gates, alone.routing.gates, strict=True):
            assert np.abs(ours - theirs).max() < 1e-4


def test_every_choice_of_an_image_gives_a_mask(loaded: LoadedModel) -> None:
    how = InferenceSettings(device="cpu", batch=4)
    first, second = pictures((90, 120, 3), (60, 60))
    values = tuple(choice(loaded, p, how) for p in PATIENTS[:2])
    found = list(
        segment_many(
            loaded, [Asked(first, values), Asked(second, values[:1])], how, swept=("x",)
        )
    )
    assert [len(each) for each in found] == [2, 1]
    for result, patient in zip(found[0], PATIENTS, strict=False):
        alone = segment(loaded, first, patient, settings=how)
        assert (result.labels == alone.labels).mean() >= 0.9999
        assert result.provenance.drivers == alone.provenance.drivers
        assert result.provenance.swept == ("x",)


def test_a_stack_of_many_planes_runs_alone(loaded: LoadedModel) -> None:
    how = InferenceSettings(device="cpu", batch=4)
    rng = np.random.default_rng(0)
    stack = SpatialImage.from_array(
        rng.integers(0, 255, (9, 40, 40)).astype(np.uint8), axes="tyx"
    )
    (picture,) = pictures((60, 60))
    own = choice(loaded, PATIENTS[0], how)
    found = list(segment_many(loaded, [Asked(stack, (own,)), Asked(picture, (own,))]))
    assert [each.labels.shape for (each,) in found] == [(9, 40, 40), (60, 60)]
    alone = segment(loaded, stack, PATIENTS[0], settings=how)
    assert (found[0][0].labels == alone.labels).mean() >= 0.9999


def test_the_same_images_give_the_same_masks(loaded: LoadedModel) -> None:
    how = InferenceSettings(device="cpu", batch=2, probabilities=True)
    asked = [
        Asked(image, (choice(loaded, patient, how),))
        for image, patient in zip(pictures(*SIZES), PATIENTS, strict=True)
    ]
    runs = [list(segment_many(loaded, asked, how)) for _ in range(2)]
    for (first,), (second,) in zip(*runs, strict=True):
        assert np.array_equal(first.labels, second.labels)
        assert np.array_equal(first.probabilities, second.probabilities)


def test_a_bad_image_is_told_while_it_is_prepared(loaded: LoadedModel) -> None:
    how = InferenceSettings(device="cpu")
    own = choice(loaded, PATIENTS[0], how)
    bad = SpatialImage.from_array(np.full((40, 40), np.nan), axes="yx")
    with pytest.raises(ImageError, match="finite"):
        Joined(loaded, Asked(bad, (own,)), how)


def test_stop_acts_between_batches(loaded: LoadedModel) -> None:
    how = InferenceSettings(device="cpu", batch=1)
    own = choice(loaded, PATIENTS[0], how)
    together = [Joined(loaded, Asked(i, (own,)), how) for i in pictures(*SIZES)]
    seen: list[Progress] = []

    def stop(step: Progress) -> None:
        seen.append(step)
        if step.done:
            raise Cancelled

    with pytest.raises(Cancelled):
        answered(loaded, together, how, batches_for(how), stop)
    assert seen[-1].done == 1
    assert seen[-1].total == len(SIZES)


def test_less_memory_halves_the_batch_and_says_so(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = InferenceSettings(device="cpu", batch=4)
    own = choice(loaded, PATIENTS[0], how)
    true, sizes = loaded.network.forward, []

    def forward(x: torch.Tensor, *rest: object, **named: object) -> object:
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return true(x, *rest, **named)

    monkeypatch.setattr(loaded.network, "forward", forward)
    asked = [Asked(image, (own,)) for image in pictures(*SIZES)]
    found = list(segment_many(loaded, asked, how))
    assert sizes == [4, 2, 2]
    said = "memory ran out: 2 at a time"
    assert all(said in result.provenance.notices for (result,) in found)
