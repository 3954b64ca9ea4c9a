"""Maps, measures, pictures and files of a result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.imaging.files import read_image, safe_stem
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.masks.measures import class_sizes, cup_to_disc
from napari_dmoe.inference.pictures.colours import class_colours, expert_colours
from napari_dmoe.inference.pictures.drawing import (
    experts_picture,
    mask_picture,
    picture_of,
)
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.routing import (
    RoutingMaps,
    dominant_expert,
    expert_load,
)
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.patient import Patient

CLASSES = ("background", "rim", "cup")


def test_the_mean_routing_weights_the_values() -> None:
    gates = np.zeros((2, 1, 1, 3), np.float32)
    gates[0, ..., 0] = 1
    gates[1, ..., 2] = 1
    grid = Grid.identity((1, 1))
    maps = RoutingMaps((gates,), (grid,), ("a", "b"), (0.25, 0.75), (), ("y", "x"))
    assert (maps.n_blocks, maps.n_experts) == (1, 3)
    np.testing.assert_allclose(maps.mean(0)[0, 0], [0.25, 0, 0.75])
    assert dominant_expert(maps.mean(0))[0, 0] == 2
    np.testing.assert_allclose(expert_load(maps.mean(0)), [0.25, 0, 0.75])


def test_areas_use_the_affine_and_name_their_unit() -> None:
    labels = np.array([[0, 1, 1], [2, 2, 2]], np.uint8)
    affine = np.array([[0.0, -0.5, 3], [2.0, 0, 1], [0, 0, 1]])  # turned and mirrored
    rim, cup = class_sizes(SpatialImage(labels, ("y", "x"), affine, "mm"), CLASSES)
    assert (rim.name, rim.n_pixels, rim.size, rim.unit) == ("rim", 2, 2.0, "mm²")
    assert cup.size == 3.0
    plain = class_sizes(SpatialImage(labels, ("y", "x")), CLASSES)
    assert (plain[1].size, plain[1].unit) == (3.0, "px")


def test_volumes_in_mm_are_given_in_millilitres() -> None:
    labels = np.ones((2, 5, 10), np.uint8)
    image = SpatialImage(labels, ("z", "y", "x"), np.diag([5.0, 2, 1, 1]), "mm")
    assert class_sizes(image, CLASSES)[0].size == pytest.approx(1.0)
    assert class_sizes(image, CLASSES)[0].unit == "mL"


def test_series_are_measured_one_image_at_a_time() -> None:
    image = SpatialImage(np.ones((2, 3, 3), np.uint8), ("t", "y", "x"))
    with pytest.raises(ValueError, match="one image at a time"):
        class_sizes(image, CLASSES)


def test_cup_to_disc_by_area_and_height() -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[1:9, 2:7] = 1
    labels[3:5, 3:5] = 2
    ratio = cup_to_disc(labels, CLASSES)
    assert ratio.area == pytest.approx(4 / 40)
    assert ratio.vertical == pytest.approx(2 / 8)
    assert np.isnan(cup_to_disc(np.zeros((4, 4), np.uint8), CLASSES).area)
    assert cup_to_disc(labels, ("background", "lesion")) is None


def test_colours_can_be_told_apart() -> None:
    assert len(set(expert_colours(8))) == 8
    assert len(set(class_colours(CLASSES).values())) == 2
    assert 0 not in class_colours(CLASSES)


def test_a_mask_picture_tints_classes_and_leaves_the_rest() -> None:
    image = picture_of(SpatialImage(np.full((30, 30), 100, np.uint8), ("y", "x")))
    labels = np.zeros((30, 30), np.uint8)
    labels[10:20, 10:20] = 1
    drawn = mask_picture(image, labels, CLASSES)
    assert (drawn[0, 0] == 100).all()
    assert tuple(drawn[10, 10]) == class_colours(CLASSES)[1]  # its border
    assert not (drawn[15, 15] == 100).all()


def test_an_experts_picture_leaves_what_was_not_seen() -> None:
    image = np.full((40, 60, 3), 100, np.uint8)
    gates = np.zeros((2, 2, 4), np.float32)
    gates[0, 0, 1] = gates[0, 1, 2] = gates[1, 0, 3] = gates[1, 1, 0] = 1
    grid = Grid((2, 2), (9.5, 19.5), (20.0, 20.0))  # columns 10 to 50
    drawn = experts_picture(image, gates, grid)
    colours = expert_colours(4)
    assert (drawn[:, :10] == 100).all()
    assert (drawn[:, 50:] == 100).all()
    for (row, column), expert in {
        (5, 12): 1,
        (5, 48): 2,
        (35, 12): 3,
        (35, 48): 0,
    }.items():
        expected = (0.5 * 100 + 0.5 * np.array(colours[expert])).astype(np.uint8)
        np.testing.assert_array_equal(drawn[row, column], expected)


def test_pictures_of_large_and_float_images_are_small_and_8_bit() -> None:
    big = np.linspace(-3, 8, 1500 * 900).reshape(1500, 900)
    big[0, 0] = np.nan
    picture = picture_of(SpatialImage(big, ("y", "x")))
    assert picture.dtype == np.uint8
    assert max(mask_picture(picture, np.zeros(big.shape, int), CLASSES).shape) <= 720


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a/../../b", "a_.._.._b"),
        ("CON", "_CON"),
        ("..", "image"),
        ("x" * 300, "x" * 80),
        ("Größe 1", "Größe_1"),
        ("=1+1", "1_1"),
    ],
)
def test_file_names_are_safe_everywhere(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


def test_a_saved_result_opens_with_its_place_and_record(
    tmp_path: Path, tiny_checkpoint: Callable[..., Path]
) -> None:
    loaded = load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 30, 20), dtype=np.uint8)
    image = SpatialImage.from_array(
        pixels, axes="zyx", spacing=(5, 0.5, 0.25), unit="mm"
    )
    result = segment(loaded, image, Patient(race="Asian"))
    saved = save_segmentation(tmp_path / "out", "case 1", result, image, routing=True)
    labels = read_image(saved.labels)
    np.testing.assert_array_equal(labels.data, result.labels)
    assert labels.axes == ("z", "y", "x")
    assert labels.spacing == pytest.approx((5, 0.5, 0.25))
    assert labels.unit == "mm"
    (routing,) = saved.routing
    gates = read_image(routing)
    assert gates.axes == ("l", "e", "z", "y", "x")
    assert gates.data.shape == (2, 4, 4, 2, 2)
    assert gates.spacing == pytest.approx((5, 0.5 * 16 * 29 / 31, 0.25 * 16 * 19 / 31))
    np.testing.assert_allclose(gates.data.sum(1), 1, atol=1e-6)
    for path in (saved.labels, routing):
        record = json.loads(path.with_suffix(".json").read_text())
        assert Provenance.model_validate(record) == result.provenance
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "case_1.labels.tif",
        "case_1.labels.json",
        "case_1.routing.tif",
        "case_1.routing.json",
    }
