"""What cannot fit into memory is refused before it is begun, with what it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from stub_networks import thresholding_model

from napari_dmoe.imaging import memory
from napari_dmoe.imaging.memory import NotEnoughMemory, available_bytes, installed_bytes
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running import volumes
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint


@pytest.fixture
def race(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")


@pytest.mark.parametrize("probabilities", [False, True])
def test_a_result_larger_than_memory_is_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, race: LoadedModel, probabilities: bool
) -> None:
    class Unread:
        shape, ndim, dtype = (4096, 4096, 2048), 3, np.dtype(np.uint8)

    monkeypatch.setattr(memory, "available_bytes", lambda: 2**30)
    settings = InferenceSettings(device="cpu", probabilities=probabilities)
    needed = 32 * (4 + 12 * probabilities)  # four masks of bytes, three of floats
    with pytest.raises(
        NotEnoughMemory,
        match=rf"result needs {needed}\.0 GiB of memory, more than the 1\.0 GiB",
    ):
        segment(race, SpatialImage(Unread(), ("t", "y", "x")), settings=settings)


def test_scores_larger_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    monkeypatch.setattr(volumes, "refuse_patch", lambda *_, **__: None)
    scan = SpatialImage(np.zeros((8, 9, 9)), ("z", "y", "x"))
    with pytest.raises(
        NotEnoughMemory, match=r"segmenting the volume needs .* crop the"
    ):
        segment(thresholding_model(), scan)


def test_free_memory_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < available_bytes() < installed_bytes()
    monkeypatch.setattr(
        "psutil.virtual_memory", lambda: SimpleNamespace(available=7, total=9)
    )
    assert (available_bytes(), installed_bytes()) == (7, 9)
