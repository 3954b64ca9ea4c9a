"""Files of a table that tells images by name only, found in its folder and below.

Cohorts are published as a table beside a folder of images and one of masks. The folder
is gone through once; a name that two files have is refused, never guessed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path, PureWindowsPath
from unicodedata import normalize

from napari_dmoe.cohorts.tables.beside import RESULT_NAME, added_to, has_few_values
from napari_dmoe.imaging.dicom.library import has_dicom_suffix
from napari_dmoe.imaging.files import (
    IMAGE_SUFFIXES,
    image_stem,
    image_suffix,
    suffix_of,
)

_SHOWN = 3
"""Files of one name that a message names."""

_TRUTH = (
    r"masks?|segmentations?|segs?|segm|labels?|labelmaps?|gts?|ground[_-]?truths?|truth"
    r"|annotations?"
)
_OTHER = (
    r"predictions?|preds?|results?|outputs?|previews?|thumb(?:nail)?s?|superpixels?"
    r"|overlays?|heatmaps?|contours?|attributes?|probability|probabilities"
)
_OF_LABELS = re.compile(rf"(?:.*[_. -])?(?:{_TRUTH})(?:[_. -].*)?", re.I | re.S)
_OF_NEITHER = re.compile(
    rf"(?:.*[_. -])?(?:{_OTHER})(?:[_. -].*)?|__macosx", re.I | re.S
)
_IS_TRUTH = re.compile(
    rf".*[_. -](?:{_TRUTH})(?:[_. -]*\d+)?|(?:{_TRUTH})[_. -].*", re.I | re.S
)


class AmbiguousNameError(ValueError):
    """Several files have the name that is looked for: names the first of them."""

    reason = "are called alike: name the right one in a column of paths"

    def __init__(self, names: Sequence[str]) -> None:
        more = ", ..." if len(names) > _SHOWN else ""
        self.names = ", ".join(names[:_SHOWN]) + more
        super().__init__(f"{self.names} {self.reason}")


@dataclass(frozen=True)
class FolderFiles:
    """The images of a folder and the labels, by their names."""

    folder: Path
    images: Mapping[str, list[Path]]
    labels: Mapping[str, list[Path]]

    def image(self, name: str) -> Path | None:
        """Return the image that a table calls so; None where there is none.

        Raises
        ------
        AmbiguousNameError
            When several are called so.
        """
        return self._only(self.images, name)

    def truth(self, name: str) -> Path | None:
        """Return the labels that a table calls so, likewise."""
        return self._only(self.labels, name)

    def labels_of(self, image: Path) -> Path | None:
        """Return the labels that are called like an image, likewise."""
        return self._one(self.labels.get(_key(image_stem(image)), ()))

    @cached_property
    def _every_image(self) -> frozenset[Path]:
        return frozenset(path for paths in self.images.values() for path in paths)

    @property
    def n_images(self) -> int:
        """How many images there are."""
        return len(self._every_image)

    def without(self, used: Iterable[Path]) -> list[Path]:
        """Return the images that are none of those, in order.

        Slices beside a DICOM file that is one of them are of its series.
        """
        used = [*used]
        series = {path.parent for path in used if has_dicom_suffix(path)}
        left = self._every_image.difference(used)
        return sorted(
            path
            for path in left
            if not (path.parent in series and has_dicom_suffix(path))
        )

    def _only(self, index: Mapping[str, list[Path]], name: str) -> Path | None:
        found = index.get(_key(name)) if name else None
        if not found and (last := PureWindowsPath(name).name):
            path = Path(last)
            found = index.get(_key(last))
            if not found and image_suffix(path) in IMAGE_SUFFIXES:
                found = index.get(_key(image_stem(path)))
        return self._one(found or ())

    def _one(self, found: Iterable[Path]) -> Path | None:
        paths = list(found)
        if len(paths) > 1:
            names = [
                path.relative_to(self.folder).as_posix()
                if path.is_relative_to(self.folder)
                else path.name
                for path in paths
            ]
            raise AmbiguousNameError(names)
        return paths[0] if paths else None


class ManyFilesError(ValueError):
    """A folder holds more than one wants to look through unasked."""


def files_below(folder: Path, *, most: float = inf) -> FolderFiles:
    """Go through a folder and those in it, once, and tell images from labels.

    Labels lie in a folder that is called so (``masks``, ``..._GroundTruth``), or are
    called like an image with such a word (``X_segmentation``). Results of earlier runs,
    predictions, previews and hidden files are neither.

    Raises
    ------
    ManyFilesError
        When there are more than `most` files of any kind.
    """
    return _told_apart(folder, _walked(folder, most))


def files_in(folder: Path, places: Iterable[Path]) -> FolderFiles:
    """Tell images from labels in some folders, without those in them.

    `folder` is the one from which on their names are told.
    """
    listed = []
    for here in sorted(set(places)):
        with suppress(OSError):
            listed.append((here, sorted(path.name for path in here.iterdir())))
    return _told_apart(folder, listed)


def _told_apart(folder: Path, listed: Iterable[tuple[Path, list[str]]]) -> FolderFiles:
    images: dict[str, list[Path]] = {}
    labels: dict[str, list[Path]] = {}
    doubtful: list[Path] = []
    for path, kind in _pictures(folder, listed):
        if kind == "labels":
            base = added_to(image_stem(path))
            _add(labels, path, *([base] if base else []))
        elif added_to(image_stem(path)):
            doubtful.append(path)
        else:
            _add(images, path)
    for path in doubtful:
        stem = image_stem(path)
        base = added_to(stem)
        if _key(base) not in images:
            _add(images, path)
        elif _IS_TRUTH.fullmatch(stem):
            _add(labels, path, base)
    _move_masks(images, labels)
    return FolderFiles(folder, images, labels)


def _move_masks(images: dict[str, list[Path]], labels: dict[str, list[Path]]) -> None:
    """Take for labels what is called like an image beside it and has few values.

    Only what two files of one folder are called, but for the suffix, is looked at.
    """
    masks: set[Path] = set()
    for paths in list(images.values()):
        few = [path for path in paths if _is_mask_beside(path, paths)]
        if len(paths) > 1 and len(few) == len(paths) - 1:
            masks.update(few)
    for path in sorted(masks):
        _add(labels, path)
        for key in _keys(path):
            images[key].remove(path)


def _is_mask_beside(path: Path, paths: Sequence[Path]) -> bool:
    beside = [other for other in paths if other != path and other.parent == path.parent]
    return bool(beside) and has_few_values(path)


def _keys(path: Path, *also: str) -> list[str]:
    return [*dict.fromkeys(map(_key, (path.name, image_stem(path), *also)))]


def _add(index: dict[str, list[Path]], path: Path, *also: str) -> None:
    for key in _keys(path, *also):
        index.setdefault(key, []).append(path)


def _key(name: str) -> str:
    return normalize("NFC", name).casefold()


def _walked(folder: Path, most: float) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder and those in it, with the names in each; no link leads round."""
    seen: set[str] = set()
    n = 0
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        n += len(names)
        if n > most:
            raise ManyFilesError
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(here), names


