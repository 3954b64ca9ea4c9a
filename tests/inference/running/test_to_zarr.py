"""A volume segmented straight into OME-Zarr: the same mask, in chunks and levels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from places import DATA
from refusing import Refusing
from stub_networks import THRESHOLD, thresholding_model
from turned import as_stored

from napari_dmoe.imaging import slabs
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.ome_zarr import library
from napari_dmoe.imaging.ome_zarr.writing import ZarrMask
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.replacing import ExistingFileError, is_painted
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient

zarr = pytest.importorskip("zarr")
T2 = Patient(severity="T2")
ON_CPU = InferenceSettings(device="cpu", overlap=0)


@pytest.fixture(scope="module")
def stub() -> LoadedModel:
    return thresholding_model(window=(0, 1))


def scan(
    shape: tuple[int, ...], axes: str = "zyx", sides: tuple[float, ...] = (4, 3, 2)
) -> SpatialImage:
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    return SpatialImage(data, tuple(axes), np.diag([*sides, 1.0]), "mm")


@pytest.mark.parametrize("axes", ["zyx", "xzy"])
@pytest.mark.parametrize("sides", [(4.0, 3.0, 2.0), (-4.0, 3.0, -2.0)])
def test_the_mask_is_the_one_that_is_made_in_memory(
    tmp_path: Path, axes: str, sides: tuple[float, ...]
) -> None:
    card = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage").card
    how = VolumePreprocessing(patch=(32, 32, 64), window=(0, 1), spacing=(5, 3, 2.5))
    card = card.model_copy(update={"preprocessing": how})
    model = load_checkpoint(DATA / "unet3d_stage5.pth", card=card)
    image = scan((40, 33, 130), axes, sides)
    result = segment(model, image, T2, settings=ON_CPU)
    saved = segment_to_file(tmp_path, "a.ome.zarr", model, image, T2, settings=ON_CPU)
    assert saved.labels == tmp_path / "a.ome.zarr"
    made = read_labels(saved.labels)
    assert made.axes == ("z", "y", "x")
    order = [axes.index(axis) for axis in "zyx"]
    expected_labels = as_stored(result.labels.transpose(order), axes, sides)
    np.testing.assert_array_equal(made.data, expected_labels)
    assert made.data.any()
    record = recorded(saved.labels)
    assert record is not None
    expected = result.provenance.model_copy(update={"created": record.created})
    assert record == expected
    inside = zarr.open_group(saved.labels, mode="r").attrs["napari-dmoe"]
    assert Provenance.model_validate_json(json.dumps(inside)) == record
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.ome.zarr"]


def test_it_states_axes_sizes_classes_and_levels(
    tmp_path: Path, stub: LoadedModel
) -> None:
    image = scan((70, 20, 200))
    affine = np.diag([0.5, 3, 2, 1])
    affine[:3, 3] = 7, -8, 9
    image = SpatialImage(image.data, image.axes, affine, "um")
    at = segment_to_file(tmp_path, "a.zarr", stub, image, T2, settings=ON_CPU).labels
    about = zarr.open_group(at, mode="r").attrs["ome"]
    assert about["version"] == "0.5"
    (own,) = about["multiscales"]
    axis = {"type": "space", "unit": "micrometer"}
    assert own["axes"] == [{"name": name, **axis} for name in "zyx"]
    placed = [each["coordinateTransformations"] for each in own["datasets"]]
    assert [scale["scale"] for scale, _ in placed] == [
        [0.5, 3, 2],
        [1, 3, 4],
        [1, 3, 8],
    ]
    assert [move["translation"] for _, move in placed] == [[7, -8, 9]] * 3
    named = {p["label-value"]: p["class"] for p in about["image-label"]["properties"]}
    assert named == dict(enumerate(stub.card.classes))
    levels = [zarr.open_array(at / str(i), mode="r") for i in range(3)]
    finest = image.data > THRESHOLD
    for level, step in zip(levels, [(1, 1, 1), (2, 1, 2), (2, 1, 4)], strict=True):
        every = tuple(slice(None, None, d) for d in step)
        np.testing.assert_array_equal(level[:], finest[every])
        assert level.chunks == tuple(min(64, n) for n in level.shape)
        assert level.metadata.dimension_names == ("z", "y", "x")
    coarse = read_image(at / "1")
    np.testing.assert_allclose(coarse.spacing, [1, 3, 4])
    np.testing.assert_allclose(coarse.affine[:3, 3], [7, -8, 9])
    assert coarse.unit == "um"


def test_whole_chunks_are_written_once(
    tmp_path: Path, stub: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    real = ZarrMask.write

    def write(self: ZarrMask, place: tuple[slice, ...], labels: np.ndarray) -> None:
        written.append(place[2])
        real(self, place, labels)

    monkeypatch.setattr(ZarrMask, "write", write)
    image = scan((20, 20, 200))
    segment_to_file(tmp_path, "a.zarr", stub, image, T2, settings=ON_CPU)
    assert written == [slice(0, 64), slice(64, 128), slice(128, 192), slice(192, 200)]


def test_a_lazy_source_is_not_read_whole(
    tmp_path: Path, stub: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ModelVolume.__init__.__kwdefaults__, "most_kept", 0)
    monkeypatch.setattr(slabs, "PIXELS_AT_ONCE", 20_000)
    data = scan((400, 40, 40)).data
    source = Refusing(data, 0.5, chunks=(20, 40, 40))
    image = SpatialImage(source, ("z", "y", "x"), np.eye(4), "mm")
    at = segment_to_file(tmp_path, "a.zarr", stub, image, T2, settings=ON_CPU).labels
    np.testing.assert_array_equal(read_labels(at).data, data > THRESHOLD)


def test_what_is_there_is_replaced_only_if_it_is_an_untouched_result(
    tmp_path: Path, stub: LoadedModel
) -> None:
    def run(image: SpatialImage, **how: object) -> Path:
        order = tmp_path, "a.ome.zarr", stub, image, T2
        return segment_to_file(*order, settings=ON_CPU, **how).labels

    image = scan((20, 20, 70))
    at = run(image)
    assert run(image) == at
    assert not is_painted(at)
    with pytest.raises(ExistingFileError, match="the result of another image"):
        run(scan((20, 20, 71)))
    zarr.open_array(at / "0", mode="r+")[3, 3, 3] = 1
    zarr.open_array(at / "0", mode="r+")[3, 3, 4] = 0
    assert is_painted(at)
    with pytest.raises(ExistingFileError, match="was changed after its run"):
        run(image)
    run(image, overwrite=True)
    assert not is_painted(at)
    foreign = tmp_path / "b.zarr"
    zarr.create_array(str(foreign), shape=(2, 2), dtype="u1")
    order = tmp_path, "b.zarr", stub, image, T2
    with pytest.raises(ExistingFileError, match="no result of napari-dmoe"):
        segment_to_file(*order, settings=ON_CPU)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.json",
        "a.ome.zarr",
        "b.zarr",
    ]


@pytest.mark.formats("zarr where the package is not installed")
def test_without_zarr_it_is_said_what_to_install(
    tmp_path: Path, stub: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImageReadError, match=r'pip install "napari-dmoe\[zarr\]"'):
        segment_to_file(tmp_path, "a.zarr", stub, scan((20, 20, 70)), T2)
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "zarr.json").write_text("{}")
    with pytest.raises(ImageReadError, match="needs the package zarr"):
        read_image(tmp_path / "b.zarr")
    monkeypatch.undo()
    monkeypatch.setattr(zarr, "__version__", "2.18.0")
    with pytest.raises(ImageReadError, match=r"2\.18\.0 is installed"):
        library.zarr_package()
