from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import ndimage

from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage, guess_axes

RULES = ("corner-aligned", "half-pixel")
SIZES = st.tuples(st.integers(2, 40), st.integers(2, 40))


def test_identity_grid_is_the_pixels_themselves() -> None:
    grid = Grid.identity((3, 4))
    assert grid == Grid((3, 4), (0.0, 0.0), (1.0, 1.0))
    assert grid.coordinates(1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("rule", "n", "m", "start", "step"),
    [
        ("corner-aligned", 5, 9, 0, 0.5),
        ("corner-aligned", 9, 5, 0, 2),
        ("corner-aligned", 512, 224, 0, 511 / 223),
        ("corner-aligned", 7, 1, 0, 1),
        ("corner-aligned", 1, 4, 0, 0),
        ("half-pixel", 4, 8, -0.25, 0.5),
        ("half-pixel", 8, 4, 0.5, 2),
        ("half-pixel", 6, 2, 1, 3),
        ("half-pixel", 7, 1, 3, 7),
    ],
)
def test_resize_rules_give_their_analytic_coordinates(
    rule: str, n: int, m: int, start: float, step: float
) -> None:
    grid = Grid.identity((n,)).resize((m,), rule)
    assert grid.shape == (m,)
    np.testing.assert_allclose(grid.coordinates(0), start + step * np.arange(m))


@given(SIZES, SIZES)
def test_corner_aligned_keeps_the_centres_of_the_corners(
    shape: tuple[int, int], new: tuple[int, int]
) -> None:
    grid = Grid.identity(shape).resize(new, "corner-aligned")
    for axis in (0, 1):
        where = grid.coordinates(axis)
        assert where[0] == 0
        assert where[-1] == pytest.approx(shape[axis] - 1)


@given(SIZES, SIZES)
def test_half_pixel_keeps_the_outer_edges(
    shape: tuple[int, int], new: tuple[int, int]
) -> None:
    grid = Grid.identity(shape).resize(new, "half-pixel")
    for axis in (0, 1):
        where, half = grid.coordinates(axis), grid.step[axis] / 2
        assert where[0] - half == pytest.approx(-0.5)
        assert where[-1] + half == pytest.approx(shape[axis] - 0.5)


@given(st.integers(2, 40), st.integers(2, 40))
def test_corner_aligned_is_where_scipy_zoom_samples(n: int, m: int) -> None:
    # Mirrored, because rounding can put the last sample outside the default's image.
    zoomed = ndimage.zoom(np.arange(n, dtype=float), m / n, order=1, mode="mirror")
    assume(len(zoomed) == m)
    grid = Grid.identity((n,)).resize((m,), "corner-aligned")
    np.testing.assert_allclose(grid.coordinates(0), zoomed, atol=1e-9)


@given(st.integers(2, 40), st.integers(1, 5))
def test_half_pixel_is_where_scipy_zoom_samples_in_grid_mode(n: int, k: int) -> None:
    zoomed = ndimage.zoom(
        np.arange(n, dtype=float), k, order=1, grid_mode=True, mode="nearest"
    )
    where = Grid.identity((n,)).resize((n * k,), "half-pixel").coordinates(0)
    np.testing.assert_allclose(np.clip(where, 0, n - 1), zoomed, atol=1e-9)


@given(st.data(), SIZES, st.sampled_from(RULES), SIZES)
def test_crop_after_resize_picks_samples_of_the_resized_grid(
    data: st.DataObject, shape: tuple[int, int], rule: str, new: tuple[int, int]
) -> None:
    grid = Grid.identity(shape).resize(new, rule)
    offset = [data.draw(st.integers(0, n - 1)) for n in new]
    size = [data.draw(st.integers(1, n - o)) for n, o in zip(new, offset, strict=True)]
    crop = grid.crop(offset, size)
    assert crop.shape == tuple(size)
    for axis in (0, 1):
        expected = grid.coordinates(axis)[offset[axis] :][: size[axis]]
        np.testing.assert_allclose(crop.coordinates(axis), expected, atol=1e-9)


@given(SIZES, st.sampled_from(RULES), SIZES, SIZES)
def test_two_resizes_are_as_one(
    shape: tuple[int, int],
    rule: str,
    middle: tuple[int, int],
    new: tuple[int, int],
) -> None:
    twice = Grid.identity(shape).resize(middle, rule).resize(new, rule)
    once = Grid.identity(shape).resize(new, rule)
    np.testing.assert_allclose(twice.start, once.start, atol=1e-9)
    np.testing.assert_allclose(twice.step, once.step, atol=1e-9)


@given(SIZES, SIZES, st.sampled_from(RULES), SIZES)
def test_samples_at_source_undo_coordinates(
    shape: tuple[int, int], size: tuple[int, int], rule: str, new: tuple[int, int]
) -> None:
    grid = Grid.identity(shape).centre_crop(size)[0].resize(new, rule)
    for axis, samples in enumerate(grid.samples_at_source(shape)):
        back = grid.start[axis] + grid.step[axis] * samples
        np.testing.assert_allclose(back, np.arange(shape[axis]), atol=1e-9)


