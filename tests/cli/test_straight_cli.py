"""One volume straight into the file of its mask, from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_runs import run
from places import DATA

from napari_dmoe.imaging.disk.rows import Rows
from napari_dmoe.imaging.files import read_image, read_labels, write_tiff
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.models.card_files import read_card

SPACING = (4.0, 3.0, 2.0)


@pytest.fixture(scope="module")
def how(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Return the options of a small model of volumes."""
    stated = VolumePreprocessing(patch=(32, 32, 64), window=(0, 1))
    card = read_card("prostate-tstage").model_copy(update={"preprocessing": stated})
    path = tmp_path_factory.mktemp("card") / "card.json"
    path.write_text(card.model_dump_json())
    net = ["--checkpoint", DATA / "unet3d_stage5.pth", "--card", path]
    return [*net, "--severity", "T2", "--device", "cpu", "--overlap", "0"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    data = np.random.default_rng(0).random((20, 40, 200), dtype=np.float32)
    path = tmp_path / "scan.tif"
    write_tiff(path, data, axes="zyx", spacing=SPACING, unit="mm")
    return path


@pytest.fixture
def zarr_volume(tmp_path: Path, volume: Path) -> Path:
    zarr = pytest.importorskip("zarr")
    axes = [{"name": n, "type": "space", "unit": "millimeter"} for n in "zyx"]
    moves = [{"type": "scale", "scale": list(SPACING)}]
    level = {"path": "0", "coordinateTransformations": moves}
    image = {"axes": axes, "datasets": [level]}
    about = {"ome": {"version": "0.5", "multiscales": [image]}}
    path = tmp_path / "scan.ome.zarr"
    group = zarr.open_group(str(path), mode="w", attributes=about)
    group.create_array("0", data=read_image(volume).data, chunks=(8, 16, 32))
    return path


def test_masks_of_all_kinds_are_the_same(
    tmp_path: Path, volume: Path, zarr_volume: Path, how: list[object]
) -> None:
    out = tmp_path / "out"
    code, _, _ = run("segment", volume, *how, "--output", out, "--format", "tiff")
    assert code == 0
    expected = read_image(out / "scan.labels.tif")
    assert expected.data.any()
    for source, name in ((volume, "a.tif"), (zarr_volume, "b.ome.zarr")):
        code, said, errors = run("segment", source, *how, "--output", tmp_path / name)
        assert code == 0
        assert said.startswith(f"{tmp_path / name}: segmented for severity T2")
        assert "free, 8 windows, about" in errors
        assert "Needs " in errors
        found = read_labels(tmp_path / name)
        np.testing.assert_array_equal(found.data, expected.data)
        assert (found.axes, found.unit) == (("z", "y", "x"), "mm")
        assert found.spacing == SPACING
    code, _, _ = run("segment", zarr_volume, *how, "--output", out, "--format", "tiff")
    assert code == 0
    found = tifffile.imread(out / "scan.labels.tif")
    np.testing.assert_array_equal(found, expected.data)


def test_maps_are_written_beside_and_named(
    tmp_path: Path, volume: Path, how: list[object]
) -> None:
    zarr = pytest.importorskip("zarr")
    maps = ["--probabilities", "--entropy", "--routing"]
    out = tmp_path / "out"
    order = "segment", volume, *how, "--output", out, "--format", "tiff"
    code, _, _ = run(*order, "--probabilities", "--routing")
    assert code == 0
    expected = tifffile.imread(out / "scan.probabilities.tif")
    gates = tifffile.imread(out / "scan.routing-1.tif")
    at = tmp_path / "a.ome.zarr"
    code, said, _ = run("segment", volume, *how, "--output", at, *maps)
    assert code == 0
    stages = [f"routing-{stage}" for stage in range(5)]
    names = ["probabilities", "class-entropy", *stages]
    assert said.splitlines()[1:] == [str(at / name) for name in names]
    found = zarr.open_array(at / "probabilities" / "0", mode="r")[:]
    np.testing.assert_array_equal(found, np.rint(expected * 255))
    found = zarr.open_array(at / "routing-1" / "0", mode="r")[:]
    np.testing.assert_array_equal(found, np.rint(gates * 255))
    code, said, _ = run("segment", volume, *how, "--output", tmp_path / "a.tif", *maps)
    assert code == 0
    assert said.splitlines()[2] == str(tmp_path / "a.class-entropy.tif")
    code, _, errors = run("segment", volume, *how, "--output", out, "--entropy")
    assert code == 2
    assert "--entropy needs the mask of one volume as --output" in errors


def test_what_is_interrupted_is_gone_on_with(
    tmp_path: Path, volume: Path, how: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zarr")
    at = tmp_path / "a.ome.zarr"
    order = "segment", volume, *how, "--output", at
    real, calls = Rows.add, iter(range(3))

    def add(self: Rows, place: tuple[slice, ...], labels: np.ndarray) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        real(self, place, labels)

    monkeypatch.setattr(Rows, "add", add)
    code, _, errors = run(*order)
    assert code == 130
    left = f"{at}.unfinished"
    assert f"{left} holds what is done: go on with --resume" in errors
    assert not at.exists()
    monkeypatch.undo()
    code, _, errors = run(*order)
    assert code == 2
    assert f"{left} holds a run that was interrupted after" in errors
    code, said, _ = run(*order, "--resume")
    assert code == 0
    assert "of 200 planes are those of a run that was interrupted" in said
    assert at.is_dir()
    assert not Path(left).exists()


def test_a_level_is_segmented_where_it_is_named(
    tmp_path: Path, volume: Path, how: list[object]
) -> None:
    zarr = pytest.importorskip("zarr")
    data = read_image(volume).data
    sides = np.array(SPACING)
    axes = [{"name": n, "type": "space", "unit": "millimeter"} for n in "zyx"]
    levels = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": (sides * step).tolist()}
            ],
        }
        for number, step in enumerate((1, 2))
    ]
    image = {"axes": axes, "datasets": levels}
    path = tmp_path / "scan.ome.zarr"
    about = {"ome": {"version": "0.5", "multiscales": [image]}}
    group = zarr.open_group(str(path), mode="w", attributes=about)
    group.create_array("0", data=data, chunks=(8, 16, 32))
    coarse = data[::2, ::2, ::2]
    group.create_array("1", data=coarse, chunks=(8, 16, 32))
    plain = tmp_path / "coarse.tif"
    write_tiff(plain, coarse, axes="zyx", spacing=tuple(2 * sides), unit="mm")
    assert run("segment", plain, *how, "--output", tmp_path / "plain.tif")[0] == 0
    expected = read_labels(tmp_path / "plain.tif")
    at = tmp_path / "a.ome.zarr"
    code, _, _ = run("segment", path, *how, "--output", at, "--level", "1")
    assert code == 0
    found = read_labels(at)
    np.testing.assert_array_equal(found.data, expected.data)
    assert found.spacing == tuple(2 * sides)
    record = recorded(at)
    assert record is not None
    said = "level 1 of 2 of a multiscale image was used, 0 being the finest"
    assert said in record.notices
    out = tmp_path / "out"
    assert run("segment", path, *how, "--output", out, "--level", "1")[0] == 0
    assert (out / "scan.level-1.labels.nii.gz").is_file()
    finest = tmp_path / "b.tif"
    assert run("segment", path, *how, "--output", finest, "--level", "0")[0] == 0
    assert read_labels(finest).data.shape == data.shape
    for source, said in (
        (path, "scan.ome.zarr has no level 2: it has 2, from 0, the finest"),
        (volume, "scan.tif is no OME-Zarr image, and so has no levels"),
    ):
        code, _, errors = run("segment", source, *how, "--output", out, "--level", "2")
        assert code == 2
        assert said in errors


def test_what_cannot_go_into_a_file_is_refused(
    tmp_path: Path,
    volume: Path,
    zarr_volume: Path,
    how: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = tmp_path / "a.tif"

    def refused(*order: object) -> str:
        code, _, errors = run("segment", *order, "--output", at)
        assert code == 2
        assert not at.exists()
        return errors.splitlines()[-1]

    for option in (["--truth", volume], ["--format", "nifti"]):
        said = refused(volume, *how, *option)
        assert f"{option[0]} needs a folder as --output: a.tif is the file" in said
    assert "is a folder of images" in refused(tmp_path, *how)
    at_network = [*how, "--scored-at", "network"]
    assert "a mask at the source's voxels" in refused(volume, *at_network)
    net = ["--checkpoint", "fundus-phantom"]
    assert "by a 3D model: found" in refused(volume, *net)
    where = "napari_dmoe.imaging.memory.available_bytes"
    monkeypatch.setattr(where, lambda: 1000)
    monkeypatch.setattr(
        "napari_dmoe.inference.running.volume_needs.available_bytes", lambda: 1000
    )
    said = refused(zarr_volume, *how)
    assert "segmenting the volume needs" in said
    assert "more than the 0.0 GiB that are free" in said
