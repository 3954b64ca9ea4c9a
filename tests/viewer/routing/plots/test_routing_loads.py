"""The part of an image that is looked at, and how the experts share the work there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from viewer_fakes import make_outcome, make_segmentation

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.layers.slot import LayerSlot
from napari_dmoe.viewer.routing.extras import Extras, routing_for
from napari_dmoe.viewer.routing.plots.loads import PartLoads, region_mask
from napari_dmoe.viewer.routing.plots.region import (
    Part,
    draw_region,
    painted_labels,
    shown_part,
)
from napari_dmoe.viewer.session import results

BOX = np.array([[0, 0], [0, 3], [4, 3], [4, 0]], float)


def loads_of(image: Image, part: Part, **options: object) -> PartLoads:
    return PartLoads(make_segmentation(to_image(image), **options), part, Extras())


def test_a_flat_image_is_seen_whole(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)))
    assert shown_part(viewer, image, 2) == Part()
    load = loads_of(image, Part()).load
    np.testing.assert_allclose(load.sum(1), 1, atol=1e-6)
    assert load[1, 1] == pytest.approx(1 - 0.29 / 9, abs=1e-6)


def test_the_slice_is_named_and_measured_alone(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((4, 12, 9)), axis_labels=("t", "y", "x"))
    viewer.dims.set_current_step(0, 2)
    part = shown_part(viewer, image, 2)
    assert part.at == (("t", 2.0),)
    assert part.words == "the slice t 2"
    made = make_segmentation(to_image(image))
    gates = made.routing.gates[0]
    gates[:, 2] = np.eye(5, dtype=np.float32)[4]
    loads = PartLoads(made, part, Extras())
    np.testing.assert_allclose(loads.load[0], [0, 0, 0, 0, 1])
    np.testing.assert_allclose(loads.per_class(0)[2], [0, 0, 0, 0, 1])


def test_the_tokens_of_a_volume_are_those_of_the_slice(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((6, 12, 9)), scale=(2, 1, 1))
    made = make_segmentation(to_image(image, 3), dims=3)
    made.routing.gates[0][:, 2] = np.eye(5, dtype=np.float32)[4]
    viewer.dims.set_current_step(0, 5)
    part = shown_part(viewer, image, 3)
    assert part.at == (("z", 5.0),)
    assert PartLoads(made, part, Extras()).load[0, 4] == 1
    viewer.dims.ndisplay = 3
    assert shown_part(viewer, image, 3).at == ()


@pytest.mark.parametrize("scale", [(1, 1), (0.5, 3)])
def test_a_region_counts_its_pixels_whatever_its_layers_scale(
    viewer: ViewerModel, scale: tuple[float, float]
) -> None:
    image = viewer.add_image(np.zeros((12, 9)), scale=(2, 2), translate=(5, 7))
    corners = np.array([image.data_to_world(corner - 0.5) for corner in BOX])
    shapes = viewer.add_shapes([corners / scale], shape_type="polygon", scale=scale)
    viewer.layers.selection.active = shapes
    part = shown_part(viewer, image, 2)
    assert part.words == f"the region “{shapes.name}”"
    mask = region_mask(part, ("y", "x"), Grid.identity((12, 9)), (12, 9))
    expected = np.zeros((12, 9), bool)
    expected[:4, :3] = True
    np.testing.assert_array_equal(mask, expected)
    loads = loads_of(image, part)
    # The region is the first token, which shares with the next expert.
    np.testing.assert_allclose(loads.load[0], [0.71, 0.29, 0, 0, 0], atol=1e-6)
    assert np.isnan(loads.per_class(0)[0]).all()  # no background there


def test_an_ellipse_is_round_and_a_line_is_no_region(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((40, 40)))
    box = np.array([[0, 0], [0, 39], [39, 39], [39, 0]], float)
    viewer.add_shapes([box], shape_type="ellipse", name="region")
    viewer.layers.selection.active = image
    part = shown_part(viewer, image, 2)
    mask = region_mask(part, ("y", "x"), Grid.identity((40, 40)), (40, 40))
    assert not mask[0, 0]
    assert mask.sum() == pytest.approx(np.pi * 19.5**2, rel=0.02)
    viewer.layers.remove("region")
    viewer.add_shapes([[[0, 0], [9, 9]]], shape_type="line", name="region")
    assert shown_part(viewer, image, 2).region == ()


def test_a_shape_of_another_slice_does_not_count(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((4, 12, 9)), axis_labels=("z", "y", "x"))
    corners = np.column_stack([np.ones(4), BOX])
    viewer.add_shapes([corners], shape_type="polygon", name="region")
    for step, n_shapes in ((1, 1), (2, 0)):
        viewer.dims.set_current_step(0, step)
        assert len(shown_part(viewer, image, 2).region) == n_shapes
    viewer.layers.remove("region")
    viewer.add_shapes([BOX], shape_type="polygon", name="region")
    assert shown_part(viewer, image, 2).words == "the region “region” of the slice z 2"


def test_a_region_beside_the_image_has_no_load(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)))
    viewer.add_shapes([BOX + 100], shape_type="polygon", name="region")
    loads = loads_of(image, shown_part(viewer, image, 2))
    assert np.isnan(loads.load).all()
    assert loads.words == "the region “region”, of which nothing lies on the image"
    assert loads.warning("block") == ""


def test_collapse_is_said_in_words(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)))
    warning = loads_of(image, Part()).warning("block")
    assert warning.startswith(
        "One expert does nearly all the work: expert 0 in block 0"
    )
    assert "(97%)" in warning


def test_a_mixture_knows_the_routing_of_each_value(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)))
    made = make_segmentation(to_image(image), value=None)
    made.routing.gates[0][1] = np.eye(5, dtype=np.float32)[4]
    extras = Extras()
    found = routing_for(made, "severity", "suspect", extras)
    assert found is not None
    assert found.values == ("suspect",)
    assert found.mean(0)[..., 4].min() == 1
    assert routing_for(made, "severity", "other", extras) is None
    assert routing_for(made, "race", "Asian", extras) is None
    driver = made.provenance.drivers[0].model_copy(update={"between": 0.5})
    update = {"drivers": (driver,)}
    between = replace(made, provenance=made.provenance.model_copy(update=update))
    assert routing_for(between, "severity", "suspect", extras) is None


@pytest.mark.parametrize(
    ("axes", "dims"),
    [
        (("y", "x"), 2),
        (("t", "y", "x"), 2),
        (("x", "t", "y"), 2),
        (("c", "y", "x"), 2),
        (("x", "c", "t", "y"), 2),
        (("z", "y", "x"), 3),
        (("x", "y", "z"), 3),
        (("y", "z", "t", "x"), 3),
    ],
)
def test_a_painted_mask_lies_along_the_axes_of_its_result(
    viewer: ViewerModel, axes: tuple[str, ...], dims: int
) -> None:
    sizes = {"t": 4, "c": 2, "z": 6, "y": 12, "x": 9}
    shape = tuple(sizes[axis] for axis in axes)
    image = viewer.add_image(np.zeros(shape), axis_labels=axes)
    made = make_segmentation(to_image(image, dims), dims=dims)
    result = results.show(viewer, image, make_outcome(made))
    assert painted_labels(image, result) is None
    at = {"t": 3, "c": 0, "z": 4, "y": 10, "x": 7}
    mask = result.mask()
    mask.data_setitem(tuple(np.array([at[axis]]) for axis in axes), 2)
    painted = painted_labels(image, result)
    changed = np.argwhere(painted != made.labels)
    assert changed.tolist() == [[at[axis] for axis in made.axes]]
    mask.data = mask.data[..., :-1]
    assert painted_labels(image, result) is None  # nobody knows where its pixels lie


def test_loads_are_of_the_painted_mask_in_the_slice_and_in_a_region(
    viewer: ViewerModel,
) -> None:
    image = viewer.add_image(np.zeros((6, 12, 9)), axis_labels=("z", "y", "x"))
    made = make_segmentation(to_image(image, 3), dims=3)
    made.routing.gates[0][:] = 0
    for x in range(3):  # expert x has the tokens of column x
        made.routing.gates[0][:, :, :, x, x] = 1
    labels = np.zeros((6, 12, 9), np.int64)
    labels[4, :, :3], labels[4, :, 3:6], labels[4, :, 6:] = 1, 2, 9
    part = Part((("z", 4.0),), (), ("y", "x"))
    loads = PartLoads(made, part, Extras(), labels=labels)
    np.testing.assert_array_equal(loads.per_class(0)[1:, :3], [[1, 0, 0], [0, 1, 0]])
    assert np.isnan(loads.per_class(0)[0]).all()  # 9 is no class, and not background
    assert loads.is_painted
    corner = ((-0.5, 2.5), (-0.5, 3.5), (11.5, 3.5), (11.5, 2.5))
    part = Part((("z", 4.0),), (corner,), ("y", "x"))
    loads = PartLoads(made, part, Extras(), labels=labels)
    assert np.isnan(loads.per_class(0)[1]).all()
    np.testing.assert_array_equal(loads.per_class(0)[2, :3], [0, 1, 0])
    assert not PartLoads(made, part, Extras()).is_painted


def test_the_border_of_the_mask_has_a_row_of_its_own(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((12, 9)))
    made = make_segmentation(to_image(image))
    labels = np.zeros((12, 9), np.uint8)
    labels[:, 3:] = 1  # the border is at columns 2 and 3, in the first two tokens
    made = replace(made, labels=labels)
    (n_rows, n_columns) = made.routing.grids[0].shape
    gates = np.zeros_like(made.routing.gates[0])
    gates[..., 0] = 1
    gates[:, :, 1] = np.eye(5, dtype=np.float32)[4]
    made.routing.gates[0][:] = gates
    loads = PartLoads(made, Part(), Extras())
    assert (n_rows, n_columns) == (3, 3)
    np.testing.assert_allclose(loads.at_border(0), [0.5, 0, 0, 0, 0.5])
    left = Part(region=(((0, 0), (0, 2), (11, 2), (11, 0)),))
    inside = PartLoads(made, left, Extras()).at_border(0)
    np.testing.assert_allclose(inside, [1, 0, 0, 0, 0])
    whole = replace(made, labels=np.zeros_like(labels))
    assert np.isnan(PartLoads(whole, Part(), Extras()).at_border(0)).all()


def test_a_volume_seen_whole_has_no_row_for_the_border(viewer: ViewerModel) -> None:
    image = viewer.add_image(np.zeros((6, 12, 9)))
    made = make_segmentation(to_image(image, 3), dims=3)
    viewer.dims.ndisplay = 3
    part = shown_part(viewer, image, 3)
    assert PartLoads(made, part, Extras()).at_border(0) is None


@pytest.mark.parametrize(
    ("scale", "units"), [((1, 1), None), ((0.01, 0.02), ("mm", "mm"))]
)
def test_a_region_is_drawn_where_the_image_lies(
    viewer: ViewerModel, scale: tuple[float, float], units: object
) -> None:
    image = viewer.add_image(np.zeros((400, 300)), scale=scale, units=units)
    drawn = LayerSlot()
    layer = draw_region(viewer, image, drawn)
    assert viewer.layers.selection.active is layer
    assert layer.mode == "add_rectangle"
    assert layer.units == image.units
    assert layer.current_edge_width == pytest.approx(1.8)  # pixels of 300
    layer.add(BOX - 0.5, shape_type="rectangle")
    part = shown_part(viewer, image, 2)
    np.testing.assert_allclose(part.region[0], BOX - 0.5)
    layer.mode = "select"
    assert draw_region(viewer, image, drawn) is layer
    assert layer.mode == "add_rectangle"
