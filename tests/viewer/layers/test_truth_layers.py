"""Labels as the truth of an image: what they stand for, and where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from PIL import Image as Picture

from napari_dmoe.imaging.spatial import ImageReadError
from napari_dmoe.viewer.layers.label_meanings import stated_names
from napari_dmoe.viewer.layers.labels_on import (
    fits,
    laid,
    on_image,
    seen_image,
    why_not,
)
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.truth_layers import (
    read_truth,
    read_truth_file,
    truth_layer,
)

SKIN = ("background", "lesion")
FUNDUS = ("background", "rim", "cup")
MM = {"units": ("mm", "mm"), "scale": (0.5, 0.5)}


def image(shape: tuple[int, ...] = (4, 3), **how: object) -> Image:
    return Image(np.zeros(shape, np.uint8), **how)


def labels(values: object, **how: object) -> Labels:
    return Labels(np.array(values, np.uint8), **how)


def some(shape: tuple[int, ...] = (4, 3)) -> np.ndarray:
    values = np.zeros(shape, np.uint8)
    values[..., :2, :] = 1
    return values


@pytest.mark.parametrize(
    ("how", "fits"),
    [
        ({}, True),  # states no place: the image's own pixels
        (MM, True),
        ({"units": ("um", "um"), "scale": (500, 500)}, True),
        ({**MM, "translate": (0, 9)}, False),
        ({"scale": (2, 2)}, False),
        ({"units": ("mm", "mm"), "scale": (5, 5)}, False),
    ],
)
def test_labels_of_the_images_size_fit_where_they_lie_on_it(
    how: dict[str, object], fits: bool
) -> None:
    assert (why_not(labels(some(), **how), image(**MM)) == "") is fits


def test_labels_that_state_no_place_are_the_same_for_truth_and_training() -> None:
    drawn, photograph = labels(some()), image(**MM)
    assert fits(photograph, drawn)
    placed = on_image(photograph, drawn, 2)
    np.testing.assert_array_equal(placed.data, some())
    np.testing.assert_allclose(placed.affine, np.diag([0.5, 0.5, 1]))
    assert not fits(photograph, labels(some((3, 4))))


def test_another_size_is_told_in_words() -> None:
    said = why_not(labels(some((3, 4))), image())
    assert said == "The labels have (3, 4) pixels, but the image has (4, 3)."


def test_labels_of_one_plane_are_not_the_truth_of_a_stack() -> None:
    assert why_not(labels(some()), image((5, 4, 3))) != ""
    series = image((5, 4, 3), axis_labels=("t", "y", "x"))
    assert "but the image has 5 (t)" in why_not(labels(some()), series)


def test_a_colour_image_has_labels_without_colours() -> None:
    colour = Image(np.zeros((4, 3, 3), np.uint8), rgb=True)
    read = read_truth(laid(labels(some()), colour), SKIN)
    np.testing.assert_array_equal(read.values, some())


def test_channels_are_one_sample_of_the_truth() -> None:
    channels = image((6, 4, 3), axis_labels=("c", "y", "x"))
    drawn = labels(some(), axis_labels=("y", "x"))
    read = read_truth(laid(drawn, channels), SKIN)
    np.testing.assert_array_equal(read.values, some()[np.newaxis])


def test_0_and_255_are_the_one_class_and_that_is_said() -> None:
    read = read_truth(laid(labels(255 * some()), image()), SKIN)
    np.testing.assert_array_equal(read.values, some())
    assert read.notices == ("Masks of 0 and 255: 255 is taken for lesion.",)


def test_0_and_255_of_several_classes_are_refused_not_guessed() -> None:
    read = read_truth(laid(labels(255 * some()), image()), FUNDUS)
    assert read.values is None
    assert read.problem.startswith("Labels are 0 and 255, but the card has classes")


def test_labels_that_name_their_classes_are_read_by_name() -> None:
    values = [[0, 1, 2], [3, 1, 2], [0, 0, 0], [0, 0, 0]]
    named = ("background", "cup", "rim", "vessel")
    drawn = labels(values, features=mask_look(named)["features"])
    assert stated_names(drawn) == named
    read = read_truth(laid(drawn, image()), FUNDUS, names=stated_names(drawn))
    assert read.values is not None
    assert read.values[:2].tolist() == [[0, 2, 1], [0, 2, 1]]
    assert read.notices == ("Of the truth, vessel counts as background.",)
    assert read.lacks == frozenset()


def test_classes_that_the_truth_knows_nothing_of_are_told() -> None:
    names = ("background", "cup")
    read = read_truth(laid(labels(some()), image()), FUNDUS, names=names)
    assert read.lacks == {"rim"}
    read = read_truth(laid(labels(some()), image()), SKIN, names=names)
    assert read.values is None
    assert read.problem == (
        "The truth shows cup, and the model lesion: they have no class in common. "
        "Say below, under LABELS, what its labels stand for."
    )


def save(values: np.ndarray, path: Path) -> Path:
    Picture.fromarray(values).save(path)
    return path


def test_a_file_comes_as_classes_on_the_image(tmp_path: Path) -> None:
    path = save(255 * some(), tmp_path / "mask.png")
    source = image(**MM)
    read = read_truth_file(path, *seen_image(source), SKIN)
    data, arguments, kind = truth_layer(source, read)
    assert kind == "labels"
    np.testing.assert_array_equal(data, some())
    np.testing.assert_allclose(arguments["scale"], (0.5, 0.5))
    assert read.notices == ("Masks of 0 and 255: 255 is taken for lesion.",)
    assert stated_names(Labels(data, **arguments)) == SKIN


def test_a_file_of_other_numbers_stays_as_it_is(tmp_path: Path) -> None:
    path = save(40 * some(), tmp_path / "mask.png")
    read = read_truth_file(path, *seen_image(image()), FUNDUS)
    np.testing.assert_array_equal(read.values, 40 * some())
    _, arguments, _ = truth_layer(image(), read)
    assert "colormap" not in arguments


def test_a_file_that_does_not_fit_is_refused_by_its_name(tmp_path: Path) -> None:
    path = save(some((3, 4)), tmp_path / "mask.png")
    with pytest.raises(ValueError, match=r"mask.png is no truth of this image"):
        read_truth_file(path, *seen_image(image()), SKIN)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(ImageReadError):
        read_truth_file(tmp_path / "broken.png", *seen_image(image()), SKIN)
