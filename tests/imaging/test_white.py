"""One decision on what is white, for all planes of an image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from scipy import ndimage
from stub_networks import thresholding_model

from napari_dmoe.imaging.preprocessing import Prepared, Preprocessing, prepare
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import prepare_volume
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Progress

SETTINGS = Preprocessing(side=32, resize="half-pixel")
WHITE = Patient(race="White")


@pytest.fixture
def race(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")


def ready(data: NDArray, axes: str | None = None) -> Prepared:
    return prepare(SpatialImage.from_array(data, axes=axes), SETTINGS)


def photograph() -> NDArray[np.uint8]:
    return skimage.data.camera()[100:300, 150:350]


def with_value(data: NDArray, value: float) -> NDArray:
    data = data.copy()
    data[60, 60] = value
    return data


BYTES = photograph()
FLOATS = (BYTES / 255).astype("f4")
STORED = {
    "fractions": FLOATS,
    "fractions of 64 bits": BYTES / 255,
    "half floats": FLOATS.astype("f2"),
    "floats up to 255": BYTES.astype("f4"),
    "a hair above 1": with_value(FLOATS, np.float32(1.0000002)),
    "a hair above 1 everywhere": FLOATS * np.float32(1.0000002),
    "half floats above 1": (FLOATS * 1.001).astype("f2"),
    "a hot pixel of 3.7": with_value(FLOATS, 3.7),
    "a hot pixel of 300 among fractions": with_value(FLOATS, 300),
    "a hot pixel of 60000 among fractions": with_value(FLOATS, 60000),
    "a hair above 255": (BYTES * 1.0000004).astype("f4"),
    "up to 255.4": (BYTES * (255.4 / 255)).astype("f4"),
    "a hot pixel of 60000": with_value(BYTES.astype("u2"), 60000),
    "a hot pixel of 1e30": with_value(BYTES.astype("f4"), 1e30),
    "bytes in 16 bits": BYTES.astype("u2"),
    "bytes spread over 16 bits": BYTES.astype("u2") * 257,
    "signed": BYTES.astype("i4"),
}


@pytest.mark.formats(
    "floats of 0 to 1, and a hair above",
    "floats of 0 to 255, and a hair above",
    "16 bits that hold 8, as they are or times 257",
)
@pytest.mark.parametrize("name", STORED)
def test_the_same_pixels_give_the_same_input(name: str) -> None:
    found, expected = ready(STORED[name]).tensor, ready(BYTES).tensor
    # One pixel may differ by as much as it is of a pixel of the input: 6 by 6.
    limit = 1.2 / 36 if "pixel" in name or "above 1" in name else 2e-3
    assert float((found - expected).abs().max()) <= limit
    assert float((found - expected).abs().mean()) <= 1e-3


@pytest.mark.parametrize("scale", [1, 255])
def test_a_cubic_zoom_reaches_beyond_white_and_is_not_black(scale: int) -> None:
    square = np.zeros((60, 60))
    square[20:40, 20:40] = scale
    zoomed = ndimage.zoom(square, 3.3, order=3)
    assert zoomed.max() > 1.02 * scale
    prepared = ready(zoomed)
    clipped = ready((255 * np.clip(zoomed / scale, 0, 1)).astype("u1"))
    assert float((prepared.tensor - clipped.tensor).abs().max()) < 0.01
    assert any(f"{scale} was taken for white" in said for said in prepared.notices)


def test_hot_pixels_are_said_and_become_white() -> None:
    prepared = ready(STORED["a hot pixel of 3.7"])
    assert prepared.notices == (
        "values reach 3.7: 1 was taken for white, and 1 value above it became white",
    )
    assert prepared.white.top == 1


@pytest.mark.parametrize("value", [3.7, 200, 300, 60000, 1e10])
def test_many_hot_pixels_do_not_turn_a_picture_black(value: float) -> None:
    hot = FLOATS.copy()
    hot[::20, ::25] = value
    prepared = ready(hot)
    assert prepared.white.top == 1
    assert float((prepared.tensor - ready(BYTES).tensor).mean()) < 2e-3
    assert "and 80 values above it became white" in prepared.notices[-1]


@pytest.mark.parametrize(
    ("value", "top"), [(30, 255), (200, 255), (300, 255), (1000, 1000), (1e6, 1e6)]
)
def test_what_hot_pixels_make_black_says_so(value: float, top: float) -> None:
    """Too dark for fractions, or too many hot pixels: it is black, not silently."""
    hot = FLOATS / 20
    hot[::20, ::25] = value
    white = ready(hot).white
    assert white.top == top
    assert "nearly black" in " ".join((*white.notices, white.statement))


def test_deep_images_that_show_something_are_not_called_black() -> None:
    for top in (300, 1000, 4095, 60000):
        white = ready((FLOATS * top).astype("u2")).white
        assert "nearly black" not in " ".join((*white.notices, white.statement))


@pytest.mark.formats("12 or 16 bits")
def test_images_of_12_bits_are_scaled_as_they_were_and_hot_pixels_left_out() -> None:
    deep = BYTES.astype("u2") * 16
    high = int(deep.max())
    prepared = ready(deep)
    words = f"values reach {high}: 0 to {high} was scaled to 0 to 255"
    assert prepared.notices == (words,)
    expected = ready(deep / high).tensor
    np.testing.assert_allclose(prepared.tensor, expected, atol=1e-6)
    hot = ready(with_value(deep, 60000))
    assert hot.white.top == high
    assert float((hot.tensor - expected).abs().max()) < 1.2 / 36


def test_a_small_bright_object_on_black_is_no_hot_pixel() -> None:
    dark = np.zeros((200, 200))
    dark[90:94, 90:94] = np.linspace(100, 200, 16).reshape(4, 4)
    assert ready(dark).white.top == 255
    assert ready((dark * 10).astype("u2")).white.top == 2000


def test_floats_that_are_nearly_black_say_so(race: LoadedModel) -> None:
    (notice,) = segment(race, FLOATS * 9, WHITE).provenance.notices
    assert "255 was taken for white, so that it is nearly black" in notice


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (FLOATS * np.float32(0.83 / FLOATS.max()), "reach 0.83: 1 was taken for white"),
        (BYTES.astype("f4"), f"reach {BYTES.max()}: 255 was taken for white"),
    ],
)
def test_what_is_white_of_floats_is_told_and_recorded(
    race: LoadedModel, data: NDArray, words: str
) -> None:
    stack = SpatialImage.from_array(np.stack([data, data]), axes="zyx")
    for image in (data, stack):
        (notice,) = segment(race, image, WHITE).provenance.notices
        assert notice == f"the image's values {words}"


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4"])
def test_bytes_need_no_notice(race: LoadedModel, dtype: str) -> None:
    assert segment(race, BYTES.astype(dtype), WHITE).provenance.notices == ()


def inputs(loaded: LoadedModel, stack: NDArray, axes: str) -> NDArray:
    """Return what the network sees of every plane of a stack."""
    image, seen = SpatialImage.from_array(stack, axes=axes), []
    forward = loaded.network.forward

    def spy(rows: object, *arguments: object, **named: object) -> object:
        seen.append(np.asarray(rows))
        return forward(rows, *arguments, **named)

    loaded.network.forward = spy
    segment(loaded, image, WHITE)
    return np.concatenate(seen)


@pytest.mark.parametrize("axes", ["tyx", "zyx"])
@pytest.mark.parametrize(
    ("unit", "dtype"),
    [(1 / 255, "f4"), (16, "u2"), (1, "f8"), (257, "u2"), (1, "u1"), (100, "i4")],
)
def test_planes_of_a_stack_keep_their_relation(
    race: LoadedModel, unit: float, dtype: str, axes: str
) -> None:
    shares = np.array([1, 0.5, 0.004, 0, 0.25])
    shapes = (BYTES * shares[:, None, None]).astype("u1")
    seen = inputs(race, (shapes * np.float64(unit)).astype(dtype), axes)
    high = BYTES.max() / 255 if unit in (16, 100) else 1
    expected = [
        prepare(plane, race.preprocessing).tensor / high
        for plane in (SpatialImage.from_array(each) for each in shapes)
    ]
    np.testing.assert_allclose(seen[:, 0], np.concatenate(expected), atol=1e-5)


def test_a_dark_plane_of_a_float_stack_is_no_fraction(race: LoadedModel) -> None:
    stack = np.stack([BYTES.astype("f4"), np.full(BYTES.shape, 0.9, "f4")])
    assert inputs(race, stack, "zyx")[1].max() < 0.01


def test_constant_planes_of_a_stack_are_counted(race: LoadedModel) -> None:
    stack = np.stack([BYTES, np.zeros_like(BYTES), np.full_like(BYTES, 9)])
    image = SpatialImage.from_array(stack, axes="zyx")
    assert segment(race, image, WHITE).provenance.notices == (
        "2 of 3 planes are constant: there is nothing to segment there",
    )


class LazyStack:
    """A stack that is read from somewhere, and notes how often."""

    def __init__(self, data: NDArray) -> None:
        self.data, self.shape, self.ndim = data, data.shape, data.ndim
        self.dtype, self.asked = data.dtype, []

    def __getitem__(self, index: tuple) -> NDArray:
        self.asked.append(index[0])
        return self.data[index]


@pytest.mark.parametrize(("dtype", "reads"), [("u1", 1), ("f4", 2), ("u2", 2)])
def test_a_lazy_stack_is_read_plane_by_plane(
    race: LoadedModel, dtype: str, reads: int
) -> None:
    data = np.stack([BYTES, BYTES // 2, BYTES // 9]).astype(dtype)
    lazy = LazyStack(data)
    result = segment(race, SpatialImage(lazy, ("z", "y", "x")), WHITE)
    assert sorted(lazy.asked) == sorted([0, 1, 2] * reads)
    plain = segment(race, SpatialImage(data, ("z", "y", "x")), WHITE)
    np.testing.assert_array_equal(result.labels, plain.labels)


def test_stop_acts_while_a_stack_is_looked_at(race: LoadedModel) -> None:
    lazy = LazyStack(np.stack([FLOATS] * 20))
    told = []

    def stop(step: Progress) -> None:
        told.append(step)
        if len(lazy.asked) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        segment(race, SpatialImage(lazy, ("z", "y", "x")), WHITE, progress=stop)
    assert lazy.asked == [0, 1]


def test_runs_that_share_batches_decide_once(race: LoadedModel) -> None:
    lazy = LazyStack(np.stack([FLOATS, FLOATS / 3]))
    image = SpatialImage(lazy, ("z", "y", "x"))
    result = segment(race, image, settings=InferenceSettings(device="cpu"))
    assert len(result.by_value) == 3
    assert lazy.asked == [0, 1, 0, 1]


def ball(inside: float, around: float = 0) -> SpatialImage:
    grid = np.indices((40, 40, 40)) - 19.5
    data = np.where((grid**2).sum(0) < 9, inside, around).astype("f4")
    return SpatialImage(data, ("z", "y", "x"), np.eye(4), "mm")


@pytest.mark.formats("a volume of nearly all one value")
def test_a_volume_of_nearly_all_one_value_is_not_black() -> None:
    image = ball(700, 20)
    prepared = prepare_volume(image, VolumePreprocessing())
    assert prepared.notices == (
        "nearly all intensities are 20: not the percentiles but the whole range, "
        "20 to 700, was scaled to 0 to 1",
    )
    np.testing.assert_array_equal(prepared.tensor[0].numpy(), image.data == 700)


@pytest.mark.parametrize(
    ("inside", "around", "words"),
    [
        (
            0,
            -1000,
            "nearly all intensities lie below the model's window of -200 to 300",
        ),
        (50, -200, "nearly all intensities lie below"),
        (0, 2000, "nearly all intensities lie above"),
        (0, 50, "nearly all intensities are alike in"),
    ],
)
def test_a_window_in_which_hardly_anything_shows_is_said(
    inside: float, around: float, words: str
) -> None:
    prepared = prepare_volume(
        ball(inside, around), VolumePreprocessing(window=(-200, 300))
    )
    assert any(said.startswith(words) for said in prepared.notices)


def test_volumes_of_a_series_keep_their_relation() -> None:
    model = thresholding_model(window=None)
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 100, (8, 32, 64)).astype("f4")
    series = np.stack([first, first / 4])
    image = SpatialImage(series, ("t", "z", "y", "x"), np.eye(4), "mm")
    result = segment(model, image, Patient(severity="T1"))
    assert result.labels[0].mean() == pytest.approx(0.5, abs=0.02)
    assert not result.labels[1].any()
    one = SpatialImage(series[:1], ("t", "z", "y", "x"), np.eye(4), "mm")
    alone = SpatialImage(first, ("z", "y", "x"), np.eye(4), "mm")
    np.testing.assert_array_equal(
        segment(model, one, Patient(severity="T1")).labels[0],
        segment(model, alone, Patient(severity="T1")).labels,
    )
