"""Whether pictures are told to be masks, and of which image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.imaging import mask_likeness
from napari_dmoe.imaging.label_values import LabelError, is_soft
from napari_dmoe.imaging.mask_likeness import (
    Certainty,
    Picture,
    Values,
    few_values,
    is_folder_of_masks,
    judge,
    mask_base,
    numbers_of,
    values_of,
)

formats = pytest.mark.formats

DISC = np.zeros((40, 50), np.uint8)
DISC[10:30, 12:36] = 1
MASK, PHOTO = Values((0, 255), is_flat=True), Values(is_flat=False)
X = Picture("X", (40, 50), PHOTO)


def photograph(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def jpeg_like(mask: np.ndarray) -> np.ndarray:
    """Return a mask with the small errors that JPEG makes about 0 and 255."""
    noise = np.random.default_rng(2).integers(-6, 7, mask.shape)
    grey = np.clip(mask.astype(int) * 255 + noise, 0, 255).astype(np.uint8)
    grey[0, 0] = 0
    return grey


@pytest.mark.parametrize(
    ("samples", "few"),
    [
        (DISC, (0, 1)),
        (DISC * 255, (0, 255)),
        (DISC.astype(bool), (0, 1)),
        (DISC.astype(np.float32), (0, 1)),
        (DISC.astype(np.uint16) * 65535, (0, 65535)),
        (DISC + (np.arange(40)[:, None] > 20) * DISC, (0, 1, 2)),
    ],
)
def test_few_whole_numbers_are_a_masks(
    samples: np.ndarray, few: tuple[int, ...]
) -> None:
    found = values_of(samples)
    assert found.few == few
    assert found.is_like_mask


@pytest.mark.parametrize(
    "samples",
    [
        photograph((40, 50)),
        np.zeros((40, 50), np.uint8),  # a blank
        DISC.astype(np.float32) * 0.5,  # probabilities
        DISC + 3,  # no background
        np.where(DISC, np.nan, 0.0),
    ],
)
def test_photographs_blanks_and_fractions_are_none(samples: np.ndarray) -> None:
    assert not values_of(samples).is_like_mask


def test_equal_colours_are_one_number_and_others_few_colours() -> None:
    grey = np.dstack([DISC * 255] * 3)
    opaque = np.dstack([grey, np.full_like(DISC, 255)])
    assert values_of(grey, is_colour=True).few == (0, 255)
    assert values_of(opaque, is_colour=True).few == (0, 255)
    red = np.dstack([DISC * 200, DISC * 0, DISC * 0])
    assert values_of(red, is_colour=True) == Values(has_few_colours=True)
    assert not values_of(photograph((40, 50, 3)), is_colour=True).is_like_mask


def test_the_greys_of_a_jpeg_are_a_mask_of_two() -> None:
    soft = jpeg_like(DISC)
    assert len(np.unique(soft)) > 8
    assert values_of(soft).is_grey_of_two
    labels, said = numbers_of(soft)
    assert np.array_equal(labels, DISC * 255)
    assert "JPEG" in said[0]


def test_many_labels_are_flat_and_photographs_are_not() -> None:
    instances = np.kron(np.arange(20).reshape(4, 5), np.ones((10, 20), int))
    assert values_of(instances) == Values(is_flat=True)
    assert values_of(photograph((40, 50))) == Values()


def test_large_masks_are_looked_at_here_and_there() -> None:
    large = np.zeros((3000, 3000), np.uint8)
    large[1000:2000, 1000:2000] = 255
    assert values_of(large).few == (0, 255)


def test_of_a_large_photograph_only_some_samples_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A window waits for it, with 24 million pixels as with one.
    looked_at: list[int] = []

    def noted(found: dict[int, int]) -> bool:
        looked_at.append(sum(found.values()))
        return is_soft(found)

    monkeypatch.setattr(mask_likeness, "is_soft", noted)
    large = np.tile(photograph((100, 100)), (40, 60))
    assert values_of(large) == Values()
    (n,) = looked_at
    assert 2**16 < n <= 2**17
    soft = jpeg_like(np.kron(DISC, np.ones((80, 80), np.uint8)))
    assert values_of(soft).is_grey_of_two
    assert max(looked_at) <= 2**17


def test_of_large_masks_whole_rows_tell_that_they_are_flat() -> None:
    columns = np.arange(3000) // 12  # areas as wide as three of the samples spread
    large = np.broadcast_to(columns.astype(np.uint16), (3000, 3000))
    assert values_of(large).is_flat


def test_few_values_are_counted_in_all_samples() -> None:
    rare = np.zeros(100_001, np.uint8)
    rare[7:17] = np.arange(10)  # not among the samples that are looked at first
    assert few_values(rare).size == 0
    assert sorted(few_values(rare[:12]).tolist()) == [0, 1, 2, 3, 4]


@formats("a mask of few colours, in the dock")
def test_colours_are_numbered_from_dark_to_bright_with_black_as_background() -> None:
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[0, 1] = 0, 90, 0
    colours[1] = 255, 40, 0
    labels, said = numbers_of(colours, is_colour=True)
    assert labels.tolist() == [[0, 1, 0], [2, 2, 2]]
    assert "colours" in said[0]
    with pytest.raises(LabelError, match="many colours"):
        numbers_of(photograph((40, 50, 3)), is_colour=True)


@formats("whole numbers stored as floats, in the dock")
def test_floats_are_labels_where_they_are_whole() -> None:
    labels, _ = numbers_of(DISC * np.float32(255))
    assert labels.dtype.kind in "iu"
    assert np.array_equal(labels, DISC * 255)
    with pytest.raises(LabelError, match="fractions"):
        numbers_of(DISC * 0.5)


def test_names_tell_whose_mask_it_is() -> None:
    assert mask_base("X_segmentation") == mask_base("mask X") == "X"
    assert mask_base("X.labels") == mask_base("X-gt_1") == "X"
    assert mask_base("gtx") == mask_base("X") == ""
    assert is_folder_of_masks("ISIC2018_GroundTruth") is True
    assert is_folder_of_masks("images") is False


@pytest.mark.parametrize(
    ("mask", "certainty", "owners"),
    [
        (Picture("x_Segmentation", (40, 50), MASK), Certainty.CERTAIN, (0,)),
        (Picture("X", (40, 50), MASK, "masks"), Certainty.CERTAIN, (0,)),
        (Picture("X", (40, 50), MASK), Certainty.CERTAIN, (0,)),
        (Picture("drawing", (40, 50), MASK), Certainty.LIKELY, (0,)),
        (Picture("drawing", (9, 9), MASK), Certainty.LIKELY, ()),
        (Picture("Y_mask", (40, 50), MASK), Certainty.LIKELY, (0,)),
        (Picture("X_mask", (40, 50), Values(is_flat=True)), Certainty.LIKELY, (0,)),
        (Picture("X_mask", (40, 50), PHOTO), Certainty.NO, ()),
        (Picture("drawing", (40, 50), PHOTO), Certainty.NO, ()),
    ],
)
def test_certain_is_what_name_and_samples_both_say(
    mask: Picture, certainty: Certainty, owners: tuple[int, ...]
) -> None:
    fitting = [0] if mask.shape == X.shape else []
    found = judge(mask, [X], fitting=fitting)
    assert (found.certainty, found.owners) == (certainty, owners)
    assert found.named == ("Y" if mask.stem == "Y_mask" else "")


def test_a_mask_of_another_size_is_not_taken_for_its_image() -> None:
    found = judge(Picture("X_mask", (20, 25), MASK), [X], fitting=[])
    assert found.certainty is Certainty.LIKELY
    assert (found.owners, found.other_size) == ((), 0)


def test_two_images_of_one_name_leave_it_open() -> None:
    found = judge(Picture("X_mask", (40, 50), MASK), [X, X], fitting=[0, 1])
    assert (found.certainty, found.owners) == (Certainty.LIKELY, (0, 1))


def test_two_drawings_of_one_name_are_not_taken_for_image_and_mask() -> None:
    drawing = Picture("X", (40, 50), MASK)
    found = judge(drawing, [drawing], fitting=[0])
    assert found.certainty is Certainty.LIKELY