@given(SIZES, SIZES, st.sampled_from(RULES), SIZES)
def test_affine_to_source_gives_the_coordinates(
    shape: tuple[int, int], size: tuple[int, int], rule: str, new: tuple[int, int]
) -> None:
    grid = Grid.identity(shape).centre_crop(size)[0].resize(new, rule)
    last = grid.to_source() @ [new[0] - 1, new[1] - 1, 1]
    expected = [grid.coordinates(axis)[-1] for axis in (0, 1)]
    np.testing.assert_allclose(last, [*expected, 1])


@pytest.mark.parametrize(
    ("n", "size", "begin", "end"),
    [(664, 512, 76, 588), (512, 512, 0, 512), (5, 2, 1, 3), (4, 3, 1, 4), (3, 9, 0, 3)],
)
def test_centre_crop_begins_where_the_published_one_does(
    n: int, size: int, begin: int, end: int
) -> None:
    grid, place = Grid.identity((n,)).centre_crop((size,))
    assert place == (slice(begin, end),)
    assert grid == Grid((end - begin,), (float(begin),), (1.0,))
    assert begin == max(0, n // 2 - size // 2)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((9, 8), "yx"), ((3, 3), "yx"), ((9, 8, 3), "yxc"), ((9, 8, 4), "yxc"),
        ((9, 8, 5), "zyx"), ((2, 9, 8, 3), "zyxc"),
    ],
)  # fmt: skip
def test_axes_are_told_from_clear_shapes(shape: tuple[int, ...], axes: str) -> None:
    assert guess_axes(shape) == tuple(axes)


@pytest.mark.parametrize(
    "shape",
    [
        (3, 5, 5),
        (5, 3, 3),
        (4, 4, 4),
        (1, 9, 9),
        (9,),
        (),
        (2, 3, 9, 9),
        (2, 9, 8, 5),
        (1,) * 5,
    ],
)
def test_ambiguous_shapes_are_refused_with_names_to_choose_from(
    shape: tuple[int, ...],
) -> None:
    with pytest.raises(ImageError, match=r'ambiguous.*axes="yxc".*"cyx"') as caught:
        guess_axes(shape)
    assert str(shape) in str(caught.value)


def test_plain_array_becomes_an_image_with_unit_pixels() -> None:
    image = SpatialImage.from_array([[1, 2, 3], [4, 5, 6]])
    assert image.axes == image.spatial_axes == ("y", "x")
    assert image.spatial_shape == (2, 3)
    assert (image.n_channels, image.spacing, image.unit) == (1, (1, 1), None)
    np.testing.assert_array_equal(image.affine, np.eye(3))


def test_named_axes_tell_space_from_the_rest() -> None:
    image = SpatialImage.from_array(
        np.zeros((2, 3, 4, 5, 6)), axes="tczyx", spacing=(5, 0.6, 0.7), unit="mm"
    )
    assert image.spatial_axes == ("z", "y", "x")
    assert image.spatial_shape == (4, 5, 6)
    assert image.n_channels == 3
    assert image.spacing == pytest.approx((5, 0.6, 0.7))


def test_spacing_follows_from_a_rotated_affine() -> None:
    turn = np.array([[0.6, -0.8], [0.8, 0.6]]) @ np.diag([2.0, 0.5])
    affine = np.eye(3)
    affine[:2, :2], affine[:2, 2] = turn, (7, -3)
    image = SpatialImage(np.zeros((4, 4)), ("y", "x"), affine)
    assert image.spacing == pytest.approx((2, 0.5))


def test_affine_is_copied_and_cannot_be_written() -> None:
    affine = np.diag([2.0, 3.0, 1.0])
    image = SpatialImage(np.zeros((4, 4)), ("y", "x"), affine)
    affine[0, 0] = 9
    assert image.spacing == (2, 3)
    with pytest.raises(ValueError, match="read-only"):
        image.affine[0, 0] = 1


@pytest.mark.parametrize(
    ("axes", "affine", "message"),
    [
        (("y",), np.eye(3), r"2 axes of shape \(4, 4\), but 1 names"),
        (("y", "x", "c"), np.eye(3), "2 axes .* but 3 names"),
        (("y", "y"), np.eye(3), "axis names must differ"),
        (("y", "x"), np.eye(4), r"finite 3 x 3 matrix .* found shape \(4, 4\)"),
        (("y", "x"), np.full((3, 3), np.nan), "finite 3 x 3 matrix"),
        (("t", "x"), np.eye(3), "finite 2 x 2 matrix"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    axes: tuple[str, ...], affine: np.ndarray, message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        SpatialImage(np.zeros((4, 4)), axes, affine)


@pytest.mark.parametrize("spacing", [(1,), (1, 2, 3), (0, 1), (-1, 1), (1, np.nan)])
def test_spacing_must_be_positive_and_complete(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ImageError, match=r"spacing needs 2 positive|finite 3 x 3"):
        SpatialImage.from_array(np.zeros((4, 4)), spacing=spacing)
