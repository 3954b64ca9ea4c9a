"""Copies of a picture that share no value with it: scaled, or saved with losses."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from training_cases import CARD, mixed_squares, square

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.training.guarding.at_work import WAS_TRAINED_ON, Guarding
from napari_dmoe.training.guarding.guard import Guard
from napari_dmoe.training.guarding.likeness import Looks, details

RNG = np.random.default_rng(0)
SKIN = [c.image for c in KINDS["skin"].cohort(12, seed=3)]


def image(array: np.ndarray, axes: str) -> SpatialImage:
    return SpatialImage(array, tuple(axes))


def saved(picture: Image.Image, quality: int = 75) -> np.ndarray:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("place", range(3))
def test_a_copy_of_a_photograph_is_known_and_another_is_not(place: int) -> None:
    known, own = Looks([details(each) for each in SKIN[:3]]), SKIN[place]
    photograph = Image.fromarray(np.asarray(own.data))
    height, width = own.spatial_shape
    smaller = photograph.resize((width * 3 // 4, height * 2 // 3))
    for copy in (photograph, smaller, photograph.rotate(90, expand=True)):
        assert known.have(image(saved(copy), "yxc"))
    assert known.have(image(saved(photograph.convert("L")), "yx"))
    assert not any(known.have(other) for other in SKIN[3:])


def test_a_volume_is_known_as_rounded_numbers_on_other_voxels() -> None:
    first, second = (
        ndimage.gaussian_filter(RNG.normal(size=(30, 40, 50)), 1) for _ in range(2)
    )
    known = Looks([details(image(first.astype(np.float32), "zyx")), None])
    rounded = np.rint(first * 400).astype(np.int16)
    assert known.have(image(rounded, "zyx"))
    assert known.have(image(rounded.T[:, ::-1], "xyz"))
    assert known.have(image(ndimage.zoom(first, (0.8, 0.9, 1.2), order=1), "zyx"))
    assert not known.have(image(second, "zyx"))
    assert not known.have(image(first[10], "yx"))


def test_a_picture_without_details_is_like_no_other() -> None:
    for array in (np.zeros((4, 5)), np.full((4, 5), np.nan), np.zeros((0, 0))):
        assert details(image(array, "yx")) is None
    assert details(image(np.full((8, 9, 3), 7, np.uint8), "yxc")) is None
    assert not Looks([]).have(SKIN[0])
    assert not Looks([None]).have(image(np.zeros((4, 5)), "yx"))


def test_one_object_at_one_place_is_another_picture_with_other_grain() -> None:
    pixels = np.full((32, 32), 30.0)
    pixels[8:24, 8:24] = 180
    one, other = (image(pixels + RNG.normal(0, 2, (32, 32)), "yx") for _ in range(2))
    assert not Looks([details(one)]).have(other)
    many = [square(i).image for i in range(60)]
    known = Looks([details(each) for each in many[:30]])
    assert not any(known.have(each) for each in many[30:])


def test_the_training_set_as_jpeg_is_no_guard(tmp_path: Path) -> None:
    cases, rows = mixed_squares(6), []
    for case in cases:
        pixels, truth = np.asarray(case.image.data), np.asarray(case.labels.data)
        Image.fromarray(pixels).resize((64, 64)).save(tmp_path / f"{case.id}.jpg")
        Image.fromarray(truth).resize((64, 64), 0).save(tmp_path / f"{case.id}.png")
        rows.append((f"{case.id}.jpg", f"{case.id}.png", case.patient.severity))
    with (tmp_path / "cohort.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "labels", "severity"), *rows])
    guard = Guard(kind="cohort", name=str(tmp_path))
    assert Guarding.of(guard, CARD, cases).reasons == (WAS_TRAINED_ON,)
    others = [square(100 + i) for i in range(6)]
    assert len(Guarding.of(guard, CARD, others).cases) == 6
