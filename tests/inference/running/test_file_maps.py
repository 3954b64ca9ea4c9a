"""Maps that are written beside a volume's mask as it comes: those made in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from places import DATA
from refusing import Refusing
from stub_networks import thresholding_model
from turned import as_stored

from napari_dmoe.imaging import slabs
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.results.export import SavedFiles
from napari_dmoe.inference.results.replacing import ExistingFileError
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.inference.running.file_maps import class_entropy
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import needs_of_file, segment_to_file
from napari_dmoe.inference.running.volume_masks import FinishedSlab
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled

zarr = pytest.importorskip("zarr")
T2 = Patient(severity="T2")
ALL = InferenceSettings(device="cpu", overlap=0.5, probabilities=True)
EVERYTHING: dict[str, Any] = {"settings": ALL, "entropy": True, "routing": True}
NAMES = ["a.tif", "a.ome.zarr"]
STAGES = range(5)


@pytest.fixture(autouse=True)
def small_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_dmoe.imaging.tiff.writing._PIXELS_AT_ONCE", 64 * 800)


def unet(**how: object) -> LoadedModel:
    card = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage").card
    stated = VolumePreprocessing(**{"patch": (32, 32, 64), "window": (0, 1)} | how)
    card = card.model_copy(update={"preprocessing": stated})
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=card)


def scan(
    shape: tuple[int, ...],
    axes: str = "zyx",
    sides: tuple[float, ...] = (4.0, 3.0, 2.0),
) -> SpatialImage:
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    return SpatialImage(data, tuple(axes), np.diag([*sides, 1.0]), "mm")


def stored(
    saved: SavedFiles,
    name: str,
    axes: str = "zyx",
    sides: tuple[float, ...] = (1, 1, 1),
) -> np.ndarray:
    """Return the bytes of some maps, (n, z, y, x), as the image has its axes."""
    if saved.labels.name.endswith(".zarr"):
        found = zarr.open_array(saved.labels / name / "0", mode="r")[:]
        return as_stored(found, axes, sides)
    found = tifffile.imread(saved.labels.with_name(f"a.{name}.tif"))
    found = found.reshape(-1, *found.shape[-3:])
    return found.transpose(0, *(1 + axes.index(axis) for axis in "zyx"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("axes", "sides", "patient"),
    [("zyx", (4.0, 3.0, 2.0), T2), ("xzy", (-4.0, 3.0, -2.0), Patient())],
)
def test_maps_are_those_that_are_made_in_memory(
    tmp_path: Path, name: str, axes: str, sides: tuple[float, ...], patient: Patient
) -> None:
    model, image = unet(spacing=(5, 3, 2.5)), scan((40, 33, 130), axes, sides)
    result = segment(model, image, patient, settings=ALL)
    saved = segment_to_file(tmp_path, name, model, image, patient, **EVERYTHING)
    order = [axes.index(axis) for axis in "zyx"]
    labels = result.labels.transpose(order)
    np.testing.assert_array_equal(
        read_labels(saved.labels).data,
        as_stored(labels, axes, sides)
        if saved.labels.suffix == ".zarr"
        else result.labels,
    )
    assert result.probabilities is not None
    expected = result.probabilities.transpose(0, *(1 + i for i in order))
    found = stored(saved, "probabilities", axes, sides)
    np.testing.assert_array_equal(found, np.rint(expected * 255))
    assert len(np.unique(found)) > 50
    bits = class_entropy(expected) * (255 / np.log2(len(expected)))
    (own,) = stored(saved, "class-entropy", axes, sides)
    # Logarithms of numbers that lie apart differ in their last bit, which decides ties.
    np.testing.assert_allclose(own, np.rint(bits), atol=1)
    assert (own == np.rint(bits)).mean() > 0.9999
    assert result.routing is not None
    for stage in STAGES:
        gates = np.moveaxis(result.routing.mean(stage), -1, 0)
        own = stored(saved, f"routing-{stage}", axes, sides)
        # The mean over values is taken in another order, which decides ties.
        np.testing.assert_allclose(own, np.rint(gates * 255), atol=patient != T2)
        assert own.max() > 50


def test_an_image_of_maps_says_what_it_is(tmp_path: Path) -> None:
    model, image = unet(), scan((40, 32, 130))
    saved = segment_to_file(tmp_path, "a.ome.zarr", model, image, T2, **EVERYTHING)
    assert saved.probabilities == saved.labels / "probabilities"
    assert saved.entropy == saved.labels / "class-entropy"
    assert saved.routing == tuple(saved.labels / f"routing-{i}" for i in STAGES)
    group = zarr.open_group(saved.probabilities, mode="r")
    (own,) = group.attrs["ome"]["multiscales"]
    assert [axis["name"] for axis in own["axes"]] == ["c", "z", "y", "x"]
    assert own["axes"][0]["type"] == "channel"
    scale, move = own["datasets"][0]["coordinateTransformations"]
    assert (scale["scale"], move["translation"]) == ([1, 4, 3, 2], [0, 0, 0, 0])
    shown = group.attrs["ome"]["omero"]["channels"]
    assert [each["label"] for each in shown] == list(model.card.classes)
    assert group.attrs["scaled"] == {
        "what": "probability of each class",
        "scale": 1 / 255,
        "channels": list(model.card.classes),
    }
    assert group["0"].chunks == (1, 40, 32, 64)
    assert group["0"].dtype == np.uint8
    np.testing.assert_array_equal(group["1"][:], group["0"][:, :, :, ::2])
    bits = zarr.open_group(saved.entropy, mode="r").attrs["scaled"]
    assert bits["scale"] == np.log2(len(model.card.classes)) / 255
    tokens = read_image(saved.routing[1])
    np.testing.assert_allclose(tokens.spacing[-3:], [16, 12, 8])
    # The first token's centre lies amid its 4 voxels a side.
    np.testing.assert_allclose(tokens.affine[:3, 3], [1.5 * 4, 1.5 * 3, 1.5 * 2])
    record = recorded(saved.labels)
    assert record is not None
    names = ("probabilities", "class-entropy", *(f"routing-{i}" for i in STAGES))
    assert record.maps == names
    assert record.settings["probabilities"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.ome.zarr"]


def test_tiffs_of_maps_lie_beside_and_say_what_they_are(tmp_path: Path) -> None:
    model, image = unet(), scan((40, 32, 130))
    saved = segment_to_file(tmp_path, "a.tif", model, image, T2, **EVERYTHING)
    assert saved.probabilities == tmp_path / "a.probabilities.tif"
    assert saved.entropy == tmp_path / "a.class-entropy.tif"
    assert saved.routing == tuple(tmp_path / f"a.routing-{i}.tif" for i in STAGES)
    with tifffile.TiffFile(saved.probabilities) as file:
        about = file.shaped_metadata[0]
    assert about["scaled"]["channels"] == list(model.card.classes)
    assert about["axes"] == "KZYX"
    assert about["spacing"] == [4, 3, 2]
    record = recorded(saved.labels)
    for path in (saved.probabilities, saved.entropy, *saved.routing):
        assert recorded(path) == record
    # What another run does not make is not taken for its own.
    again = segment_to_file(tmp_path, "a.tif", model, image, T2, settings=ALL)
    assert again.probabilities == saved.probabilities
    assert len(again.set_aside) == 1 + len(STAGES)
    assert not saved.entropy.exists()
    assert (tmp_path / "a.earlier.class-entropy.tif").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_map_that_is_in_the_way_is_not_replaced(tmp_path: Path, name: str) -> None:
    model, image = thresholding_model(window=(0, 1)), scan((20, 20, 70))
    at = tmp_path / ("a.class-entropy.tif" if name == "a.tif" else name)
    tifffile.imwrite(at, np.zeros((2, 2)))
    with pytest.raises(ExistingFileError, match=f"{at.name} is there already"):
        segment_to_file(tmp_path, name, model, image, T2, entropy=True)
    assert [path.name for path in tmp_path.iterdir()] == [at.name]


def stop_after(rows: int) -> Callable[[FinishedSlab], None]:
    left = iter(range(rows - 1))

    def stop(_: FinishedSlab) -> None:
        if next(left, None) is None:
            raise Cancelled

    return stop


@pytest.mark.parametrize(
    ("name", "shape", "sides", "how"),
    [
        ("a.tif", (20, 40, 260), (4.0, 3.0, -2.0), {}),
        ("a.ome.zarr", (200, 20, 40), (-4.0, 3.0, 2.0), {"spacing": (5, 3, 2.5)}),
    ],
)
def test_what_is_interrupted_is_gone_on_with(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    shape: tuple[int, ...],
    sides: tuple[float, ...],
    how: dict[str, object],
) -> None:
    monkeypatch.setitem(ModelVolume.__init__.__kwdefaults__, "most_kept", 0)
    model, image = unet(**how), scan(shape, sides=sides)
    whole = segment_to_file(tmp_path / "whole", name, model, image, T2, **EVERYTHING)
    order = tmp_path / "stopped", name, model, image, T2
    with pytest.raises(Cancelled):
        segment_to_file(*order, **EVERYTHING, keep=True, finished=stop_after(2))
    assert [p.name for p in (tmp_path / "stopped").iterdir()] == [f"{name}.unfinished"]
    with pytest.raises(ExistingFileError, match="with other maps"):
        segment_to_file(*order, settings=ALL, entropy=True, resume=True)
    n_read = []
    real = ModelVolume.parts

    def read(self: ModelVolume, *where: Any, **how: Any) -> Any:
        n_read.append(where)
        return real(self, *where, **how)

    monkeypatch.setattr(ModelVolume, "parts", read)
    went_on = segment_to_file(*order, **EVERYTHING, resume=True)
    for maps in ("probabilities", "class-entropy", *(f"routing-{i}" for i in STAGES)):
        found, expected = stored(went_on, maps), stored(whole, maps)
        np.testing.assert_array_equal(found, expected)
    made = recorded(went_on.labels)
    assert made is not None
    assert any("of a run that was interrupted" in each for each in made.notices)
    assert not (tmp_path / "stopped" / f"{name}.unfinished").exists()


def test_maps_of_a_lazy_source_do_not_read_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ModelVolume.__init__.__kwdefaults__, "most_kept", 0)
    monkeypatch.setattr(slabs, "PIXELS_AT_ONCE", 20_000)
    model, image = thresholding_model(window=(0, 1)), scan((400, 40, 40))
    source = Refusing(image.data, 0.5, chunks=(20, 40, 40))
    lazy = SpatialImage(source, image.axes, image.affine, "mm")
    how = {"settings": ALL, "entropy": True}
    saved = segment_to_file(tmp_path, "a.ome.zarr", model, lazy, T2, **how)
    expected = segment(model, image, T2, settings=ALL).probabilities
    assert expected is not None
    found = stored(saved, "probabilities")
    np.testing.assert_array_equal(found, np.rint(expected * 255))


def test_what_a_network_does_not_have_is_refused(tmp_path: Path) -> None:
    model = thresholding_model(window=(0, 1))
    model.module.config = model.module.config.__class__(n_routers=0)
    with pytest.raises(ValueError, match="the network has no experts"):
        segment_to_file(tmp_path, "a", model, scan((20, 20, 70)), T2, routing=True)
    assert list(tmp_path.iterdir()) == []


def test_maps_need_memory_for_their_rows_alone() -> None:
    model = unet()
    image = SpatialImage(np.empty((8, 8, 8), "u1"), ("z", "y", "x"), np.eye(4), "mm")

    def needed(n: int, **how: Any) -> int:
        data = np.broadcast_to(np.uint8(0), (n, 512, 512))
        large = SpatialImage(data, image.axes, image.affine, "mm")
        return needs_of_file(model, large, T2, **how).n_bytes

    own = ALL.model_copy(update={"probabilities": False})
    more = needed(2000, settings=ALL, entropy=True, routing=True)
    less = needed(2000, settings=own)
    assert less < more < less + 2**28
    assert more == needed(8000, settings=ALL, entropy=True, routing=True)


def test_entropy_is_0_where_a_class_is_certain_and_most_where_all_are_alike() -> None:
    shares = np.array([[1, 0.25, 0.5], [0, 0.25, 0.5], [0, 0.25, 0], [0, 0.25, 0]])
    np.testing.assert_allclose(class_entropy(shares), [0, 2, 1], atol=1e-6)
