"""Pixel sizes of TIFF files of other programs: the right length, or none and a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.tiff.writing import write_tiff

formats = pytest.mark.formats

PLANE, VOLUME = np.zeros((9, 14), np.uint8), np.zeros((5, 9, 14), np.uint8)


def written(folder: Path, data: np.ndarray, **how: Any) -> SpatialImage:
    tifffile.imwrite(folder / "a.tif", data, photometric="minisblack", **how)
    return read_image(folder / "a.tif")


def ome(folder: Path, data: np.ndarray, **facts: Any) -> SpatialImage:
    facts["axes"] = "ZYX"[-data.ndim :]
    path = folder / "a.ome.tif"
    tifffile.imwrite(path, data, ome=True, photometric="minisblack", metadata=facts)
    return read_image(path)


def imagej(folder: Path, data: np.ndarray, **facts: Any) -> SpatialImage:
    facts["axes"] = "ZYX"[-data.ndim :]
    across = facts.pop("across", (4.0, 2.0))
    return written(folder, data, imagej=True, metadata=facts, resolution=across)


LENGTHS = [
    ("µm", 1e-3),
    ("nm", 1e-6),
    ("mm", 1.0),
    ("cm", 10.0),
    ("m", 1e3),
    ("Å", 1e-7),
    ("in", 25.4),
]


@formats("OME pixel size, in its unit")
@pytest.mark.parametrize(("unit", "mm"), LENGTHS)
def test_ome_sizes_are_read_in_their_unit(tmp_path: Path, unit: str, mm: float) -> None:
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2.0}
    units = {f"{name}Unit": unit for name in sizes}
    image = ome(tmp_path, VOLUME, **sizes, **units)
    assert image.unit == "mm"
    assert image.spacing == pytest.approx((2 * mm, 0.25 * mm, 0.5 * mm))
    assert image.notices == ()


@formats("OME pixel size without a unit")
def test_ome_sizes_are_micrometres_where_no_unit_stands(tmp_path: Path) -> None:
    image = ome(tmp_path, PLANE, PhysicalSizeX=0.5, PhysicalSizeY=0.25)
    assert image.spacing == pytest.approx((0.00025, 0.0005))
    assert image.unit == "mm"


@formats("OME pixel size that is no length, or of some axes only")
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0}, "along z is not stated"),
        ({f"PhysicalSize{a}": 1.0 for a in "XZ"}, "along y is not stated"),
        ({f"PhysicalSize{a}": -1.0 for a in "XYZ"}, "is no length"),
        ({f"PhysicalSize{a}": 0.0 for a in "XYZ"}, "is no length"),
        (
            {f"PhysicalSize{a}": 1.0 for a in "XYZ"}
            | {f"PhysicalSize{a}Unit": "furlong" for a in "XYZ"},
            "'furlong', which is no unit",
        ),
        (
            {f"PhysicalSize{a}": 1.0 for a in "XYZ"}
            | {f"PhysicalSize{a}Unit": "pixel" for a in "XYZ"},
            None,
        ),
    ],
)
def test_ome_sizes_that_say_no_length_are_left_out(
    tmp_path: Path, facts: dict[str, Any], words: str | None
) -> None:
    image = ome(tmp_path, VOLUME, **facts)
    assert image.unit is None
    assert image.spacing == (1, 1, 1)
    assert [words in said for said in image.notices] == [True] * (words is not None)


@formats("ImageJ pixel size and slice spacing")
@pytest.mark.parametrize(
    ("unit", "mm"),
    [("\\u00B5m", 1e-3), ("micron", 1e-3), ("um", 1e-3), ("microns", 1e-3),
     ("micrometer", 1e-3), ("nm", 1e-6), ("mm", 1.0), ("cm", 10.0), ("inch", 25.4)],
)  # fmt: skip
def test_imagej_sizes_are_read_in_their_unit(
    tmp_path: Path, unit: str, mm: float
) -> None:
    image = imagej(tmp_path, VOLUME, unit=unit, spacing=3.0)
    assert image.unit == "mm"
    assert image.spacing == pytest.approx((3 * mm, 0.5 * mm, 0.25 * mm))
    image = imagej(tmp_path, PLANE, unit=unit)
    assert image.spacing == pytest.approx((0.5 * mm, 0.25 * mm))


@formats("ImageJ without a unit of length, or without a spacing")
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"unit": "pixel", "spacing": 2.0}, None),
        ({"spacing": 2.0}, None),
        ({"unit": "um"}, "along z is not stated"),
        ({"unit": "s", "spacing": 1.0}, "no unit known here"),
        ({"unit": "inch", "spacing": 1.0, "across": (72, 72)}, "72 dots per inch"),
        ({"unit": "cm", "spacing": 1.0, "across": (118.11,) * 2}, "300 dots per inch"),
        ({"unit": "um", "yunit": "mm", "spacing": 1.0}, "units of their own"),
    ],
)
def test_imagej_sizes_that_say_no_length_are_left_out(
    tmp_path: Path, facts: dict[str, Any], words: str | None
) -> None:
    image = imagej(tmp_path, VOLUME, **facts)
    assert image.unit is None
    assert [words in said for said in image.notices] == [True] * (words is not None)


@formats("resolution tags in centimetres or inches")
@pytest.mark.parametrize(
    ("across", "unit", "spacing"),
    [
        ((400, 200), "CENTIMETER", (0.05, 0.025)),
        ((25_400, 25_400), "INCH", (0.001, 0.001)),
        ((100, 100), "CENTIMETER", (0.1, 0.1)),
        ((2, 4), "MILLIMETER", (0.25, 0.5)),
        ((2, 4), "MICROMETER", (0.00025, 0.0005)),
    ],
)
def test_resolution_tags_are_a_pixel_size(
    tmp_path: Path, across: tuple, unit: str, spacing: tuple
) -> None:
    image = written(tmp_path, PLANE, resolution=across, resolutionunit=unit)
    assert image.spacing == pytest.approx(spacing)
    assert image.unit == "mm"
    assert image.notices == ("its pixel size was taken from its resolution tags",)
    volume = written(tmp_path, VOLUME, resolution=across, resolutionunit=unit)
    assert volume.unit is None
    assert volume.notices == ("its pixel size along z is not stated",)


@formats("resolution tags of picture software: 72, 96, 150, 300, 600 dpi and such")
@pytest.mark.parametrize("dpi", [72, 96, 100, 150, 200, 240, 300, 600])
@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER"])
def test_a_printing_resolution_is_no_pixel_size(
    tmp_path: Path, dpi: int, unit: str
) -> None:
    across = dpi if unit == "INCH" else dpi / 2.54
    image = written(tmp_path, PLANE, resolution=(across, across), resolutionunit=unit)
    assert image.unit is None
    assert image.spacing == (1, 1)
    assert f"{dpi} dots per inch" in image.notices[0]


@formats("resolution tags without a unit, of 1, or of 0")
@pytest.mark.parametrize(
    ("across", "unit"),
    [((400, 400), "NONE"), ((1, 1), "INCH"), ((1, 1), "CENTIMETER"), ((0, 0), "INCH")],
)
def test_resolution_tags_that_say_nothing_are_left_out(
    tmp_path: Path, across: tuple, unit: str
) -> None:
    image = written(tmp_path, PLANE, resolution=across, resolutionunit=unit)
    assert image.unit is None
    assert image.notices == ()


@formats("the size that this package wrote")
def test_our_own_words_go_before_the_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for unit, spacing in (("mm", (4.0, 0.5, 0.25)), ("um", (4.0, 0.5, 0.25))):
        write_tiff(path, VOLUME, axes="zyx", spacing=spacing, unit=unit)
        image = read_image(path)
        assert image.unit == unit
        assert image.spacing == pytest.approx(spacing)
        assert image.notices == ()


@pytest.mark.parametrize("orientation", [6, 8, 3])
def test_sides_of_pixels_are_turned_with_them(tmp_path: Path, orientation: int) -> None:
    image = written(
        tmp_path, PLANE, resolution=(400, 200), resolutionunit="CENTIMETER",
        extratags=[(274, "H", 1, orientation, True)],
    )  # fmt: skip
    wanted = (0.05, 0.025) if orientation == 3 else (0.025, 0.05)
    assert image.spacing == pytest.approx(wanted)
    assert image.data.shape == ((9, 14) if orientation == 3 else (14, 9))


@formats("a spacing of one number in a description by tifffile")
def test_a_spacing_that_is_no_list_is_left_aside_and_said(tmp_path: Path) -> None:
    facts = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    image = written(tmp_path, VOLUME, metadata=facts)
    assert image.unit is None
    assert image.notices == (
        "the spacing in its description is not one number an axis",
    )


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((1, 6, 5), [0.5, 0.25]), ((4, 6, 1), [3.0, 0.5]), ((4, 6, 5), [3.0, 0.5, 0.25])],
)
def test_a_mask_of_ours_with_a_single_plane_is_read_as_labels(
    tmp_path: Path, shape: tuple[int, ...], spacing: list[float]
) -> None:
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) % 3
    path = tmp_path / "a.labels.tif"
    write_tiff(path, labels, axes="zyx", spacing=(3.0, 0.5, 0.25), unit="mm")
    found = read_labels(path)
    np.testing.assert_array_equal(found.data, labels)
    np.testing.assert_allclose(np.diag(found.affine)[:-1], spacing)
    assert found.unit == "mm"
