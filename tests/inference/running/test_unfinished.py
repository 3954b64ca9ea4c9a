"""A run to the disk that is interrupted is gone on with, or refused; never a result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from places import DATA
from stub_networks import thresholding_model
from turned import as_stored

from napari_dmoe.imaging import volumes
from napari_dmoe.imaging.disk.claims import FolderTaken, claimed
from napari_dmoe.imaging.files import read_labels
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.results.replacing import ExistingFileError
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.inference.running.volume_masks import FinishedSlab
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled

T2 = Patient(severity="T2")
ON_CPU = InferenceSettings(device="cpu", overlap=0.5)
NAMES = ["a.tif", "a.ome.zarr"]


@pytest.fixture(autouse=True)
def small_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_dmoe.imaging.tiff.writing._PIXELS_AT_ONCE", 64 * 800)


def unet(**how: object) -> LoadedModel:
    card = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage").card
    stated = VolumePreprocessing(**{"patch": (32, 32, 64), "window": (0, 1)} | how)
    card = card.model_copy(update={"preprocessing": stated})
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=card)


def scan(
    shape: tuple[int, ...], sides: tuple[float, ...] = (4.0, 3.0, 2.0)
) -> SpatialImage:
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    return SpatialImage(data, ("z", "y", "x"), np.diag([*sides, 1.0]), "mm")


def stop_after(rows: int) -> Callable[[FinishedSlab], None]:
    """Return a hook that lets so many rows pass, and then interrupts the run."""
    left = iter(range(rows - 1))

    def stop(_: FinishedSlab) -> None:
        if next(left, None) is None:
            raise Cancelled

    return stop


@pytest.mark.parametrize(
    ("name", "shape", "sides", "how", "most_kept"),
    [
        ("a.tif", (200, 20, 40), (4.0, 3.0, 2.0), {}, 0),
        ("a.ome.zarr", (20, 40, 260), (4.0, 3.0, -2.0), {}, 0),
        ("a.tif", (20, 40, 260), (4.0, 3.0, -2.0), {}, volumes.KEPT_BYTES),
        ("a.ome.zarr", (200, 20, 40), (-4.0, 3.0, 2.0), {"spacing": (5, 3, 2.5)}, 0),
    ],
)
def test_going_on_gives_the_same_mask(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    shape: tuple[int, ...],
    sides: tuple[float, ...],
    how: dict[str, object],
    most_kept: int,
) -> None:
    monkeypatch.setitem(ModelVolume.__init__.__kwdefaults__, "most_kept", most_kept)
    pytest.importorskip("zarr")
    model, image = unet(**how), scan(shape, sides)
    whole = segment_to_file(tmp_path / "whole", name, model, image, settings=ON_CPU)
    stopped = tmp_path / "stopped"
    order = stopped, name, model, image
    with pytest.raises(Cancelled):
        segment_to_file(*order, settings=ON_CPU, keep=True, finished=stop_after(2))
    assert [path.name for path in stopped.iterdir()] == [f"{name}.unfinished"]
    assert not (stopped / f"{name}.unfinished" / ".napari-dmoe-lock").exists()
    made = np.full(shape, 9, np.uint8)

    def draw(slab: FinishedSlab) -> None:
        assert (made[slab.place] == 9).all()
        made[slab.place] = slab.labels

    went_on = segment_to_file(*order, settings=ON_CPU, resume=True, finished=draw)
    expected = read_labels(whole.labels).data
    assert expected.any()
    np.testing.assert_array_equal(read_labels(went_on.labels).data, expected)
    turned = sides if name.endswith(".zarr") else (1, 1, 1)
    np.testing.assert_array_equal(as_stored(made, "zyx", turned), expected)
    before, after = recorded(whole.labels), recorded(went_on.labels)
    assert before is not None
    assert after is not None
    assert before.labels_sha256 == after.labels_sha256
    assert before.image == after.image
    assert any("of a run that was interrupted" in each for each in after.notices)
    assert sorted(p.name for p in stopped.iterdir()) == sorted([name, "a.json"])


def test_fewer_windows_are_run(tmp_path: Path) -> None:
    model, image = thresholding_model(window=(0, 1)), scan((260, 20, 40))
    order = tmp_path, "a.tif", model, image, T2
    segment_to_file(*order, settings=ON_CPU)
    in_all = sum(model.module.passes)
    with pytest.raises(Cancelled):
        segment_to_file(*order, settings=ON_CPU, keep=True, finished=stop_after(3))
    model.module.passes.clear()
    segment_to_file(*order, settings=ON_CPU, resume=True)
    assert sum(model.module.passes) < in_all / 2


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_run_is_not_kept_unasked(tmp_path: Path, name: str) -> None:
    pytest.importorskip("zarr")
    order = tmp_path, name, thresholding_model(window=(0, 1)), scan((260, 20, 40)), T2
    with pytest.raises(Cancelled):
        segment_to_file(*order, settings=ON_CPU, finished=stop_after(2))
    assert list(tmp_path.iterdir()) == []


def test_other_runs_do_not_go_on_with_it(tmp_path: Path) -> None:
    model, image = thresholding_model(window=(0, 1)), scan((260, 20, 40))

    def run(image: SpatialImage = image, patient: Patient = T2, **how: object) -> Path:
        how = {"settings": ON_CPU, **how}
        order = tmp_path, "a.tif", model, image, patient
        return segment_to_file(*order, **how).labels

    with pytest.raises(Cancelled):
        run(keep=True, finished=stop_after(2))
    left = tmp_path / "a.tif.unfinished"
    state = (left / "run.json").read_bytes()
    with pytest.raises(ExistingFileError, match=r"after 128 planes: go on with it"):
        run()
    other = InferenceSettings(device="cpu", overlap=0.25)
    with pytest.raises(ExistingFileError, match="with other settings: choose"):
        run(resume=True, settings=other)
    with pytest.raises(ExistingFileError, match="with other patient"):
        run(resume=True, patient=Patient(severity="T3"))
    changed = SpatialImage(1 - image.data, image.axes, image.affine, "mm")
    lazy = SpatialImage(changed.data[:130], image.axes, image.affine, "mm")
    for another in (changed, lazy):
        with pytest.raises(ExistingFileError, match="with other image"):
            run(another, resume=True)
    assert (left / "run.json").read_bytes() == state
    run(resume=True, settings=other, overwrite=True)
    made = recorded(tmp_path / "a.tif")
    assert made is not None
    assert "what an interrupted run had done was begun again" in made.notices
    assert not left.exists()


class Lazy:
    """An array that is not in memory, as far as anybody can tell."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data
        self.shape, self.ndim, self.dtype = data.shape, data.ndim, data.dtype

    def __getitem__(self, index: object) -> np.ndarray:
        return self._data[index]


