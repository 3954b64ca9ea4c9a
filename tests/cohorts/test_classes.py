"""Label files as people have them become classes, or are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.classes import ClassedCases, LabelReading
from napari_dmoe.cohorts.datasets import Cohort, read_cohort

formats = pytest.mark.formats
LESION = ("background", "lesion")
FUNDUS = ("background", "rim", "cup")

MASK = np.zeros((24, 32), np.uint8)
MASK[6:18, 8:20] = 1
"""A lesion of 12 x 12 pixels."""


def cohort_of(folder: Path, *masks: Any, suffix: str = ".png") -> Cohort:
    """Write masks beside images, each given as an array or as what writes it."""
    lines = ["id,image,labels"]
    for number, mask in enumerate(masks):
        name = f"m{number}{suffix}"
        if callable(mask):
            mask(folder / name)
        else:
            Image.fromarray(mask).save(folder / name)
        Image.fromarray(np.full(MASK.shape, 90, np.uint8)).save(
            folder / f"i{number}.png"
        )
        lines.append(f"m{number},i{number}.png,{name}")
    (folder / "cohort.csv").write_text("\n".join(lines))
    return read_cohort(folder)


def classes_of(
    cohort: Cohort, classes: tuple[str, ...] = LESION, **how: Any
) -> tuple[list[np.ndarray], LabelReading]:
    """Return what every mask is read as."""
    reading = LabelReading(classes, **how)
    cases = ClassedCases(cohort, reading)
    return [np.asarray(case.labels.data) for case in cases], reading


def palette(path: Path) -> None:
    picture = Image.fromarray(MASK, mode="P")
    picture.putpalette([0, 0, 0, 200, 30, 30] + [0] * 750)
    picture.save(path)


def bilevel(path: Path) -> None:
    Image.fromarray(MASK.astype(bool)).save(path)


def tiff(data: np.ndarray) -> Any:
    return lambda path: tifffile.imwrite(path, data)


@pytest.mark.parametrize(
    ("mask", "suffix"),
    [
        pytest.param(MASK, ".png", marks=formats("0 and 1, of any integer type")),
        pytest.param(
            MASK * 255, ".png", marks=formats("0 and 255, for a model with one class")
        ),
        pytest.param(
            MASK.astype(np.uint16) * 65535,
            ".png",
            marks=formats("0 and 65535, or another number, for a model with one class"),
        ),
        pytest.param(palette, ".png", marks=formats("palette PNG")),
        pytest.param(bilevel, ".png", marks=formats("1 bit a pixel")),
        pytest.param(
            np.repeat(MASK[..., None] * 255, 3, axis=-1),
            ".png",
            marks=formats("RGB of equal channels"),
        ),
        pytest.param(
            tiff(MASK.astype(np.float32) * 0.9999999),
            ".tif",
            marks=formats("floats that are whole numbers, but for rounding"),
        ),
        pytest.param(tiff(MASK.astype(bool)), ".tif", marks=formats("boolean TIFF")),
        pytest.param(tiff(MASK[None]), ".tif", marks=formats("(1, H, W)")),
        pytest.param(tiff(MASK[..., None]), ".tif", marks=formats("(H, W, 1)")),
        pytest.param(tiff(MASK[None, None]), ".tif", marks=formats("(1, 1, H, W)")),
    ],
)
def test_a_mask_of_one_class_is_read(tmp_path: Path, mask: Any, suffix: str) -> None:
    (read,), _ = classes_of(cohort_of(tmp_path, mask, suffix=suffix))
    assert read.shape == MASK.shape
    assert (read == MASK).all()


@formats("JPEG of a mask of 0 and 255, for a model with one class")
def test_greys_of_a_jpeg_are_read_and_said(tmp_path: Path) -> None:
    def jpeg(path: Path) -> None:
        Image.fromarray(MASK * 255).save(path, quality=60)

    (read,), reading = classes_of(cohort_of(tmp_path, jpeg, suffix=".jpg"))
    assert (read == MASK).mean() > 0.97
    assert np.unique(read).tolist() == [0, 1]
    assert "as JPEG makes them of 0 and 255" in reading.notices[0]


@formats("NIfTI with a scaling slope")
def test_scaled_labels_of_nifti_are_read(tmp_path: Path) -> None:
    volume = np.repeat(MASK[..., None], 4, axis=-1)

    def scaled(path: Path) -> None:
        image = nib.Nifti1Image(volume * 255, np.eye(4))
        image.header.set_slope_inter(1 / 255, 0)
        image.header.set_xyzt_units("mm")
        nib.save(image, path)

    nib.save(nib.Nifti1Image(volume * 90, np.eye(4)), tmp_path / "i.nii.gz")
    scaled(tmp_path / "m.nii.gz")
    (tmp_path / "cohort.csv").write_text("image,labels\ni.nii.gz,m.nii.gz\n")
    (read,), _ = classes_of(read_cohort(tmp_path))
    assert np.unique(read).tolist() == [0, 1]
    assert read.sum() == volume.sum()


@pytest.mark.parametrize(
    ("mask", "classes", "message"),
    [
        pytest.param(
            MASK * 255,
            FUNDUS,
            "labels are 0 and 255, but the card has classes 0 to 2",
            marks=formats("0 and 255, for a model with several classes"),
        ),
        pytest.param(
            np.clip(np.arange(24 * 32), 0, 255).reshape(24, 32).astype(np.uint8),
            LESION,
            "labels reach from 0 to 255, but the card has 2 classes",
            marks=formats("numbers that the card has no class for"),
        ),
        pytest.param(
            np.stack([MASK * 250, 99 * (1 - MASK), MASK], axis=-1),
            LESION,
            "save them as a grey image",
            marks=formats("colours that differ"),
        ),
    ],
)
def test_other_masks_are_refused(
    tmp_path: Path, mask: Any, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CohortError, match=message):
        classes_of(cohort_of(tmp_path, mask), classes)


@formats("probabilities")
def test_probabilities_are_refused(tmp_path: Path) -> None:
    shares = tiff(MASK.astype(np.float32) * 0.7)
    with pytest.raises(CohortError, match=r"m0\.tif: labels are whole .*probabilities"):
        classes_of(cohort_of(tmp_path, shares, suffix=".tif"))


@formats("a channel a class (one-hot)")
def test_a_channel_a_class_is_refused(tmp_path: Path) -> None:
    one_hot = np.stack([1 - MASK, MASK], axis=-1)
    stack = lambda path: tifffile.imwrite(path, one_hot, metadata={"axes": "YXC"})  # noqa: E731
    with pytest.raises(CohortError, match=r"one a class \(one-hot\)"):
        classes_of(cohort_of(tmp_path, stack, suffix=".tif"))


def test_both_kinds_in_one_cohort_mean_the_same_and_it_is_said(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, MASK, MASK * 255, MASK * 255)
    read, reading = classes_of(cohort)
    assert all((each == MASK).all() for each in read)
    assert reading.notices == (
        "masks of 0 and 255: 255 is taken for lesion (case m1 and 1 more)",
    )


def test_a_foreground_that_is_named_unlabelled_is_refused(tmp_path: Path) -> None:
    _, reading = classes_of(cohort_of(tmp_path, MASK, MASK * 255), unlabelled=255)
    with pytest.raises(CohortError, match=r"255 is named as not annotated, but case"):
        reading.check()


def test_greys_of_a_jpeg_are_whole_where_255_stands_for_unlabelled(
    tmp_path: Path,
) -> None:
    """The brightest greys were left out, and the rest of the lesion was learnt."""

    def jpeg(path: Path) -> None:
        Image.fromarray(MASK * 255).save(path, quality=60)

    cohort = cohort_of(tmp_path, jpeg, suffix=".jpg")
    (read,), _ = classes_of(cohort, unlabelled=255, is_stated=False)
    assert np.unique(read).tolist() == [0, 1]
    assert (read == MASK).mean() > 0.97
    with pytest.raises(CohortError, match="case m0 are greys, as JPEG makes them"):
        classes_of(cohort, unlabelled=255)


def test_notices_of_cases_are_told_once_and_not_without_end() -> None:
    reading = LabelReading(LESION)
    for number in range(30):
        reading.note(("it was turned", f"its number is {number}"), f"m{number}")
    reading.note(("it was turned",), "m0")
    assert len(reading.notices) == 21
    assert reading.notices[0] == "it was turned (case m0 and 29 more)"
    assert reading.notices[-1] == "and 11 other notices of cases"


def test_what_is_really_unlabelled_stays(tmp_path: Path) -> None:
    partly = MASK.copy()
    partly[:, 25:] = 255
    bare = np.where(partly == 255, 255, 0).astype(np.uint8)
    read, reading = classes_of(cohort_of(tmp_path, partly, bare), unlabelled=255)
    reading.check()
    assert np.unique(read[0]).tolist() == [0, 1, 255]
    assert np.unique(read[1]).tolist() == [0, 255]


def test_two_small_numbers_are_not_one_class(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="case m0 are 0 and 1, those of case m1 0"):
        classes_of(cohort_of(tmp_path, MASK, MASK * 2))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_custom_gives_way_only_where_it_is_not_used(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    partly = MASK.copy()
    partly[:, 25:] = 255
    masks = [MASK * 255, partly]
    how = {"unlabelled": 255, "is_stated": False}
    (read, same), _ = classes_of(cohort_of(tmp_path, masks[0], MASK), **how)
    assert (read == same).all()
    with pytest.raises(CohortError, match="save the masks alike"):
        classes_of(cohort_of(tmp_path, *(masks[i] for i in order)), **how)


def test_negative_labels_are_refused() -> None:
    with pytest.raises(CohortError, match="labels reach from -2 to 0"):
        LabelReading(LESION).read(np.array([[-2, 0]]), "a")
