"""Whether a picture is the mask of another one, by what it holds and how it is called.

Masks are published as pictures, and no file says that it is one. What tells is how few
numbers it holds, that it has the size of an image, and a name such as
``X_segmentation``. Only what its name and its samples both say is certain: a drawing or
a blank may have few values, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.label_values import (
    LabelError,
    compact,
    counted,
    is_soft,
    whole_numbers,
)

MOST_CLASSES = 8
"""Values that a mask may have, to be told from a photograph by them."""

MASK_WORDS = (
    r"masks?|segmentations?|segs?|segm|labels?|labelmap|gts?|ground[_-]?truth|truth|"
    r"lesions?|roi|annotations?|annotated"
)
"""What is added to an image's name, before or behind it, to name its mask."""

MARKS = "_. -"
"""Characters that part an image's name from what is added to it."""

_SAMPLE = 4096
"""Samples that are looked at first: most photographs need no more."""

_MOST = 2**20
"""Samples that are looked at of larger arrays, evenly spread: a window waits for it."""

_MOST_COUNTED = 2**17
"""Samples of which it is counted how often each grey occurs, which takes longer."""

_FLAT = 0.9
"""Share of neighbours along a row that are equal in labels, and not in photographs."""

_MIDDLE = 128
"""From which grey on a JPEG's pixel belongs to the mask."""

_ALONE = re.compile(rf"(.*[{MARKS}])?(?:{MASK_WORDS})([{MARKS}]*\d+)?", re.I | re.S)


