"""Volumes of odd sizes and numbers, and disks that take nothing, are defined."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stub_networks import THRESHOLD, thresholding_model

from napari_dmoe.imaging.disk.claims import FolderError
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient

zarr = pytest.importorskip("zarr")
T2 = Patient(severity="T2")
ON_CPU = InferenceSettings(device="cpu", overlap=0)


@pytest.fixture(scope="module")
def stub() -> LoadedModel:
    return thresholding_model(window=(0, 1))


def scan(shape: tuple[int, ...], dtype: str = "<f4") -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(dtype)


def to_file(folder: Path, name: str, stub: LoadedModel, data: object) -> Path:
    image = SpatialImage(data, ("z", "y", "x"), np.diag([4.0, 3, 2, 1]), "mm")
    return segment_to_file(folder, name, stub, image, T2, settings=ON_CPU).labels


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.tif"])
@pytest.mark.parametrize(
    "shape", [(33, 31, 97), (5, 7, 9), (1, 40, 70), (70, 40, 1), (1, 1, 2)]
)
def test_any_size_is_segmented(
    tmp_path: Path, stub: LoadedModel, name: str, shape: tuple[int, ...]
) -> None:
    data = scan(shape)
    made = read_image(to_file(tmp_path, name, stub, data))
    assert made.axes == ("z", "y", "x")
    np.testing.assert_array_equal(made.data[:], data > THRESHOLD)


@pytest.mark.parametrize("dtype", [">f4", "<f2", ">u2", ">i4", "<f8"])
@pytest.mark.parametrize("most_kept", [0, 2**26])
def test_numbers_of_any_order_and_size_give_one_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, most_kept: int
) -> None:
    monkeypatch.setitem(ModelVolume.__init__.__kwdefaults__, "most_kept", most_kept)
    model = thresholding_model(window=(0, 100))
    data = (100 * scan((20, 21, 70))).astype(dtype)
    how = {"chunks": (8, 8, 32), "zarr_format": 2}
    zarr.create_array(str(tmp_path / "in.zarr"), data=data, **how)
    lazy = read_image(tmp_path / "in.zarr").data
    assert lazy.dtype == np.dtype(dtype)
    image = SpatialImage(data.astype("<f8"), ("z", "y", "x"))
    expected = segment(model, image, T2, settings=ON_CPU).labels
    made = read_labels(to_file(tmp_path, "a.zarr", model, lazy)).data
    np.testing.assert_array_equal(made, expected)
    assert 0.3 < made.mean() < 0.7


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Lend a disk of 1 MB, where one may be mounted."""
    path = tmp_path / "disk"
    path.mkdir()
    order = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=400", "tmpfs", path]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root mounts disks")
    if subprocess.run(order, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield path
    subprocess.run(["umount", path], check=True)


def test_a_full_disk_leaves_nothing(stub: LoadedModel, disk: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        to_file(disk, "a.tif", stub, scan((64, 64, 128)))  # of 2 MB
    assert caught.value.filename == str(disk / "a.tif")
    assert list(disk.iterdir()) == []
    noise = np.random.default_rng(0).random((200, 210, 260), dtype=np.float32)
    with pytest.raises(OSError, match="No space left"):
        to_file(disk, "a.ome.zarr", stub, noise)  # its 1.4 MB do not compress further
    assert list(disk.iterdir()) == []
    to_file(disk, "a.ome.zarr", stub, scan((20, 20, 70)))
    assert sorted(p.name for p in disk.iterdir()) == ["a.json", "a.ome.zarr"]


def test_what_a_full_disk_interrupts_goes_on_when_there_is_room(
    stub: LoadedModel, disk: Path
) -> None:
    noise = np.random.default_rng(0).random((200, 210, 260), dtype=np.float32)
    image = SpatialImage(noise, ("z", "y", "x"))
    order = disk, "a.ome.zarr", stub, image, T2
    with pytest.raises(OSError, match="No space left"):
        segment_to_file(*order, settings=ON_CPU, keep=True)
    assert [path.name for path in disk.iterdir()] == ["a.ome.zarr.unfinished"]
    room = ["mount", "-o", "remount,size=8m,nr_inodes=4000", disk]
    subprocess.run(room, check=True)
    at = segment_to_file(*order, settings=ON_CPU, resume=True).labels
    np.testing.assert_array_equal(read_labels(at).data, noise > THRESHOLD)


def test_a_disk_that_is_only_read_says_so(stub: LoadedModel, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    why = r"Read-only file system\. Choose another"
    for name in ("a.tif", "a.ome.zarr"):
        with pytest.raises(FolderError, match=why):
            to_file(disk, name, stub, scan((20, 20, 70)))
    assert list(disk.iterdir()) == []