def _pictures(
    folder: Path, listed: Iterable[tuple[Path, list[str]]]
) -> Iterator[tuple[Path, str]]:
    """Yield what is named like an image, and what its folder says that it is."""
    for here, names in listed:
        is_inside = here.is_relative_to(folder)
        kind = _kind(here.relative_to(folder).parts if is_inside else (here.name,))
        if kind == "neither":
            continue
        records = {n for n in names if n.lower().endswith((".json", ".csv"))}
        for name in sorted(names):
            suffix = suffix_of(name)
            if suffix not in IMAGE_SUFFIXES or name[0] == ".":
                continue
            if not _is_result(name[: -len(suffix)], records):
                yield here / name, kind


def _kind(parts: tuple[str, ...]) -> str:
    """Say what a folder holds by its name, else by that of the one around it."""
    for part in reversed(parts):
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part)
        if _OF_NEITHER.fullmatch(part) or _OF_NEITHER.fullmatch(plain):
            return "neither"
        if _OF_LABELS.fullmatch(part) or _OF_LABELS.fullmatch(plain):
            return "labels"
    return "images"


def _is_result(stem: str, records: set[str]) -> bool:
    """Say whether a picture is called like a result, with a record beside it."""
    found = RESULT_NAME.fullmatch(stem)
    return found is not None and any(
        record.startswith(f"{found['base']}.") for record in records
    )
