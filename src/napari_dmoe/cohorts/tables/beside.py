"""Which pictures of a folder belong to an image beside them, and are none themselves.

There are results that this program wrote, and the masks, superpixels and previews with
which cohorts are published. A picture is only taken for one of these where the image
that it belongs to is there, too.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np

from napari_dmoe.imaging.files import (
    TIFF_SUFFIXES,
    image_stem,
    image_suffix,
    read_image,
)
from napari_dmoe.imaging.mask_likeness import (
    MARKS,
    MASK_WORDS,
    few_values,
    mask_base,
    names_made_with,
    pixels_together,
)
from napari_dmoe.imaging.nifti import NIFTI_SUFFIXES
from napari_dmoe.inference.results.sidecars import is_recorded

_LARGEST = 2**27
"""Samples of an image that is looked at for its values."""

RESULT_NAME = re.compile(
    r"(?P<base>.+)\.(?P<what>labels|probabilities|routing(-\d+)?|sensitivity|differs"
    r"|votes|(class-)?entropy|sweep|mask|(block|stage)\d+)",
    re.IGNORECASE | re.DOTALL,
)
"""How names end that this program gives; see :mod:`napari_dmoe.inference.results`."""

_WORDS = (
    f"{MASK_WORDS}|superpixels?|attribute_[a-z_]+|contours?|"
    "outlines?|boundar(?:y|ies)|overlays?|heatmaps?|softmaps?|probs?|probability|"
    "probabilities|preview|thumb(?:nail)?s?"
)


@dataclass(frozen=True)
class Neighbours:
    """The files of a folder, among which some belong to others."""

    pictures: Sequence[Path]
    """Files that are named like images."""
    names: Sequence[str]
    """The names of all files."""
    _few: dict[Path, bool] = field(default_factory=dict)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in self.pictures:
            for name in {image_stem(path), path.name}:
                found.setdefault(name.casefold(), []).append(path)
        return found

    @cached_property
    def _records(self) -> list[str]:
        return sorted(n for n in self.names if n.lower().endswith((".json", ".csv")))

    def is_result(self, path: Path) -> bool:
        """Say whether this program wrote a picture: by its name and by what it is.

        It is one of a record's files; or, where the record is gone, it holds what its
        name says: few values, or fractions. By another name it is known by a record of
        its own.
        """
        found = RESULT_NAME.fullmatch(image_stem(path))
        if found is None:
            return is_recorded(path)
        place = bisect_left(self._records, found["base"] + ".")
        if place < len(self._records) and self._records[place].startswith(
            found["base"] + "."
        ):
            return True
        is_array = image_suffix(path) in (*TIFF_SUFFIXES, *NIFTI_SUFFIXES)
        if found["what"].lower() in ("labels", "differs"):
            return is_array and self.has_few_values(path)
        return is_array and _has_fractions(path)

    def belongs_to(self, path: Path) -> Path | None:
        """Return the image that a picture is a mask or another view of, if there is it.

        It is called like the image with a word for masks added; or like the image with
        anything added, or with another suffix, and has few values where the image has
        many.
        """
        stem = image_stem(path)
        for pattern in names_made_with(_WORDS):
            found = pattern.fullmatch(stem)
            owner = found and self._other(found["base"], path)
            if owner:
                return owner
        for base in (stem, *_beginnings(stem)):
            owner = self._other(base, path)
            if owner and self.has_few_values(path) and not self.has_few_values(owner):
                return owner
        return None

    def _other(self, name: str, path: Path) -> Path | None:
        named = self._by_stem.get(name.casefold(), ())
        return next((each for each in named if each != path), None)

    def has_few_values(self, path: Path) -> bool:
        """Say whether an image has two to eight values or colours."""
        if path not in self._few:
            self._few[path] = has_few_values(path)
        return self._few[path]


def added_to(stem: str) -> str:
    """Return to which name a word for masks or views was added; empty for none.

    Examples
    --------
    >>> added_to("ISIC_0000001_segmentation"), added_to("mask_7"), added_to("a")
    ('ISIC_0000001', '7', '')
    """
    return mask_base(stem, _WORDS)


def _beginnings(stem: str) -> Iterator[str]:
    """Yield what of a name stands before a mark, the longest first."""
    for place in range(len(stem) - 1, 0, -1):
        if stem[place] in MARKS:
            yield stem[:place]


def has_few_values(path: Path) -> bool:
    """Say whether a file holds two to eight values or colours; no JPEG is looked at."""
    if image_suffix(path) in (".jpg", ".jpeg"):  # its losses make many of few
        return False
    try:
        image = read_image(path)
        if prod(image.data.shape) > _LARGEST:
            return False
        data = np.asarray(image.data)
    except (OSError, ValueError, MemoryError):
        return False
    if "c" in image.axes:
        data = pixels_together(np.moveaxis(data, image.axes.index("c"), -1))
    return bool(len(few_values(data)))


def _has_fractions(path: Path) -> bool:
    try:
        return np.asarray(read_image(path).data).dtype.kind == "f"
    except (OSError, ValueError, MemoryError):
        return False