@cache
def names_made_with(words: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return how names are made of an image's, the group ``base``, with one of words.

    They are alternatives of a regular expression, put behind the name, or before it.
    """
    behind = rf"(?P<base>.+?)[{MARKS}]+(?:{words})(?:[{MARKS}]*\d+)?"
    before = rf"(?:{words})[{MARKS}]+(?P<base>.+)"
    return re.compile(behind, re.I | re.S), re.compile(before, re.I | re.S)


def mask_base(stem: str, words: str = MASK_WORDS) -> str:
    """Return the name of the image that a mask's name is made of; empty for none.

    See :func:`names_made_with` for the words.

    Examples
    --------
    >>> mask_base("ISIC_0000001_segmentation"), mask_base("mask_7"), mask_base("a")
    ('ISIC_0000001', '7', '')
    """
    found = (pattern.fullmatch(stem) for pattern in names_made_with(words))
    return next((each["base"] for each in found if each), "")


def is_folder_of_masks(name: str) -> bool:
    """Say whether a folder is called as one that holds masks.

    Examples
    --------
    >>> is_folder_of_masks("masks"), is_folder_of_masks("Training_GroundTruth")
    (True, True)
    >>> is_folder_of_masks("images")
    False
    """
    return _ALONE.fullmatch(name) is not None


def few_values(values: NDArray[Any], *, most: int = MOST_CLASSES) -> NDArray[Any]:
    """Return the values of an array, if it has two to `most`; else none.

    A few samples are looked at first, which tells of most photographs.
    """
    flat = values.ravel()
    some = flat[:: max(1, flat.size // _SAMPLE)]
    if len(_different(some, most)) > most:
        return flat[:0]
    found = _different(flat, most)
    return found if 2 <= len(found) <= most else flat[:0]


def pixels_together(colours: NDArray[Any]) -> NDArray[Any]:
    """Return (*S, n) colours as (*S, 1), each pixel one value that can be compared."""
    rows = np.ascontiguousarray(colours)
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[-1])))


def _different(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Return the values there are, but one more than `most` at the most."""
    first: list[NDArray[Any]] = []
    while values.size and len(first) <= most:
        first.append(values[:1])
        values = values[values != values[0]]
    return np.concatenate(first) if first else values


@dataclass(frozen=True)
class Values:
    """What a picture holds, as far as it tells a mask from a photograph."""

    few: tuple[int, ...] = ()
    """Its numbers, rising, where they are few and whole; else none."""
    is_grey_of_two: bool = False
    """Whether it is greys about 0 and 255, as JPEG makes them of a mask."""
    has_few_colours: bool = False
    """Whether it is in colour, and has few."""
    is_flat: bool = False
    """Whether it is areas of whole numbers, however many: most neighbours are equal."""

    @property
    def is_like_mask(self) -> bool:
        """Whether a mask would look so."""
        return bool(self.few) or self.is_grey_of_two or self.has_few_colours


def values_of(samples: NDArray[Any], *, is_colour: bool = False) -> Values:
    """Return what tells a mask from a photograph in an array's samples.

    Parameters
    ----------
    samples : (*S) or (*S, 3 or 4) array
        Samples of a picture; of large ones some are looked at, evenly spread.
    is_colour : bool
        Whether the last axis is red, green, blue and maybe opacity.
    """
    if is_colour and not _is_grey(_spread(samples, is_colour=True, most=_SAMPLE)):
        return Values(has_few_colours=_has_few_colours(samples))
    some = _spread(samples, is_colour=is_colour)
    if is_colour:
        grey = _grey_of(some)
        if grey is None:
            return Values(has_few_colours=_has_few_colours(samples))
        some, samples = grey, samples[..., 0]
    if some.dtype.kind not in "buif":
        return Values()
    found = few_values(some)
    if len(found):
        return _of_few(found)
    if some.dtype.kind == "f":
        return Values()
    soft = some.dtype == np.uint8 and is_soft(_greys(some))
    return Values(is_grey_of_two=soft, is_flat=_is_flat(samples))


def _has_few_colours(samples: NDArray[Any]) -> bool:
    """Say whether a picture has few colours; most photographs show it at once."""
    first = pixels_together(_spread(samples, is_colour=True, most=_SAMPLE)[..., :3])
    if len(_different(first.ravel(), MOST_CLASSES)) > MOST_CLASSES:
        return False
    some = _spread(samples, is_colour=True)
    return bool(len(few_values(pixels_together(some[..., :3]))))


def _greys(samples: NDArray[np.uint8]) -> dict[int, int]:
    """Return how often each grey occurs among some of the samples."""
    numbers = np.bincount(_spread(samples, most=_MOST_COUNTED).ravel())
    return {int(grey): int(numbers[grey]) for grey in np.flatnonzero(numbers)}


def _of_few(found: NDArray[Any]) -> Values:
    with np.errstate(invalid="ignore"):
        numbers = found.astype(np.float64)
        is_whole = np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all()
    if not is_whole or 0 not in numbers or numbers.min() < 0:
        return Values()  # a mask has a background
    return Values(tuple(sorted(int(n) for n in numbers)), is_flat=True)


def _is_flat(samples: NDArray[Any]) -> bool:
    rows = samples  # whole ones: only what lies side by side is a neighbour
    if samples.ndim > 1:
        n_rows = max(1, _MOST // samples.shape[-1])
        rows = _spread(samples, is_colour=True, most=n_rows)
    equal = rows[..., 1:] == rows[..., :-1]
    return bool(equal.size and np.count_nonzero(equal) >= _FLAT * equal.size)


def _spread(
    samples: NDArray[Any], *, is_colour: bool = False, most: int = _MOST
) -> NDArray[Any]:
    """Return some of the samples; of colours all of each that is returned."""
    n_axes = samples.ndim - int(is_colour)
    n = int(np.prod(samples.shape[:n_axes]))
    if n <= most or not n_axes:
        return samples
    step = int(np.ceil((n / most) ** (1 / n_axes)))
    return samples[(slice(None, None, step),) * n_axes]


def _grey_of(colours: NDArray[Any]) -> NDArray[Any] | None:
    return np.ascontiguousarray(colours[..., 0]) if _is_grey(colours) else None


def _is_grey(colours: NDArray[Any]) -> bool:
    red, green, blue = (colours[..., i] for i in range(3))
    return np.array_equal(red, green) and np.array_equal(red, blue)


def numbers_of(
    samples: NDArray[Any], *, is_colour: bool = False
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the labels that a picture's samples are, and what was understood.

    Parameters
    ----------
    samples : (*S) or (*S, 3 or 4) array
        Samples of the picture.
    is_colour : bool
        Whether the last axis is red, green, blue and maybe opacity.

    Returns
    -------
    tuple of (*S) array and tuple of str
        Whole numbers in as few bits as they need. Greys about 0 and 255, as JPEG makes
        them, are 0 and 255. Colours are numbered as they get brighter, black first.

    Raises
    ------
    LabelError
        When they have fractions, or more colours than a mask has.
    """
    said: list[str] = []
    grey = _grey_of(samples) if is_colour else samples
    if grey is None:
        return _numbered(samples[..., :3])
    values = whole_numbers(grey)
    is_many = values.dtype == np.uint8 and not len(few_values(values))
    if is_many and is_soft(counted(values)):
        values = np.where(values >= _MIDDLE, np.uint8(255), np.uint8(0))
        said.append(f"its greys, as JPEG makes them, are 255 from {_MIDDLE} on")
    return np.asarray(compact(values)), tuple(said)


def _numbered(colours: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    together = pixels_together(colours)[..., 0]
    few = few_values(together)
    if not len(few):
        raise LabelError(
            "labels are one number a pixel, but this picture has many colours: save it "
            "as a grey image"
        )
    rows = few.view(colours.dtype).reshape(-1, colours.shape[-1])
    order = np.lexsort((*rows.T[::-1], rows.astype(float).sum(1)))
    labels = np.zeros(together.shape, np.uint8)
    first = 0 if not rows[order[0]].any() else 1  # what is not black is no background
    for number, place in enumerate(order, start=first):
        labels[together == few[place]] = number
    return labels, ("its colours are numbered from dark to bright",)


class Certainty(IntEnum):
    """How sure it is that a picture is a mask."""

    NO = 0
    LIKELY = 1
    CERTAIN = 2


@dataclass(frozen=True)
class Picture:
    """A picture as it is compared with others."""

    stem: str
    """Its name without suffix; empty where it has none."""
    shape: tuple[int, ...]
    """Its pixels along the axes, without colours."""
    values: Values = Values()
    folder: str = ""
    """The name of the folder that it lies in, where it is a file."""
    also: str = ""
    """What else it is called, such as by a person."""

    def is_called(self, names: Collection[str]) -> bool:
        """Say whether it has one of some names, which are in lower case."""
        return bool({self.stem.casefold(), self.also.casefold()} & set(names))

    @property
    def may_be_mask(self) -> bool:
        """Whether it may be a mask, by itself."""
        says = bool(mask_base(self.stem)) or is_folder_of_masks(self.folder)
        return self.values.is_like_mask or (self.values.is_flat and says)


@dataclass(frozen=True)
class Judgement:
    """Whether a picture is a mask, and of which images it may be one."""

    certainty: Certainty = Certainty.NO
    owners: tuple[int, ...] = ()
    """Places of the images that it may belong to, the likeliest first."""
    named: str = ""
    """The image that its name says it belongs to, where that is not open."""
    other_size: int | None = None
    """Place of the image that it belongs to by its name, but not by its size."""


def judge(
    picture: Picture,
    images: Sequence[Picture],
    *,
    fitting: Sequence[int],
    is_labels: bool = False,
) -> Judgement:
    """Say whether a picture is a mask of one of some images.

    Parameters
    ----------
    picture : Picture
        What may be a mask.
    images : sequence of Picture
        The images that it may belong to.
    fitting : sequence of int
        Places of those that have its pixels, in its place.
    is_labels : bool
        Whether it is known to be labels; only whose is to be found out.

    Notes
    -----
    Certain is what name and samples both say: the name is that of an open image with a
    word for masks, or the same in a folder of masks or of another kind of file; it has
    the image's size, and few values where the image has many. With few values alone it
    is likely.
    """
    base = mask_base(picture.stem)
    in_masks = is_folder_of_masks(picture.folder)
    says = bool(base) or in_masks
    values = picture.values
    if not (is_labels or picture.may_be_mask):
        return Judgement()
    called = {each.casefold() for each in (base, picture.stem) if each}
    named = [i for i, each in enumerate(images) if each.is_called(called)]
    both = [i for i in named if i in fitting]
    if both:
        is_other = says or is_labels or not images[both[0]].values.is_like_mask
        is_sure = len(both) == 1 and is_other and (is_labels or values.is_like_mask)
        certainty = Certainty.CERTAIN if is_sure else Certainty.LIKELY
        return Judgement(certainty, tuple(both))
    if named and says:
        return Judgement(Certainty.LIKELY, other_size=named[0])
    known = (base or picture.stem) if says else ""
    return Judgement(Certainty.LIKELY, tuple(fitting), named=known)
