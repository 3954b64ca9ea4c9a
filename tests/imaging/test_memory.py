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


@pytest.mark.parametrize(
    ("own", "folder", "files"),
    [
        (
            "0::/job/step\n",
            "job",
            {"memory.max": 3 * 2**20, "memory.current": 2**21, "memory.stat": 2**20},
        ),
        (
            "3:cpu:/job\n4:memory:/job\n",
            "memory/job",
            {
                "memory.limit_in_bytes": 3 * 2**20,
                "memory.usage_in_bytes": 2**21,
                "memory.stat": 2**20,
            },
        ),
        (  # what a container sees of the host's path
            "0::/system.slice/docker-0123.scope\n",
            ".",
            {"memory.max": 3 * 2**20, "memory.current": 2**21, "memory.stat": 2**20},
        ),
    ],
)
def test_what_a_control_group_may_use_is_all_that_there_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    folder: str,
    files: dict[str, int],
) -> None:
    stated = tmp_path / "cgroup"
    stated.write_text(own)
    groups = tmp_path / "fs"
    (groups / folder).mkdir(parents=True)
    monkeypatch.setattr(memory, "_OWN", stated)
    monkeypatch.setattr(memory, "_GROUPS", groups)
    whole = installed_bytes()
    assert whole > 2**22
    for name, value in files.items():
        key = "inactive_file" if own.startswith("0") else "total_inactive_file"
        text = f"anon 7\n{key} {value}\n" if name == "memory.stat" else f"{value}\n"
        (groups / folder / name).write_text(text)
    assert installed_bytes() == 3 * 2**20
    assert available_bytes() == 2**21  # of 2 MiB that are used, 1 can be had again
    limit = next(name for name in files if name != "memory.stat")
    (groups / folder / limit).write_text("max\n")
    assert installed_bytes() == whole
