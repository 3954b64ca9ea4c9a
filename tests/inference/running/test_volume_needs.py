"""What a run over volumes needs is told before it begins, and is what it then takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refusing import Refusing
from stub_networks import STUB_PATCH, thresholding_model

from napari_dmoe.imaging import memory
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.memory import NotEnoughMemory
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.running.outlook import NOT_LOOKED_AT, outlook
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.shares import seconds_around_network
from napari_dmoe.inference.running.volume_needs import VolumeNeeds, needs_of_volumes
from napari_dmoe.inference.running.windows import Windows
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress

LARGE = (600, 512, 400)


class Unread:
    """An array of which nothing may be read."""

    ndim, dtype = 3, np.dtype(np.int16)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def needs(
    shape: tuple[int, ...], *, n_values: int = 1, window: tuple | None = (0, 1), **how
) -> VolumeNeeds:
    image = SpatialImage(Unread(shape), ("z", "y", "x"), np.eye(4), "mm")
    settings = InferenceSettings(device="cpu", **how)
    volumes, model = Frames(image, ("z", "y", "x")), thresholding_model(window=window)
    return needs_of_volumes(model, volumes, settings, n_values=n_values)


def result_bytes(shape: tuple[int, ...], *, n_masks: int = 1, n_values: int = 1) -> int:
    tokens = sum(np.prod([-(-n // s) for n in shape]) for s in (2, 4, 8, 16, 32))
    return int(n_masks * np.prod(shape) + 4 * n_values * 8 * tokens)


def test_memory_grows_along_the_longest_axis_by_the_result_alone() -> None:
    # Where the last windows overlap those before as much: as much is carried over.
    longer = (6008, *LARGE[1:])
    more = needs(longer).n_bytes - needs(LARGE).n_bytes
    assert more == result_bytes(longer) - result_bytes(LARGE)


def test_memory_holds_a_slab_of_what_goes_in_and_what_comes_out() -> None:
    one, five = needs(LARGE), needs(LARGE, n_values=5)
    # The last windows begin 8 planes behind those before, and share 24 with them.
    in_sums, a_slab = 32 * 32 * 400 + 24 * 512 * 400, 32 * 512 * 400
    scores, seen = 4 * 2 * in_sums, (2 + 2) * a_slab
    assert one.n_bytes > result_bytes(LARGE) + scores + seen
    assert one.n_bytes < result_bytes(LARGE) + 2 * (scores + seen)
    more = five.n_bytes - one.n_bytes - 4 * scores
    masks = result_bytes(LARGE, n_masks=6, n_values=5) - result_bytes(LARGE)
    assert masks < more < masks + 6 * scores
    maps = needs(LARGE, probabilities=True).n_bytes - one.n_bytes
    assert maps == 4 * 2 * np.prod(LARGE)


def around(n_masks: int) -> float:
    """Return how long a large volume takes besides the network."""
    n = int(np.prod(LARGE))
    return seconds_around_network(n, n_restored=n_masks, n_classes=2)


def test_time_is_that_of_all_passes_and_of_the_volume(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    one = needs(LARGE)
    assert one.n_windows == len(Windows(LARGE, STUB_PATCH, 0.5))
    passes = one.n_windows * thresholding_model().pass_seconds / 2
    assert one.seconds == passes + around(1)
    noisy = needs(LARGE, n_values=5, noise=True, samples=3)
    assert noisy.seconds == pytest.approx(15 * passes + around(6))
    assert one.words.endswith(" for one value.")
    assert "value" not in noisy.words


def test_what_is_needed_is_the_first_that_a_run_tells() -> None:
    steps: list[Progress] = []
    data = np.random.default_rng(0).random((40, 40, 64), dtype=np.float32)
    image = SpatialImage(Refusing(data, 1), ("z", "y", "x"))
    model = thresholding_model(window=(0, 1))
    segment(model, image, Patient(severity="T2"), progress=steps.append)
    n = len(Windows(data.shape, STUB_PATCH, 0.5))
    assert steps[0].message.startswith("Needs 0.")
    assert f" free, {n} windows, about " in steps[0].message
    said = {step.message for step in steps}
    assert said >= {f"window 1 of {n}", f"window {n} of {n}"}


def test_a_volume_that_is_too_large_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**28)
    image = SpatialImage(Unread(LARGE), ("z", "y", "x"))
    with pytest.raises(NotEnoughMemory, match=r"needs 0\..* more than the 0\.2 GiB"):
        segment(thresholding_model(), image, Patient(severity="T2"))
    assert "GiB" in outlook(thresholding_model(), image).problem


def test_of_a_very_large_volume_it_is_told_though_it_is_not_looked_at() -> None:
    image = SpatialImage(Unread((900, 600, 512)), ("z", "y", "x"))
    said, looked_at = outlook(thresholding_model(), image).facts
    assert looked_at == NOT_LOOKED_AT
    assert said.startswith("Needs ")


def test_a_model_of_planes_has_no_such_needs() -> None:
    planes = load_checkpoint("fundus-phantom")
    volumes = Frames(SpatialImage(Unread(LARGE), ("z", "y", "x")), ("z", "y", "x"))
    with pytest.raises(ImageError, match="no preprocessing of volumes"):
        needs_of_volumes(planes, volumes, InferenceSettings(), n_values=1)
