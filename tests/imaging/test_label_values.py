"""What the numbers of a mask stand for."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from napari_dmoe.imaging.label_values import (
    LabelError,
    counted,
    foreground_value,
    is_soft,
    not_classes,
    of_one_class,
    one_number_a_pixel,
    whole_numbers,
)
from napari_dmoe.imaging.spatial import SpatialImage


def disc(side: int = 64) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return ((y - side / 2) ** 2 + (x - side / 3) ** 2) < (side / 5) ** 2


def as_jpeg(mask: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize(
    ("values", "whole"),
    [
        (np.array([True, False]), [1, 0]),
        (np.array([0, 1.0]), [0, 1]),
        (np.array([0, 0.9999999, 254.9999], np.float32), [0, 1, 255]),
        (np.array([0, 1], np.float16), [0, 1]),
    ],
)
def test_labels_are_whole_numbers(values: np.ndarray, whole: list[int]) -> None:
    read = whole_numbers(values)
    assert read.dtype.kind in "ui"
    assert read.tolist() == whole


@pytest.mark.parametrize(
    "values", [np.array([0, 0.5]), np.array([0, np.nan]), np.array([0, np.inf])]
)
def test_what_has_fractions_is_no_label(values: np.ndarray) -> None:
    with pytest.raises(LabelError, match=r"have fractions .*probabilities"):
        whole_numbers(values)


def test_labels_are_counted_whatever_their_range() -> None:
    wide = np.array([[-5, 0, 0], [2**40, 0, 7]])
    assert counted(wide) == {-5: 1, 0: 3, 7: 1, 2**40: 1}
    assert counted(np.zeros((0, 3), np.uint8)) == {}


@pytest.mark.parametrize("value", [255, 65535, 2, 200])
def test_two_values_are_one_class(value: int) -> None:
    mask = disc().astype(np.uint16) * value
    assert foreground_value(counted(mask)) == value
    read, said = of_one_class(mask, counted(mask), "lesion")
    assert (read == disc()).all()
    assert said == f"masks of 0 and {value}: {value} is taken for lesion"


@pytest.mark.parametrize("quality", [30, 50, 75, 95])
@pytest.mark.parametrize("side", [64, 256])
def test_greys_of_a_jpeg_are_one_class(quality: int, side: int) -> None:
    mask = as_jpeg(disc(side), quality)
    assert len(np.unique(mask)) > 2
    read, said = of_one_class(mask, counted(mask), "lesion")
    assert (read == disc(side)).mean() > 0.995
    assert "as JPEG makes them" in said


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, 255],  # 255 may stand for what is not annotated
        [0, 1, 2],
        [0, 2, 3],
        [1, 2],
        list(range(256)),  # a photograph, or numbered lesions
        [0, 1, 2, 255],
    ],
)
def test_other_labels_are_not_one_class(values: list[int]) -> None:
    mask = np.repeat(np.array(values, np.uint8), 20).reshape(len(values), 20)
    assert of_one_class(mask, counted(mask), "lesion") is None
    assert not is_soft(counted(mask))


def test_a_refusal_names_the_labels() -> None:
    assert not_classes([0, 255], 3).startswith(
        "labels are 0 and 255, but the card has classes 0 to 2: save them"
    )
    assert not_classes([0, 1, 9], 3).startswith("labels reach from 0 to 9, but")


def labels_of(data: np.ndarray, axes: str) -> SpatialImage:
    return SpatialImage.from_array(data, axes=axes)


@pytest.mark.parametrize("axes", ["zyx", "tyx", "cyx", "yxc"])
def test_axes_of_one_sample_are_dropped(axes: str) -> None:
    place = -1 if axes == "yxc" else 0
    data = np.expand_dims(disc().astype(np.uint8), place)
    read = one_number_a_pixel(labels_of(data, axes), ("y", "x", "c"))
    assert read.axes == ("y", "x")
    assert (read.data == disc()).all()


def test_a_volume_of_one_slice_keeps_it() -> None:
    data = disc().astype(np.uint8)[None]
    assert one_number_a_pixel(labels_of(data, "zyx"), ("z", "y", "x")).axes == (*"zyx",)


@pytest.mark.parametrize("n", [3, 4])
def test_equal_colours_are_one_number(n: int) -> None:
    data = np.repeat(disc().astype(np.uint8)[..., None] * 255, n, axis=-1)
    data[..., 3:] = 255
    read = one_number_a_pixel(labels_of(data, "yxc"), ("y", "x", "c"))
    assert read.axes == ("y", "x")
    assert np.unique(read.data).tolist() == [0, 255]


def test_a_channel_a_class_is_refused_by_name() -> None:
    one_hot = np.stack([~disc(), disc()], axis=-1).astype(np.uint8)
    with pytest.raises(LabelError, match=r"2 channels, one a class \(one-hot\)"):
        one_number_a_pixel(labels_of(one_hot, "yxc"), ("y", "x", "c"))
    colours = np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)
    with pytest.raises(LabelError, match="save them as a grey image"):
        one_number_a_pixel(labels_of(colours, "yxc"), ("y", "x", "c"))
