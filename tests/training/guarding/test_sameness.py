"""Whether two cases show the same picture, or the same patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_cases import CARD, square

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.training.cases.annotation import Annotation
from napari_dmoe.training.guarding import sameness
from napari_dmoe.training.guarding.sameness import (
    Trained,
    fingerprint,
    is_same_subject,
    sealed,
)
from napari_dmoe.training.tuning.corrected import (
    StoredCases,
    annotated_case,
    write_cases,
)

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 200, (24, 32), np.uint8)
COLOUR = RNG.integers(0, 256, (24, 32, 3), np.uint8)
VOLUME = RNG.normal(0, 1, (6, 8, 10)).astype(np.float32)


def image(array: np.ndarray, axes: str) -> SpatialImage:
    return SpatialImage(array, tuple(axes))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (image(GREY, "yx"), image(GREY.astype(np.uint16) * 257, "yx")),
        (image(GREY, "yx"), image((GREY / 255).astype(np.float32), "yx")),
        (image(GREY, "yx"), image(GREY.T, "xy")),
        (image(GREY, "yx"), image(GREY[::-1, ::-1], "yx")),
        (image(GREY, "yx"), image(GREY[None], "zyx")),
        (image(GREY, "yx"), image(np.stack([GREY] * 3, -1), "yxc")),
        (image(COLOUR, "yxc"), image(np.moveaxis(COLOUR, -1, 0), "cyx")),
        (image(COLOUR, "yxc"), image(COLOUR / 255, "yxc")),
        (
            image(COLOUR, "yxc"),
            image(np.dstack([COLOUR, np.full((24, 32), 255, np.uint8)]), "yxc"),
        ),
        (image(VOLUME, "zyx"), image(VOLUME.transpose(2, 1, 0)[::-1], "xyz")),
        (image(VOLUME, "zyx"), image(VOLUME.astype(np.float64), "zyx")),
    ],
)
def test_a_picture_is_known_in_another_form(
    one: SpatialImage, other: SpatialImage
) -> None:
    assert fingerprint(one) == fingerprint(other)


def test_a_large_picture_is_known_by_a_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sameness, "_MOST", 100)
    turned = image(VOLUME.transpose(1, 0, 2)[:, ::-1], "yzx")
    assert fingerprint(image(VOLUME, "zyx")) == fingerprint(turned)
    assert fingerprint(image(VOLUME, "zyx")) != fingerprint(image(-VOLUME, "zyx"))
    assert fingerprint(image(GREY, "yx")) != fingerprint(image(GREY[1:], "yx"))


def test_other_pictures_are_others() -> None:
    moved, swapped = GREY.copy(), VOLUME.copy()
    moved[3, 4] += 1
    swapped[0, 0, 0], swapped[1, 2, 3] = VOLUME[1, 2, 3], VOLUME[0, 0, 0]
    every = [
        image(GREY, "yx"),
        image(moved, "yx"),
        image(COLOUR, "yxc"),
        image(COLOUR[..., 0], "yx"),
        image(VOLUME, "zyx"),
        image(swapped, "zyx"),
        image(RNG.normal(0, 1, VOLUME.shape), "zyx"),
        image(np.zeros((4, 4)), "yx"),
        image(np.full((4, 5), np.nan), "yx"),
    ]
    assert len({fingerprint(each) for each in every}) == len(every)


def test_a_subject_can_be_recognised_but_not_read() -> None:
    mark = sealed("HAM_0001234")
    assert mark is not None
    assert "0001234" not in mark
    assert mark != sealed("HAM_0001234")  # no table of marks can be made beforehand
    assert is_same_subject(mark, "ham_0001234 ")
    assert not is_same_subject(mark, "HAM_0001235")
    assert is_same_subject("P7", "p7")
    assert sealed(mark) == mark
    assert sealed(None) is None


def test_the_private_folder_keeps_the_mark_and_not_the_subject(tmp_path: Path) -> None:
    plain = square(0)
    case = Case("a", plain.image, plain.labels, plain.patient, "Anna-1", "fundus")
    write_cases(tmp_path, [annotated_case(case, CARD, Annotation()), case])
    stored = StoredCases.of(tmp_path)
    assert [each.phantom for each in stored] == ["fundus"] * 2
    assert b"Anna" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    known = Trained.of(stored)
    assert known.has_subject("Anna-1")
    assert not known.has_subject("Anna-2")
    assert not known.has_subject(None)
    assert fingerprint(case.image) in known.pictures
