"""OME-Zarr and zarr arrays are opened as they state themselves, and not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_dmoe.imaging.files import image_suffix, read_image, read_labels
from napari_dmoe.imaging.spatial import ImageReadError

zarr = pytest.importorskip("zarr")
formats = pytest.mark.formats
DATA = np.arange(2 * 8 * 6 * 4, dtype=np.uint16).reshape(2, 8, 6, 4)


def image_of(
    path: Path,
    data: np.ndarray,
    axes: list[Any],
    *,
    version: str,
    scale: list[float] | None = None,
    move: list[float] | None = None,
    above: list[dict[str, Any]] | None = None,
) -> Path:
    moves = [{"type": "scale", "scale": scale}] if scale else []
    moves += [{"type": "translation", "translation": move}] if move else []
    fine = {"path": "0", **({"coordinateTransformations": moves} if moves else {})}
    image = {"version": version, "axes": axes, "datasets": [fine, {"path": "1"}]}
    image |= {"coordinateTransformations": above} if above else {}
    if version == "0.5":
        about = {"ome": {"version": version, "multiscales": [image]}}
    else:
        about = {"multiscales": [image]}
    fmt = 3 if version == "0.5" else 2
    group = zarr.open_group(str(path), mode="w", zarr_format=fmt, attributes=about)
    group.create_array("0", data=data)
    group.create_array("1", data=data[..., ::2])
    return path


def space(unit: str | None = "micrometer") -> list[dict[str, str]]:
    known = {"unit": unit} if unit else {}
    return [{"name": name, "type": "space", **known} for name in "zyx"]


@formats("OME-Zarr image, 0.4 or 0.5")
@formats("a level of an OME-Zarr image, named by its path")
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_finest_level_is_opened_where_it_lies(tmp_path: Path, version: str) -> None:
    axes = [{"name": "c", "type": "channel"}, *space()]
    above = [{"type": "scale", "scale": [1, 2, 2, 2]}]
    how = {"scale": [1, 2, 0.5, 0.25], "move": [0, 5, 6, 7], "above": above}
    path = image_of(tmp_path / "a.ome.zarr", DATA, axes, version=version, **how)
    image = read_image(path)
    assert image.axes == ("c", "z", "y", "x")
    assert image.unit == "um"
    expected = np.diag([4, 1, 0.5, 1.0])
    expected[:3, 3] = 10, 12, 14
    np.testing.assert_allclose(image.affine, expected)
    assert isinstance(image.data, zarr.Array)
    np.testing.assert_array_equal(image.data[:], DATA)
    assert read_image(path / "1").data.shape == (2, 8, 6, 2)
    assert image_suffix(path) == ".ome.zarr"


@formats("zarr axes of length 1 that are not spatial")
def test_axes_of_length_1_are_left_out_unread(tmp_path: Path) -> None:
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}, *space()]
    data = DATA[:1, None, :1]
    path = image_of(tmp_path / "a.zarr", data, axes, version="0.5", scale=[1] * 5)
    image = read_image(path)
    assert image.axes == ("z", "y", "x")
    assert not isinstance(image.data, np.ndarray)
    np.testing.assert_array_equal(np.asarray(image.data), data[0, 0])


@formats("OME-Zarr sizes in several units")
def test_sizes_in_several_units_are_said_in_mm(tmp_path: Path) -> None:
    axes = [*space("micrometer")[:2], *space("nanometer")[2:]]
    path = image_of(
        tmp_path / "a.zarr", DATA[0], axes, version="0.5", scale=[2000, 50, 500]
    )
    image = read_image(path)
    assert image.unit == "mm"
    np.testing.assert_allclose(image.spacing, [2, 0.05, 0.0005])


@formats("OME-Zarr sizes without a unit of length")
@pytest.mark.parametrize(("unit", "side"), [(None, 2.0), ("second", 1.0)])
def test_sizes_without_a_length_are_not_used(
    tmp_path: Path, unit: str | None, side: float
) -> None:
    path = image_of(
        tmp_path / "a.zarr", DATA[0], space(unit), version="0.5", scale=[side, 1, 1]
    )
    image = read_image(path)
    assert image.unit is None
    assert image.spacing == (1, 1, 1)
    assert image.notices == (
        "the file states sizes without a unit of length: they are not used",
    )


@formats("zarr array that names its axes, or whose shape tells them")
def test_a_plain_array_has_the_axes_that_it_names(tmp_path: Path) -> None:
    zarr.create_array(
        str(tmp_path / "a.zarr"), data=DATA, dimension_names=["z", "y", "x", "c"]
    )
    assert read_image(tmp_path / "a.zarr").axes == ("z", "y", "x", "c")
    zarr.create_array(str(tmp_path / "b.zarr"), data=DATA[0])
    labels = read_labels(tmp_path / "b.zarr")
    assert isinstance(labels.data, np.ndarray)
    np.testing.assert_array_equal(labels.data, DATA[0])


@formats("zarr of big-endian numbers, or 16-bit floats")
@pytest.mark.parametrize("dtype", [">u2", ">f4", "<f2"])
def test_numbers_of_any_order_and_size_are_read(tmp_path: Path, dtype: str) -> None:
    data = DATA[0].astype(dtype)
    zarr.create_array(str(tmp_path / "a.zarr"), data=data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").data[:], data)


@formats("zarr group that is no image, or holds several")
@formats("zarr array whose axes cannot be told, or of complex numbers")
@formats("damaged zarr, or a folder named .zarr that is none")
def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    with pytest.raises(ImageReadError, match=r"^a\.zarr: .* no OME-Zarr image; empty"):
        read_image(tmp_path / "a.zarr")
    group.create_array("one", data=DATA[0])
    with pytest.raises(ImageReadError, match="holds the arrays one: name one of them"):
        read_image(tmp_path / "a.zarr")
    assert read_image(tmp_path / "a.zarr" / "one").data.shape == DATA[0].shape
    group.attrs["bioformats2raw.layout"] = 3
    with pytest.raises(ImageReadError, match=r"name one of them, as in a\.zarr/0"):
        read_image(tmp_path / "a.zarr")
    zarr.create_array(str(tmp_path / "c.zarr"), data=DATA[0].astype(complex))
    with pytest.raises(ImageReadError, match=r"numbers are of the type complex128"):
        read_image(tmp_path / "c.zarr")
    zarr.create_array(str(tmp_path / "d.zarr"), data=DATA.transpose(3, 0, 1, 2))
    with pytest.raises(ImageReadError, match="ambiguous"):
        read_image(tmp_path / "d.zarr")
    for name, why in (("e.zarr", "no such file"), ("f.zarr", "no zarr array")):
        if name == "f.zarr":
            (tmp_path / name).mkdir()
        with pytest.raises(ImageReadError, match=why):
            read_image(tmp_path / name)
    (tmp_path / "f.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ImageReadError, match=r"f\.zarr is damaged"):
        read_image(tmp_path / "f.zarr")
