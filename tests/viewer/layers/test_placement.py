"""Outputs lie exactly where their source lies, however its layer is transformed."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from viewer_fakes import N_BLOCKS, N_EXPERTS, SIDE, make_segmentation

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers.look import (
    difference_layer,
    mask_layer,
    probability_layers,
)
from napari_dmoe.viewer.layers.placement import (
    TURNED_AXES,
    LayerData,
    data_to_world,
    placement,
    to_image,
)
from napari_dmoe.viewer.routing.extras import Extras
from napari_dmoe.viewer.routing.map_layers import shown_map
from napari_dmoe.viewer.routing.overlay import Overlay


def random_layer(seed: int, shape: tuple[int, ...], **changes: object) -> Image:
    rng = np.random.default_rng(seed)
    n = len(shape)
    rotation, _ = np.linalg.qr(rng.normal(size=(n, n)))
    rotation[0] *= np.sign(np.linalg.det(rotation))
    affine = np.eye(n + 1)
    affine[:-1] += rng.normal(scale=0.3, size=(n, n + 1))
    arguments = {
        "scale": 10.0 ** rng.uniform(-3, 4.3, n),
        "translate": rng.normal(scale=100, size=n),
        "rotate": rotation,
        "shear": rng.normal(scale=0.3, size=n * (n - 1) // 2),
        "affine": affine,
        "units": ("um",) * n,
        "axis_labels": ("t", "z", "y", "x")[-n:],
    }
    return Image(np.zeros(shape), **(arguments | changes))


def assert_same_place(source: Image, output: Labels, grid: Grid, seed: int = 0) -> None:
    indices = np.random.default_rng(seed).uniform(-5, 50, (20, len(grid.step)))
    for index in indices:
        pixel = np.array(grid.start) + np.array(grid.step) * index
        expected = np.array(source.data_to_world(pixel))
        scale = max(1.0, np.abs(expected).max())
        found = np.array(output.data_to_world(index))
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7), (2, 3, 4, 5)])
def test_placement_is_exact_for_any_transform_and_grid(
    seed: int, shape: tuple[int, ...]
) -> None:
    source = random_layer(seed, shape)
    rng = np.random.default_rng(seed + 100)
    n = len(shape)
    start, step = rng.normal(scale=20, size=n), 10.0 ** rng.uniform(-1, 2, n)
    grid = Grid((2,) * n, tuple(start), tuple(step))
    output = Labels(np.zeros((2,) * n, np.uint8), **placement(source, grid))
    assert_same_place(source, output, grid, seed)
    assert output.units == source.units
    assert output.axis_labels == source.axis_labels


def test_the_source_grid_copies_every_transform_as_it_is() -> None:
    source = random_layer(3, (6, 7))
    copied = placement(source, Grid.identity((6, 7)))
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_array_equal(copied[name], getattr(source, name))
    np.testing.assert_array_equal(copied["affine"], source.affine.affine_matrix)


def overlay_layer(source: Image, result: Segmentation, overlay: Overlay) -> LayerData:
    return shown_map(source, result, overlay, Extras()).layer_data


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(12, 9), (4, 12, 9)])
def test_mask_and_experts_lie_on_a_transformed_image(
    seed: int, shape: tuple[int, ...]
) -> None:
    source = random_layer(seed, shape)
    result = make_segmentation(to_image(source))
    data, arguments, kind = mask_layer(source, result)
    mask = Labels(data, **arguments)
    assert kind == "labels"
    assert data.shape == shape
    assert_same_place(source, mask, Grid.identity(shape))
    data, arguments, _ = overlay_layer(source, result, Overlay("dominant", 1))
    experts = Labels(data, **arguments)
    extra = shape[:-2]
    assert data.shape == (*extra, SIDE, SIDE)
    step = tuple(n / SIDE for n in shape[-2:])
    start = tuple((s - 1) / 2 for s in step)
    grid = Grid(
        data.shape, (*(0.0,) * len(extra), *start), (*(1.0,) * len(extra), *step)
    )
    assert_same_place(source, experts, grid)


def test_token_blocks_tile_the_image_without_a_gap() -> None:
    source = Image(np.zeros((12, 9)), scale=(0.5, 2))
    data, arguments, _ = overlay_layer(
        source, make_segmentation(to_image(source)), Overlay("dominant", 0)
    )
    experts = Labels(data, **arguments)
    corner = np.full(2, -0.5)
    np.testing.assert_allclose(
        experts.data_to_world(corner), source.data_to_world(corner), atol=1e-12
    )
    np.testing.assert_allclose(
        experts.data_to_world(corner + SIDE),
        source.data_to_world(corner + np.array([12, 9])),
        atol=1e-12,
    )


def test_a_mask_follows_the_layer_when_x_comes_before_the_plane_axes() -> None:
    source = Image(np.zeros((9, 4, 12)), axis_labels=("x", "t", "y"), scale=(3, 1, 2))
    result = make_segmentation(to_image(source))
    data, arguments, _ = mask_layer(source, result)
    assert data.shape == (9, 4, 12)
    np.testing.assert_array_equal(data[:, 2, :], result.labels[2].T)
    np.testing.assert_array_equal(arguments["scale"], (3, 1, 2))


@pytest.mark.parametrize("n_channels", [2, 3])
def test_one_thick_sample_covers_the_channels(n_channels: int) -> None:
    source = Image(np.zeros((n_channels, 12, 9)), axis_labels=("c", "y", "x"))
    data, arguments, _ = mask_layer(source, make_segmentation(to_image(source)))
    mask = Labels(data, **arguments)
    assert data.shape == (1, 12, 9)
    for channel in range(n_channels):
        place = mask.world_to_data((channel, 0, 0))
        assert round(float(place[0])) == 0
    edges = [mask.data_to_world((edge, 0, 0))[0] for edge in (-0.5, 0.5)]
    np.testing.assert_allclose(edges, (-0.5, n_channels - 0.5))


def test_expert_0_has_a_colour_and_its_own_number() -> None:
    source = Image(np.zeros((12, 9)))
    data, arguments, _ = overlay_layer(
        source, make_segmentation(to_image(source)), Overlay("dominant", 0)
    )
    layer = Labels(data, **arguments)
    assert set(np.unique(data)) == {0}
    assert layer.colormap.map(np.array([0]))[0][3] == 1
    assert layer.get_status((0, 0))["value"].startswith("0; expert: 0")
    colours = {tuple(layer.colormap.map(np.array([e]))[0]) for e in range(N_EXPERTS)}
    assert len(colours) == N_EXPERTS


@pytest.mark.parametrize(("dims", "unit"), [(2, "block"), (3, "stage")])
def test_a_map_says_of_which_block_or_stage_it_is(dims: int, unit: str) -> None:
    source = Image(np.zeros((6, 12, 9)), axis_labels=("z", "y", "x"))
    result = make_segmentation(to_image(source, dims), dims=dims)
    _, arguments, _ = overlay_layer(source, result, Overlay("gate", 2, 1))
    shows = arguments["metadata"]["napari-dmoe"]["shows"]
    assert shows == f"gate of expert 1, {unit} 2"
    data, arguments, _ = overlay_layer(source, result, Overlay("dominant", 2))
    said = Labels(data, **arguments).get_status((0, 0, 0))["value"]
    assert said.endswith(f"expert: 2 (from 0), {unit} 2")


def test_a_block_that_is_not_there_is_refused() -> None:
    source = Image(np.zeros((12, 9)))
    result = make_segmentation(to_image(source))
    with pytest.raises(ValueError, match="no routing of block"):
        overlay_layer(source, result, Overlay("dominant", N_BLOCKS))


def test_the_mask_shows_class_names_and_hides_the_background() -> None:
    source = Image(np.zeros((12, 9)), name="retina")
    data, arguments, _ = mask_layer(source, make_segmentation(to_image(source)))
    layer = Labels(data, **arguments)
    assert layer.name == "retina / mask"
    assert layer.get_status((0, 0))["value"] == "2; class: cup"
    alpha = layer.colormap.map(np.array([0, 1, 2]))[:, 3]
    np.testing.assert_array_equal(alpha, (0, 1, 1))
    assert layer.metadata["napari-dmoe"]["drivers"][0]["value"] == "suspect"


def test_the_affine_is_in_millimetres() -> None:
    source = Image(np.zeros((6, 7)), scale=(20, 30), units=("um", "um"))
    image = to_image(source)
    assert image.unit == "mm"
    np.testing.assert_allclose(image.spacing, (0.02, 0.03))
    assert to_image(Image(np.zeros((6, 7)), scale=(20, 30))).unit is None


@pytest.mark.parametrize(
    ("place", "is_said"),
    [
        ({"scale": (3, -2, 1)}, False),
        ({"rotate": 30}, False),
        ({"affine": np.eye(4)[[2, 1, 0, 3]]}, True),
        ({"rotate": 90}, True),
    ],
)
def test_axes_that_run_along_others_than_their_names_are_said(
    place: dict, is_said: bool
) -> None:
    """A model in 2D ran on planes that are not axial, and nothing said so."""
    data = np.zeros((3, 4, 5))
    for named in ({"axis_labels": ("z", "y", "x")}, {}):
        image = to_image(Image(data, **place, **named))
        assert image.notices == ((TURNED_AXES,) if is_said else ())


def test_the_image_and_its_layer_agree_about_the_world() -> None:
    source = random_layer(5, (3, 6, 7), units=("mm",) * 3)
    np.testing.assert_allclose(to_image(source).affine, data_to_world(source))


TURN = np.radians(25)
HARD = {
    "negative": {"scale": (-0.7, 0.3, -2.0), "translate": (4.0, -9.0, 1e3)},
    "scaled by 20 000": {"scale": (2e4, 2e4, 2e4), "translate": (1e5, -3e5, 7.0)},
    "sheared and turned": {
        "scale": (5.0, 0.6, 0.6),
        "shear": (0.2, -0.1, 0.3),
        "rotate": [
            [1, 0, 0],
            [0, np.cos(TURN), -np.sin(TURN)],
            [0, np.sin(TURN), np.cos(TURN)],
        ],
    },
    "mirrored by its affine": {
        "affine": [[-2e4, 30, 0, 5], [0, 0, -3, 1], [0.1, -4, 0, 9], [0, 0, 0, 1]]
    },
}


def assert_covers(source: Image, output: Image | Labels) -> None:
    """Both reach from the same corners to the same corners of the world."""
    size = np.linalg.norm(np.ptp(source.extent.world, axis=0))
    ends = [
        np.array([(-0.5, n - 0.5) for n in layer.data.shape]).T
        for layer in (source, output)
    ]
    for corner in np.ndindex(*(2,) * source.ndim):
        expected, found = (
            np.array(layer.data_to_world(np.choose(corner, end)))
            for layer, end in zip((source, output), ends, strict=True)
        )
        largest = max(size, np.abs(expected).max())
        assert np.abs(found - expected).max() <= 1e-9 * largest
    assert output.units == source.units
    assert output.axis_labels == source.axis_labels


@pytest.mark.parametrize("how", HARD)
@pytest.mark.parametrize(("dims", "first"), [(2, "t"), (3, "z")])
def test_every_kind_of_output_covers_its_image_exactly(
    how: str, dims: int, first: str
) -> None:
    source = Image(
        np.zeros((6, 12, 9)),
        axis_labels=(first, "y", "x"),
        units=("um", "um", "um") if dims == 3 else ("s", "um", "um"),
        **HARD[how],
    )
    result = make_segmentation(
        to_image(source, dims), dims=dims, has_probabilities=True
    )
    made = [
        mask_layer(source, result),
        *(
            overlay_layer(source, result, Overlay(name, 1, 2))
            for name in ("dominant", "gate", "entropy")
        ),
        *probability_layers(source, result),
        difference_layer(source, np.zeros((6, 12, 9), np.uint8)),
    ]
    assert [kind for *_, kind in made] == [
        *("labels", "labels", "image", "image"),
        *("image", "image", "labels"),
    ]
    for data, arguments, kind in made:
        output = (
            Labels(data, **arguments) if kind == "labels" else Image(data, **arguments)
        )
        assert_covers(source, output)
