"""A volume segmented straight into a file: the same mask, whole or not there."""

from __future__ import annotations

import errno
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from places import DATA
from refusing import Refusing
from stub_networks import THRESHOLD, thresholding_model

import napari_dmoe as dmoe
from napari_dmoe.imaging import slabs
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.replacing import ExistingFileError
from napari_dmoe.inference.results.routing import NO_ROUTING
from napari_dmoe.inference.results.sidecars import is_as_run, recorded
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.inference.running.volume_routing import VolumeRouting
from napari_dmoe.inference.running.volumes import VolumeRun
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Progress

T2 = Patient(severity="T2")
ON_CPU = InferenceSettings(device="cpu", overlap=0)


@pytest.fixture(scope="module")
def stub() -> LoadedModel:
    return thresholding_model(window=(0, 1))


@pytest.fixture(scope="module")
def unet() -> LoadedModel:
    card = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage").card
    how = VolumePreprocessing(patch=(32, 32, 64), window=(0, 1))
    return load_checkpoint(
        DATA / "unet3d_stage5.pth", card=card.model_copy(update={"preprocessing": how})
    )


def scan(shape: tuple[int, ...] = (40, 33, 70), axes: str = "zyx") -> SpatialImage:
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    return SpatialImage(data, tuple(axes), np.diag([4.0, -3, 2, 1]), "mm")


def record_of(mask: Path) -> Provenance:
    return Provenance.model_validate_json(mask.with_suffix(".json").read_text())


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("axes", ["zyx", "xzy"])
@pytest.mark.parametrize("patient", [T2, Patient()])
def test_the_file_is_the_one_that_saving_the_result_gives(
    tmp_path: Path, unet: LoadedModel, axes: str, patient: Patient
) -> None:
    image = scan(axes=axes)
    result = segment(unet, image, patient, settings=ON_CPU)
    saved = save_segmentation(tmp_path, "saved", result, image, file_format="tiff")
    direct = segment_to_file(tmp_path, "direct", unet, image, patient, settings=ON_CPU)
    found, expected = read_image(direct.labels), read_image(saved.labels)
    np.testing.assert_array_equal(found.data, expected.data)
    assert (found.axes, found.unit) == (expected.axes, expected.unit)
    np.testing.assert_allclose(found.affine, expected.affine)
    made, other = record_of(direct.labels), record_of(saved.labels)
    assert made.model_copy(update={"created": other.created}) == other
    assert is_as_run(result.labels, made)
    assert left_in(tmp_path) == [
        f"{stem}.labels.{end}"
        for stem in ("direct", "saved")
        for end in ("json", "tif")
    ]


def test_the_file_can_be_mapped_and_its_record_is_found(
    tmp_path: Path, stub: LoadedModel
) -> None:
    import tifffile

    image = scan()
    mask = segment_to_file(tmp_path, "scan", stub, image, T2, settings=ON_CPU).labels
    assert mask.name == "scan.labels.tif"
    np.testing.assert_array_equal(tifffile.memmap(mask), image.data > THRESHOLD)
    assert recorded(mask) is not None


def test_memory_does_not_grow_with_the_mask(
    tmp_path: Path, stub: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ModelVolume.__init__.__kwdefaults__, "most_kept", 0)
    monkeypatch.setattr(slabs, "PIXELS_AT_ONCE", 20_000)

    def peak(n: int) -> int:
        row = np.linspace(0, 1, 40 * 40, dtype=np.float32).reshape(1, 40, 40)
        data = Refusing(np.broadcast_to(row, (n, 40, 40)), 0.5)
        image = SpatialImage(data, ("z", "y", "x"), np.eye(4), "mm")
        tracemalloc.start()
        segment_to_file(tmp_path, f"of-{n}", stub, image, T2, settings=ON_CPU)
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return reached

    peak(200)  # what is imported with the first one
    assert peak(1600) - peak(200) < 1400 * 40 * 40  # a byte for each further voxel


@pytest.mark.parametrize("part", [0.02, 0.5, 0.99])
def test_a_run_that_is_stopped_leaves_no_file(
    tmp_path: Path, stub: LoadedModel, part: float
) -> None:
    steps: list[Progress] = []
    image = scan()
    segment(stub, image, T2, settings=ON_CPU, progress=steps.append)
    calls = iter(range(int(part * len(steps))))

    def stop(_: Progress) -> None:
        if next(calls, None) is None:
            raise Cancelled

    with pytest.raises(Cancelled):
        segment_to_file(tmp_path, "a", stub, image, T2, settings=ON_CPU, progress=stop)
    assert left_in(tmp_path) == []


