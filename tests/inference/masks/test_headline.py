"""One line says what came out of a run: nothing, what is implausible, or the areas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.masks.headline import mask_headline
from napari_dmoe.inference.results.provenance import (
    FocusRecord,
    ModelRecord,
    Provenance,
)
from napari_dmoe.inference.running.recording import image_record
from napari_dmoe.models.class_spans import ClassSpan
from napari_dmoe.quantities import percent, sized

SIDE = 100
FUNDUS = ("background", "rim", "cup")
SPANS = (
    ClassSpan(name="disc", n=400, least=0.008, most=0.28, least_filled=0.99),
    ClassSpan(name="rim", n=400, least=0.002, most=0.22, least_filled=0.07),
    ClassSpan(name="cup", n=400, least=0.001, most=0.2, least_filled=0.9),
)


def record_of(
    image: SpatialImage,
    classes: Sequence[str] = FUNDUS,
    spans: tuple[ClassSpan, ...] | None = SPANS,
    dims: int = 2,
) -> Provenance:
    """Return the record of a run that saw the whole image."""
    shape = image.spatial_shape[-dims:]
    model = ModelRecord(
        card="fake",
        title="Fake",
        architecture="dmoe-vit",
        file="",
        sha256="",
        notice=None,
        class_spans=spans,
    )
    return Provenance(
        created="2026-01-01T00:00:00+00:00",
        versions={},
        device="cpu",
        model=model,
        drivers=(),
        image=image_record(image),
        settings={"scored_at": "source"},
        classes=tuple(classes),
        grid={"shape": shape, "start": (0,) * dims, "step": (1,) * dims},
        seen=tuple((0, n) for n in shape),
        notices=(),
    )


def picture(spacing: float | None = None) -> SpatialImage:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    known = None if spacing is None else [spacing] * 2
    unit = None if spacing is None else "mm"
    return SpatialImage.from_array(pixels, axes="yx", spacing=known, unit=unit)


def disc(radius: float, cup: float = 0.0, *, at: tuple[int, int] = (50, 50)) -> NDArray:
    """Return a round rim with a round cup in it."""
    y, x = np.mgrid[:SIDE, :SIDE]
    apart = np.hypot(y - at[0], x - at[1])
    return ((apart <= radius).astype(np.uint8) + (apart < cup)).astype(np.uint8)


def test_areas_are_said_with_their_unit() -> None:
    image = picture(0.1)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[40:52, 40:56] = 1
    mask[42:50, 44:52] = 2
    record = record_of(image, spans=None)
    assert mask_headline(mask, record, image) == "rim 1.28 mm², cup 0.640 mm²"


def test_nothing_found_is_said() -> None:
    image = picture()
    empty = np.zeros((SIDE, SIDE), np.uint8)
    assert mask_headline(empty, record_of(image), image) == "Nothing found"


def test_a_class_that_is_absent_while_others_are_there_is_said() -> None:
    image = picture()
    assert mask_headline(disc(10), record_of(image), image) == "rim 317 px, no cup"


def test_a_disc_that_is_most_of_the_picture_is_implausible() -> None:
    image = picture()
    mask = disc(44, 12)  # 61 % of the picture
    said = mask_headline(mask, record_of(image), image)
    assert said == (
        "Implausible: disc is 61 % of the picture, in training 0.8 % to 28 %"
    )


def test_what_is_far_smaller_than_in_training_is_implausible() -> None:
    image = picture()
    said = mask_headline(disc(3), record_of(image), image)
    assert said.startswith("Implausible: disc is 0.29 % of the picture")


def test_a_second_pass_makes_nothing_a_larger_part_of_the_picture() -> None:
    image = picture()
    focus = {"margin": 0.5, "least": 0.4, "found": True}
    searched = FocusRecord(searched=((0, SIDE), (0, SIDE)), **focus)
    update = {"seen": ((25, 75), (25, 75)), "focus": searched}
    record = record_of(image).model_copy(update=update)
    once = mask_headline(disc(22, 12), record_of(image), image)
    assert mask_headline(disc(22, 12), record, image) == once
    assert once.startswith("rim")  # 61 % of the square


def test_what_the_network_did_not_see_is_no_part_of_the_picture() -> None:
    image = picture()
    record = record_of(image).model_copy(update={"seen": ((25, 75), (25, 75))})
    # 1257 of the 2500 pixels that were seen.
    said = mask_headline(disc(20, 5), record, image)
    assert said.startswith("Implausible: disc is 50 % of the picture")


def test_a_mask_in_pieces_is_implausible_where_training_showed_whole_ones() -> None:
    image = picture()
    mask = disc(15, 8, at=(30, 30)) + disc(8, at=(85, 85))
    said = mask_headline(mask, record_of(image), image)
    assert said == "Implausible: disc is ragged, bent or in pieces, unlike training"
    whole = disc(15, 8, at=(30, 30))
    assert mask_headline(whole, record_of(image), image) == "rim 516 px, cup 193 px"


@pytest.mark.parametrize("n", [1, 15], ids=["one", "fifteen"])
def test_few_training_cases_make_nothing_implausible(n: int) -> None:
    image = picture()
    few = tuple(span.model_copy(update={"n": n}) for span in SPANS)
    said = mask_headline(disc(44, 12), record_of(image, spans=few), image)
    assert said.startswith("rim ")


def volume(spacing: float) -> tuple[SpatialImage, Provenance]:
    data = np.zeros((20, 20, 20), np.int16)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    image = SpatialImage(data, ("z", "y", "x"), affine, "mm")
    spans = (
        ClassSpan(name="target", n=50, least=0.001, most=0.01, least_ml=2, most_ml=120),
    )
    classes = ("background", "target")
    return image, record_of(image, classes, spans, dims=3)


def test_volumes_are_measured_in_ml_whatever_else_a_scan_shows() -> None:
    image, record = volume(4.0)
    mask = np.zeros(image.data.shape, np.uint8)
    mask[5:15, 5:15, 5:15] = 1  # 64 mL, and an eighth of the volume
    assert mask_headline(mask, record, image) == "target 64.0 mL"
    image, record = volume(8.0)
    assert mask_headline(mask, record, image) == (
        "Implausible: target is 512 mL, in training 2–120 mL"
    )


def stack(*planes: NDArray) -> tuple[NDArray, Provenance, SpatialImage]:
    labels = np.stack(planes)
    image = SpatialImage.from_array(np.zeros_like(labels), axes="tyx")
    return labels, record_of(image), image


def test_a_stack_says_in_how_many_planes() -> None:
    empty = np.zeros((SIDE, SIDE), np.uint8)
    assert mask_headline(*stack(empty, empty)) == "Nothing found in 2 planes"
    said = mask_headline(*stack(disc(20, 8), disc(20), empty))
    assert said == "rim in 2, cup in 1 of 3 planes"
    said = mask_headline(*stack(disc(20, 8), disc(44, 12), empty))
    assert said == (
        "Implausible in 1 of 3 planes: disc is 61 % of the picture, in training 0.8 % "
        "to 28 %"
    )


def test_many_classes_make_no_long_line() -> None:
    image = picture()
    classes = ("background", *(f"organ {i}" for i in range(9)))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for label in range(1, 7):
        mask[label, :label] = label
    said = mask_headline(mask, record_of(image, classes, None), image)
    assert said == (
        "organ 0 1 px, organ 1 2 px, organ 2 3 px, organ 3 4 px, 2 more classes; "
        "3 not found"
    )


@pytest.mark.parametrize(
    ("share", "said"),
    [(1, "100 %"), (0.611, "61 %"), (0.0792, "7.9 %"), (0.00794, "0.79 %")],
)
def test_shares_are_said_in_two_digits(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.parametrize(
    ("size", "said"), [(1.9234, "1.92"), (0.5, "0.500"), (317, "317"), (164.6, "165")]
)
def test_sizes_are_said_in_three_digits(size: float, said: str) -> None:
    assert sized(size) == said
