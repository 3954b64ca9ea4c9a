"""Windows that show nothing may be skipped: they are background, and it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from places import DATA
from stub_networks import THRESHOLD, thresholding_model
from turned import as_stored

from napari_dmoe.imaging.files import read_labels
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.inference.running.planes import FOR_VOLUMES
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.sums import SlabMeans
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.inference.running.volume_masks import FinishedSlab
from napari_dmoe.inference.running.volume_needs import needs_of_volumes
from napari_dmoe.inference.running.windows import Tokens, Windows
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled

T2 = Patient(severity="T2")
ALL = InferenceSettings(device="cpu", overlap=0.5)
SKIPPING = ALL.model_copy(update={"skip_empty": True})
MAPS = SKIPPING.model_copy(update={"probabilities": True})


def unet(**how: object) -> LoadedModel:
    card = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage").card
    stated = VolumePreprocessing(**{"patch": (32, 32, 64), "window": (0, 1)} | how)
    card = card.model_copy(update={"preprocessing": stated})
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=card)


def scan(
    n: int = 300, body: slice = slice(100, 180), sides: tuple[float, ...] = (1, 1, 1)
) -> SpatialImage:
    """Return a volume with noise below the window around something that is seen."""
    draw = np.random.default_rng(0)
    data = draw.uniform(-9, -1, (20, 40, n)).astype(np.float32)
    data[:, :, body] = draw.random((20, 40, n))[:, :, body]
    return SpatialImage(data, ("z", "y", "x"), np.diag([*map(float, sides), 1]), "mm")


def test_the_mask_is_the_same_with_fewer_windows() -> None:
    model, image = thresholding_model(window=(0, 1)), scan()
    whole = segment(model, image, T2, settings=ALL)
    n_whole = sum(model.module.passes)
    model.module.passes.clear()
    fast = segment(model, image, T2, settings=SKIPPING)
    np.testing.assert_array_equal(fast.labels, whole.labels)
    np.testing.assert_array_equal(fast.labels, image.data > THRESHOLD)
    # Along y and x: 2 x 9 windows, of which those from 64 to 160 see what is there.
    assert (n_whole, sum(model.module.passes)) == (18, 8)
    (said,) = (n for n in fast.provenance.notices if "windows" in n)
    assert said.startswith("10 of 18 windows show nothing and were not run")
    assert "what only they cover is background" in said
    assert fast.provenance.settings["skip_empty"] is True
    assert not any("windows" in each for each in whole.provenance.notices)


def test_where_nothing_was_run_the_background_is_certain() -> None:
    model, image = unet(), scan()
    for patient in (T2, Patient()):
        chances = segment(model, image, patient, settings=MAPS).probabilities
        assert chances is not None
        np.testing.assert_allclose(chances[0, :, :, :60], 1, atol=1e-6)
        np.testing.assert_allclose(chances.sum(0), 1, atol=1e-5)
        seen = chances[0, :, :, 110:170]
        assert 0 < seen.min() < 0.9


def test_what_windows_show_is_not_changed_by_those_that_are_skipped() -> None:
    model, image = unet(), scan()
    whole = segment(model, image, T2, settings=ALL)
    fast = segment(model, image, T2, settings=SKIPPING)
    # Only windows from 96 to 192 on see nothing but what is there.
    middle = (slice(None), slice(None), slice(128, 160))
    np.testing.assert_array_equal(fast.labels[middle], whole.labels[middle])
    assert whole.routing is not None
    assert fast.routing is not None
    for stage, gates in enumerate(fast.routing.gates):
        n = gates.shape[3]
        first, last = n * 130 // 300 + 1, n * 150 // 300 - 1
        own, others = gates[..., first:last, :], whole.routing.gates[stage]
        np.testing.assert_allclose(own, others[..., first:last, :], atol=1e-6)
        assert not gates[..., : n * 50 // 300, :].any()


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr"])
@pytest.mark.parametrize(
    ("patient", "sides", "how"),
    [
        (T2, (1, 1, -1), {}),
        (Patient(), (1, 1, 1), {"spacing": (1.5, 1.2, 1.25)}),
    ],
)
def test_a_file_has_the_same_bits(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    patient: Patient,
    sides: tuple[float, ...],
    how: dict[str, object],
) -> None:
    zarr = pytest.importorskip("zarr")
    monkeypatch.setattr("napari_dmoe.imaging.tiff.writing._PIXELS_AT_ONCE", 64 * 800)
    model, image = unet(**how), scan(sides=sides)
    result = segment(model, image, patient, settings=MAPS)
    order = tmp_path, name, model, image, patient
    asked: dict[str, Any] = {"settings": MAPS, "routing": True, "entropy": True}
    left = iter(range(1))

    def stop(_: FinishedSlab) -> None:
        if next(left, None) is None:
            raise Cancelled

    with pytest.raises(Cancelled):
        segment_to_file(*order, **asked, finished=stop, keep=True)
    saved = segment_to_file(*order, **asked, resume=True)
    turned = sides if name == "a.ome.zarr" else (1, 1, 1)
    expected = as_stored(result.labels, "zyx", turned)
    np.testing.assert_array_equal(read_labels(saved.labels).data, expected)
    record = recorded(saved.labels)
    assert record is not None
    assert record.labels_sha256 == result.provenance.labels_sha256
    if name != "a.ome.zarr":
        return
    found = zarr.open_array(saved.labels / "probabilities" / "0", mode="r")[:]
    found = as_stored(found, "zyx", sides)
    np.testing.assert_array_equal(found, np.rint(result.probabilities * 255))
    assert result.routing is not None
    for stage in range(5):
        own = zarr.open_array(saved.labels / f"routing-{stage}" / "0", mode="r")[:]
        own = as_stored(own, "zyx", sides)
        gates = np.moveaxis(result.routing.mean(stage), -1, 0)
        np.testing.assert_allclose(own, np.rint(gates * 255), atol=patient != T2)


def test_a_volume_without_anything_asks_no_network(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    model, image = unet(), scan(body=slice(0, 0))
    result = segment(model, image, T2, settings=SKIPPING)
    assert not result.labels.any()
    assert result.routing is None
    assert any(
        each.startswith("18 of 18 windows") for each in result.provenance.notices
    )
    order = tmp_path, "a.ome.zarr", model, image, T2
    saved = segment_to_file(*order, settings=MAPS, routing=True)
    assert not read_labels(saved.labels).data.any()
    chances = zarr.open_array(saved.labels / "probabilities" / "0", mode="r")[:]
    assert (chances[0] == 255).all()
    assert not chances[1:].any()
    assert not zarr.open_array(saved.labels / "routing-1" / "0", mode="r")[:].any()


def test_one_volume_of_several_may_show_nothing() -> None:
    some, none = scan(), scan(body=slice(0, 0))
    model = unet()
    for place, order in enumerate(((some, none), (none, some))):
        data = np.stack([each.data for each in order])
        image = SpatialImage(data, ("t", "z", "y", "x"), np.eye(4), "mm")
        both = segment(model, image, T2, settings=SKIPPING)
        alone = segment(model, some, T2, settings=SKIPPING)
        np.testing.assert_array_equal(both.labels[place], alone.labels)
        assert not both.labels[1 - place].any()
        assert both.routing is not None
        assert alone.routing is not None
        for own, other in zip(both.routing.gates, alone.routing.gates, strict=True):
            np.testing.assert_array_equal(own[:, place], other)
            assert not own[:, 1 - place].any()


def test_all_values_of_a_sweep_skip_the_same_windows() -> None:
    model, image = unet(), scan(n=140, body=slice(0, 60))
    swept = sweep(model, image, attribute="severity", settings=SKIPPING)
    for value in swept.values:
        patient = Patient(severity=value.name)
        alone = segment(model, image, patient, settings=SKIPPING)
        assert (value.labels == alone.labels).mean() > 0.9999
        assert any("windows show nothing" in n for n in value.provenance.notices)


def test_windows_that_all_show_something_are_all_run() -> None:
    model, image = thresholding_model(window=(0, 1)), scan(body=slice(0, 300))
    result = segment(model, image, T2, settings=SKIPPING)
    assert "none of 18 windows is empty: all were run" in result.provenance.notices
    whole = segment(model, image, T2, settings=ALL)
    np.testing.assert_array_equal(result.labels, whole.labels)


def test_a_lazy_volume_skips_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, image = unet(), scan()
    expected = segment(model, image, T2, settings=SKIPPING)
    monkeypatch.setitem(ModelVolume.__init__.__kwdefaults__, "most_kept", 0)
    found = segment(model, image, T2, settings=SKIPPING)
    np.testing.assert_array_equal(found.labels, expected.labels)
    hashes = [each.provenance.image.input_sha256 for each in (found, expected)]
    assert hashes[0] == hashes[1]


def test_a_model_of_planes_says_that_it_is_not_for_it() -> None:
    model = load_checkpoint("fundus-phantom")
    picture = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    result = segment(model, picture, settings=SKIPPING)
    assert FOR_VOLUMES in result.provenance.notices


def test_what_a_run_needs_is_said_as_a_most() -> None:
    model, volumes = unet(), Frames(scan(), ("z", "y", "x"))
    for settings, said in ((ALL, " 18 windows"), (SKIPPING, " up to 18 windows")):
        needs = needs_of_volumes(model, volumes, settings, n_values=5)
        assert said in needs.words
        assert needs.words.endswith(" or less.") == settings.skip_empty


def test_sums_tell_what_is_blank_where_no_window_speaks() -> None:
    windows, told = Windows((8, 8, 64), (8, 8, 16), 0.5), list[torch.Tensor]()
    blank = torch.tensor([[3.0, 4.0]])
    means = SlabMeans(
        windows, (1, 2), lambda _, part: told.append(part.clone()), blank=blank
    )
    for number in windows.order:
        if number == 3:
            means.add(number, torch.full((1, 2, 8, 8, 16), 7.0))
        else:
            means.skip(number)
    means.end()
    whole = torch.cat(told, -1)
    spoken = windows.places[3][2]
    torch.testing.assert_close(whole[..., spoken], torch.full((1, 2, 8, 8, 16), 7.0))
    for side in (slice(0, spoken.start), slice(spoken.stop, 64)):
        assert (whole[0, 0, ..., side] == 3).all()
        assert (whole[0, 1, ..., side] == 4).all()
    tokens = Tokens(windows, 8 * 8 * 16 // 64)
    assert tokens.first_voxel(tokens.shape[2]) == 64
    assert [tokens.first_voxel(i) for i in (0, 1, 5)] == [1, 5, 21]
