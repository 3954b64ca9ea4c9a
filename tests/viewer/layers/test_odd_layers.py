"""Odd layers: large, coloured, ambiguous, mirrored, without a unit.

Cases 14-22 of ROBUSTNESS.md list C; the table stands in core/test_odd_images.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from stub_networks import thresholding_model

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.layers.axes import layouts, name_axes, question
from napari_dmoe.viewer.layers.look import mask_layer
from napari_dmoe.viewer.layers.placement import axis_names, to_image
from napari_dmoe.viewer.segment.compare.rows import spacing_of
from napari_dmoe.viewer.session.checks import describe_image, image_problem

ON_CPU = InferenceSettings(device="cpu")
WHITE, T1 = Patient(race="White"), Patient(severity="T1")


@pytest.fixture
def plane_model(tiny_checkpoint: Callable[..., Path]) -> Callable[..., LoadedModel]:
    def build(**preprocessing: object) -> LoadedModel:
        stated = Preprocessing(**{"side": 32, "crop": None} | preprocessing)
        card = read_card("fairseg-race").model_copy(update={"preprocessing": stated})
        return load_checkpoint(tiny_checkpoint(3, 3), card=card)

    return build


def pixels(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def mask_on(layer: Image, model: LoadedModel, patient: Patient) -> Labels:
    result = segment(model, to_image(layer, model.card.dims), patient, settings=ON_CPU)
    data, arguments, _ = mask_layer(layer, result)
    return Labels(data, **arguments)


def test_of_a_huge_dask_layer_only_the_crop_is_computed(
    plane_model: Callable[..., LoadedModel],
) -> None:
    array = pytest.importorskip("dask.array")
    computed: list[tuple] = []

    def block(block_info: dict) -> np.ndarray:
        place = block_info[None]
        computed.append(place["chunk-location"])
        return np.full(place["chunk-shape"], 7, np.uint8)

    chunks = ((500,) * 40, (500,) * 40)
    lazy = array.map_blocks(
        block, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0), np.uint8)
    )
    layer = Image(lazy, contrast_limits=(0, 255))
    shown = len(computed)
    result = segment(plane_model(crop=64), to_image(layer), WHITE, settings=ON_CPU)
    assert result.labels.shape == (20_000, 20_000)
    assert set(computed[shown:]) == {(19, 19), (19, 20), (20, 19), (20, 20)}
    assert result.provenance.seen == ((9_968, 10_032),) * 2
    with pytest.raises(ImageError, match="which needs 9 GiB of memory"):
        segment(plane_model(), to_image(layer), WHITE, settings=ON_CPU)


def test_of_a_pyramid_the_finest_level_is_segmented(
    plane_model: Callable[..., LoadedModel],
) -> None:
    fine, model = pixels((40, 60)), plane_model()
    pyramid = Image([fine, fine[::2, ::2]], multiscale=True, scale=(2, 3))
    alone = mask_on(Image(fine, scale=(2, 3)), model, WHITE)
    mask = mask_on(pyramid, model, WHITE)
    np.testing.assert_array_equal(mask.data, alone.data)
    np.testing.assert_array_equal(mask.scale, (2, 3))
    assert describe_image(pyramid).startswith("60 × 40 · finest of 2 levels · grey")


@pytest.mark.parametrize(
    ("shape", "labels", "rgb"),
    [
        ((30, 40, 3), None, True),
        ((30, 40, 4), None, True),
        ((3, 30, 40), ("channel", "y", "x"), False),
        ((4, 30, 40), ("c", "y", "x"), False),
        ((30, 40, 3), ("y", "x", "c"), False),
        ((1, 30, 40), ("c", "y", "x"), False),
    ],
)
def test_channels_are_found_wherever_they_are_named(
    plane_model: Callable[..., LoadedModel],
    shape: tuple[int, ...],
    labels: tuple[str, ...] | None,
    rgb: bool,
) -> None:
    layer = Image(pixels(shape), rgb=rgb, axis_labels=labels)
    assert question(layer) == image_problem(layer, 2) == ""
    model = plane_model()
    names = (*axis_names(layer), "c")  # of an rgb layer the colours are no axis
    last = np.moveaxis(layer.data, names.index("c"), -1)
    image = SpatialImage(last, ("y", "x", "c"))
    expected = segment(model, image, WHITE, settings=ON_CPU).labels
    found = mask_on(layer, model, WHITE).data
    np.testing.assert_array_equal(found.reshape(30, 40), expected)


@pytest.mark.parametrize("n_channels", [2, 5])
def test_channels_that_no_model_takes_are_told_before_the_run(
    plane_model: Callable[..., LoadedModel], n_channels: int
) -> None:
    layer = Image(pixels((n_channels, 30, 40)), axis_labels=("c", "y", "x"))
    assert f"this one has {n_channels} channels" in image_problem(layer, 2)
    with pytest.raises(ImageError, match=f"found {n_channels} channels"):
        mask_on(layer, plane_model(), WHITE)


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1)])
def test_planes_of_one_pixel_across_are_told_before_the_run(
    shape: tuple[int, int],
) -> None:
    assert "at least 2 × 2" in image_problem(Image(np.zeros(shape)), 2)


@pytest.mark.parametrize(
    ("shape", "which"),
    [
        ((3, 5, 5), "first"),
        ((2, 30, 40), "first"),
        ((4, 30, 40), "first"),
        ((9, 3, 30, 40), "second"),
        ((30, 40, 3), "last"),
        ((30, 40, 2), "last"),
        ((9, 30, 40, 4), "last"),
    ],
)
def test_what_may_be_channels_or_planes_is_asked(
    shape: tuple[int, ...], which: str
) -> None:
    layer = Image(np.zeros(shape), rgb=False)
    assert f"Does the {which} axis hold channels or planes?" in question(layer)
    assert image_problem(layer, 2) == image_problem(layer, 3) == question(layer)
    assert len(layouts(layer)) > 1
    for names in layouts(layer):
        name_axes(layer, names)
        assert question(layer) == ""
        assert axis_names(layer) == names


@pytest.mark.parametrize(
    ("names", "axes", "said"),
    [
        ("zyx", ("z", "y", "x"), "plane by plane over z 3"),
        ("tyx", ("t", "y", "x"), "plane by plane over time 3"),
        ("cyx", ("y", "x"), "colour"),
    ],
)
def test_a_stack_is_run_by_a_2d_model_as_its_axes_were_chosen(
    plane_model: Callable[..., LoadedModel],
    names: str,
    axes: tuple[str, ...],
    said: str,
) -> None:
    layer = Image(pixels((3, 20, 24)))
    name_axes(layer, tuple(names))
    assert said in describe_image(layer)
    result = segment(plane_model(), to_image(layer), WHITE, settings=ON_CPU)
    assert result.axes == axes
    assert mask_layer(layer, result)[0].shape == (3 if "c" not in names else 1, 20, 24)


def test_an_axis_that_nobody_named_is_told_with_its_length() -> None:
    said = describe_image(Image(pixels((5, 20, 24))))
    assert "plane by plane over 5 along axis 0, not named" in said


@pytest.mark.parametrize("signs", [(1, 1, -1), (1, -1, 1), (-1, -1, 1), (-1, -1, -1)])
@pytest.mark.parametrize("spacing", [None, (2.0, 1.5, 1.0)])
def test_a_mask_overlays_a_mirrored_volume_exactly(
    signs: tuple[int, ...], spacing: tuple[float, ...] | None
) -> None:
    data = np.zeros((8, 20, 24), np.float32)
    data[1:3, 2:9, 15:22] = 1  # in no way symmetric
    scale = np.array((2.0, 1.5, 1.0)) * signs
    layer = Image(data, scale=scale, translate=(5, -7, 3), units=("mm",) * 3)
    mask = mask_on(layer, thresholding_model(window=(0, 1), spacing=spacing), T1)
    np.testing.assert_array_equal(mask.data, data > 0.5)
    for index in np.ndindex(2, 2, 2):
        place = np.array(index) * (np.array(data.shape) - 1)
        found, expected = mask.data_to_world(place), layer.data_to_world(place)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * 40)


@pytest.mark.parametrize("signs", [(1, -1), (-1, 1), (-1, -1)])
def test_a_mask_overlays_a_mirrored_plane_exactly(
    plane_model: Callable[..., LoadedModel], signs: tuple[int, int]
) -> None:
    data, model = pixels((30, 40)), plane_model()
    layer = Image(data, scale=np.array((20_000, 3)) * signs, translate=(9, -9))
    mask = mask_on(layer, model, WHITE)
    np.testing.assert_array_equal(mask.data, mask_on(Image(data), model, WHITE).data)
    for place in ((0, 0), (29, 39), (-0.5, 39.5)):
        found, expected = mask.data_to_world(place), layer.data_to_world(place)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * 6e5)


def test_distances_are_measured_in_mm_along_the_axes_of_the_layer() -> None:
    layer = Image(
        np.zeros((9, 8, 7)), scale=(600, 5000, 600), axis_labels=("x", "z", "y"),
        units=("um",) * 3,
    )  # fmt: skip
    assert spacing_of(layer, 3) == (pytest.approx((0.6, 5, 0.6)), "mm")


@pytest.mark.parametrize(
    ("units", "scale", "step", "size"),
    [
        (("mm",) * 3, (4, 3, 3), (0.5, 1, 1), "3 × 3 × 4 mm voxels"),
        (("um",) * 3, (4000, 3000, 3000), (0.5, 1, 1), "3 × 3 × 4 mm voxels"),
        (("um", "mm", "cm"), (4000, 3, 0.3), (0.5, 1, 1), "3 × 3 × 4 mm voxels"),
        (None, (4, 3, 3), (1, 1, 1), "pixel size unknown"),
        (("s", "mm", "mm"), (4, 3, 3), (1, 1, 1), "pixel size unknown"),
    ],
)
def test_only_lengths_resample_a_volume_and_others_are_said(
    units: tuple[str, ...] | None,
    scale: tuple[float, ...],
    step: tuple[float, ...],
    size: str,
) -> None:
    layer = Image(np.zeros((8, 20, 24)), scale=scale, units=units)
    assert size in describe_image(layer, 3)
    model = thresholding_model(window=(0, 1), spacing=(2, 3, 3))
    record = segment(model, to_image(layer, 3), T1, settings=ON_CPU).provenance
    assert record.grid["step"] == pytest.approx(step)
    is_unknown = any("voxel size is not known" in said for said in record.notices)
    assert is_unknown == (size == "pixel size unknown")


@pytest.mark.parametrize(
    ("shape", "labels", "dims", "n_channels", "words"),
    [
        ((20, 20), "yx", 2, 1, ""),
        ((20, 20), "yx", 2, 2, ""),
        ((2, 20, 20), "cyx", 2, 2, ""),
        ((4, 20, 20), "cyx", 2, 3, ""),
        ((2, 20, 20), "cyx", 2, 3, "grey or colour images, this one has 2 channels"),
        ((3, 20, 20), "cyx", 2, 2, "images of 2 channels, this one has 3 channels"),
        ((20, 20, 3), "rgb", 2, 1, "takes grey images, this one has 3 channels"),
        ((2, 9, 20, 20), "czyx", 3, 2, ""),
        ((9, 20, 20), "zyx", 3, 2, "images of 2 channels, this one has 1 channel."),
        ((2, 9, 20, 20), "czyx", 3, 1, "takes grey images, this one has 2 channels"),
        ((20, 20), "yx", 3, 2, "takes volumes of 2 channels"),
    ],
)
def test_channels_that_the_network_does_not_take_are_told_before_the_run(
    shape: tuple[int, ...], labels: str, dims: int, n_channels: int, words: str
) -> None:
    is_rgb = labels == "rgb"
    layer = Image(pixels(shape), rgb=is_rgb, axis_labels="yx" if is_rgb else labels)
    said = image_problem(layer, dims, n_channels)
    assert (words in said) if words else (said == "")