def test_an_earlier_mask_stays_until_the_new_one_is_whole(
    tmp_path: Path, stub: LoadedModel
) -> None:
    def write(**how: object) -> Path:
        return segment_to_file(
            tmp_path, "a", stub, scan(), T2, settings=ON_CPU, **how
        ).labels

    before = write().read_bytes()

    def stop(step: Progress) -> None:
        if step.fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        write(progress=stop)
    assert (tmp_path / "a.labels.tif").read_bytes() == before
    assert write().read_bytes() == before


def test_a_full_disk_is_told_before_anything_is_read(
    tmp_path: Path, stub: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    source = Refusing(scan().data, 1)
    image = SpatialImage(source, ("z", "y", "x"))
    with pytest.raises(OSError, match="No space left") as caught:
        segment_to_file(tmp_path, "a", stub, image, T2, settings=ON_CPU)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "a.labels.tif")
    assert source.n_read == 0
    assert left_in(tmp_path) == []


def test_room_is_taken_where_the_system_has_no_call_for_it(
    tmp_path: Path, stub: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    image = scan()
    mask = segment_to_file(tmp_path, "a", stub, image, T2, settings=ON_CPU).labels
    np.testing.assert_array_equal(read_image(mask).data, image.data > THRESHOLD)
    assert mask.stat().st_blocks * 512 >= 4 * image.data.size


def test_a_folder_that_cannot_be_written_names_itself(
    tmp_path: Path, stub: LoadedModel
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        segment_to_file(tmp_path / "file", "a", stub, scan(), T2, settings=ON_CPU)
    (tmp_path / "b.labels.tif").write_bytes(b"mine")
    with pytest.raises(ExistingFileError, match="no result of napari-dmoe"):
        segment_to_file(tmp_path, "b", stub, scan(), T2, settings=ON_CPU)
    assert (tmp_path / "b.labels.tif").read_bytes() == b"mine"


def test_more_than_a_mask_is_refused(tmp_path: Path, stub: LoadedModel) -> None:
    series = SpatialImage(np.zeros((2, 8, 8, 8)), ("t", "z", "y", "x"))
    with pytest.raises(ImageError, match=r"one volume .* found t, z, y, x"):
        segment_to_file(tmp_path, "a", stub, series, T2)
    planes = load_checkpoint("fundus-phantom")
    with pytest.raises(ImageError, match="a model of 2D"):
        segment_to_file(tmp_path, "a", planes, scan())
    at_network = InferenceSettings(scored_at="network")
    with pytest.raises(ValueError, match="a mask at the source's voxels"):
        dmoe.segment_to_file(tmp_path, "a", stub, scan(), T2, settings=at_network)
    assert left_in(tmp_path) == []


def test_routing_that_is_not_kept_is_averaged(
    unet: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = (0.1, 0.2, 0.3, 0.4)
    kept, averaged = VolumeRouting(shares), VolumeRouting(shares, NO_ROUTING)

    def add(self: VolumeRouting, *window: object) -> None:
        real(kept, *window)
        real(averaged, *window)

    real = VolumeRouting.add
    monkeypatch.setattr(VolumeRouting, "add", add)
    segment(unet, scan(), Patient(), settings=ON_CPU)
    grid = SpatialImage.of(scan()).data.shape
    for each in (kept, averaged):
        each.end(dmoe.Grid.identity(grid))
    assert averaged.stages() == {}
    for each in (kept, averaged):
        means, weights = each.loads()
        assert weights == (1.0,)
        for gates, mean in zip(kept.stages().values(), means, strict=True):
            expected = np.tensordot(shares, gates.mean((2, 3, 4)), 1)
            np.testing.assert_allclose(mean[0, :, 0], expected, atol=1e-5)


def test_a_run_into_a_file_keeps_no_routing(unet: LoadedModel, tmp_path: Path) -> None:
    kept = []
    real = VolumeRun.to_disk

    def to_disk(self: VolumeRun, progress: object) -> object:
        made = real(self, progress)
        kept.append(self.outcomes[0].routing)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VolumeRun, "to_disk", to_disk)
        segment_to_file(tmp_path, "a", unet, scan(), Patient(), settings=ON_CPU)
    (routing,) = kept
    assert routing.stages() == {}
    assert len(routing.loads()[0]) == 5