def test_other_pixels_of_a_lazy_volume_are_found_out(tmp_path: Path) -> None:
    model, image = thresholding_model(window=(0, 1)), scan((260, 20, 40))

    def run(data: np.ndarray, **how: object) -> None:
        own = SpatialImage(Lazy(data), image.axes, image.affine, "mm")
        segment_to_file(tmp_path, "a.tif", model, own, T2, settings=ON_CPU, **how)

    with pytest.raises(Cancelled):
        run(image.data, keep=True, finished=stop_after(2))
    changed = image.data.copy()
    changed[5, 5, 5] += 0.25
    with pytest.raises(ExistingFileError, match="with other pixels"):
        run(changed, resume=True)
    run(image.data, resume=True)
    found = read_labels(tmp_path / "a.tif").data
    np.testing.assert_array_equal(found, image.data > 0.5)


def test_rows_that_are_not_as_they_were_written_are_done_again(tmp_path: Path) -> None:
    import tifffile

    model, image = thresholding_model(window=(0, 1)), scan((260, 20, 40))
    order = tmp_path, "a.tif", model, image, T2
    with pytest.raises(Cancelled):
        segment_to_file(*order, settings=ON_CPU, keep=True, finished=stop_after(3))
    left = tmp_path / "a.tif.unfinished"
    assert len(json.loads((left / "run.json").read_text())["rows"]) == 3
    tifffile.memmap(left / "mask", mode="r+")[70, 3, 3] += 1
    segment_to_file(*order, settings=ON_CPU, resume=True)
    found = read_labels(tmp_path / "a.tif").data
    np.testing.assert_array_equal(found, image.data > 0.5)
    made = recorded(tmp_path / "a.tif")
    assert made is not None
    assert any(each.startswith("64 of 260 planes") for each in made.notices)


@pytest.mark.parametrize("state", ["", "{}", '{"schema_version": 1, "run": {}}'])
def test_a_damaged_state_is_begun_again(tmp_path: Path, state: str) -> None:
    model, image = thresholding_model(window=(0, 1)), scan((260, 20, 40))
    order = tmp_path, "a.tif", model, image, T2
    with pytest.raises(Cancelled):
        segment_to_file(*order, settings=ON_CPU, keep=True, finished=stop_after(2))
    (tmp_path / "a.tif.unfinished" / "run.json").write_text(state)
    segment_to_file(*order, settings=ON_CPU, resume=True)
    found = read_labels(tmp_path / "a.tif").data
    np.testing.assert_array_equal(found, image.data > 0.5)


def test_one_run_makes_a_file_at_a_time(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    model, image = thresholding_model(window=(0, 1)), scan((20, 20, 70))

    def run() -> None:
        segment_to_file(tmp_path, "a.tif", model, image, T2, settings=ON_CPU)

    with (
        claimed(tmp_path / "a.tif.unfinished"),
        ThreadPoolExecutor(1) as other,
        pytest.raises(FolderTaken, match="another run"),
    ):
        other.submit(run).result()
    run()


def test_an_earlier_mask_that_was_moved_away_comes_back(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    model, image = thresholding_model(window=(0, 1)), scan((20, 20, 70))
    order = tmp_path, "a.zarr", model, image, T2
    at = segment_to_file(*order, settings=ON_CPU).labels
    left = tmp_path / "a.zarr.unfinished"
    left.mkdir()
    at.rename(left / "earlier")  # as a process leaves it that is killed just then
    with pytest.raises(Cancelled):
        segment_to_file(*order, settings=ON_CPU, finished=stop_after(1))
    labels = zarr.open_array(at / "0", mode="r")[:]
    np.testing.assert_array_equal(labels, image.data > 0.5)
    assert not left.exists()
