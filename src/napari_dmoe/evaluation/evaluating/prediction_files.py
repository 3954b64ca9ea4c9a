"""Masks of any model in a folder, each found for its case by what it is called.

A mask is called like its case: by the case's id, as a run of ours would write it, too,
by its image's name or by that of its truth, with whatever suffix, and with words such
as ``_pred`` or ``_segmentation`` or nnU-Net's ``_0000`` behind either name. A name that
fits two files is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol
from unicodedata import normalize

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.imaging.disk.output_names import output_stem
from napari_dmoe.imaging.files import IMAGE_SUFFIXES, image_stem, image_suffix
from napari_dmoe.imaging.mask_likeness import MASK_WORDS, mask_base

_WORDS = rf"{MASK_WORDS}|predictions?|preds?|predicted|outputs?|results?"
_CHANNEL = re.compile(r"(?P<base>.+)_\d{4}", re.DOTALL)
"""How nnU-Net calls a channel of a case; its masks are called without."""

_SHOWN = 3
"""Files that a message names."""


class NamedCase(Protocol):
    """What a case is told by."""

    @property
    def id(self) -> str:
        """Unique in its cohort."""

    @property
    def image(self) -> Path:
        """Its image; ``Path()`` without one."""

    @property
    def labels(self) -> Path | None:
        """Its truth."""


@dataclass(frozen=True)
class FoundPredictions:
    """Which file is whose mask."""

    of_cases: tuple[Path | None, ...]
    """One for each case; None where there is none."""
    left_over: tuple[Path, ...]
    """Files that are called like no case."""


def find_predictions(folder: Path, cases: Sequence[NamedCase]) -> FoundPredictions:
    """Find the masks of cases in a folder and those in it.

    Parameters
    ----------
    folder : Path
        The folder. Hidden files, and what is named like no image, are not looked at.
    cases : sequence of NamedCase
        The cases of a cohort.

    Raises
    ------
    CohortError
        When it is no folder, has no mask of any case, has two files for one case, or
        one file for two.
    """
    if not folder.is_dir():
        raise CohortError(f"{folder.name} is no folder: give a folder of masks")
    files = _masks_below(folder)
    found: dict[int, Path] = {}
    for shorten in (False, True):
        used = set(found.values())
        index = _index(folder, (f for f in files if f not in used), shorten=shorten)
        for place, case in enumerate(cases):
            if place not in found and (path := _only(case, index, shorten=shorten)):
                found[place] = path
    _refuse_shared(found, cases)
    if not found:
        raise CohortError(
            f"{folder.name} has no mask of any case among its {len(files):,} images: "
            "expected files called like the cases, such as ID.nii.gz or ID_pred.png"
        )
    used = set(found.values())
    return FoundPredictions(
        tuple(found.get(place) for place in range(len(cases))),
        tuple(path for path in files if path not in used),
    )


def named(paths: Sequence[Path]) -> str:
    """Return the names of the first of some files, for a message."""
    more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
    return ", ".join(path.name for path in paths[:_SHOWN]) + more


def _masks_below(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if image_suffix(path) in IMAGE_SUFFIXES
        and not any(p.startswith(".") for p in path.relative_to(folder).parts)
        and path.is_file()
    )


def _index(
    folder: Path, files: Iterable[Path], *, shorten: bool
) -> dict[str, list[Path]]:
    """Return files by all that they are called; shortened, by what is left of it."""
    index: dict[str, list[Path]] = {}
    for path in files:
        stem = image_stem(path)
        within = path.relative_to(folder).parent / stem
        for name in _names([within.as_posix(), stem], shorten=shorten):
            index.setdefault(_key(name), []).append(path)
    return index


def _only(
    case: NamedCase, index: dict[str, list[Path]], *, shorten: bool
) -> Path | None:
    """Return the one file that is called like a case; the id goes before the names."""
    own = [case.id, _without_suffix(case.id), PurePosixPath(case.id).name]
    own.append(output_stem(case.id))
    files = [path for path in (case.image, case.labels) if path and path.name]
    for name in _names([*own, *map(image_stem, files)], shorten=shorten):
        paths = index.get(_key(name), [])
        if len(paths) > 1:
            raise CohortError(
                f"{named(paths)} are all called like one case: keep its mask alone in "
                "the folder, or name the right one in a column prediction"
            )
        if paths:
            return paths[0]
    return None


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return name[: -len(path.suffix)] if path.suffix.lower() in IMAGE_SUFFIXES else name


def _names(names: Iterable[str], *, shorten: bool) -> Iterator[str]:
    for name in dict.fromkeys(filter(None, names)):
        yield name
        if not shorten:
            continue
        base = mask_base(name, _WORDS)
        for each in filter(None, (name, base)):
            if each is base:
                yield base
            if channel := _CHANNEL.fullmatch(each):
                yield channel["base"]


def _refuse_shared(found: dict[int, Path], cases: Sequence[NamedCase]) -> None:
    owners: dict[Path, int] = {}
    for place, path in found.items():
        if path in owners:
            raise CohortError(
                f"{path.name} is called like the cases {owners[path] + 1} and "
                f"{place + 1} of the cohort: give each mask its case's id, or name the "
                "masks in a column prediction"
            )
        owners[path] = place


def _key(name: str) -> str:
    return normalize("NFC", name).casefold()
