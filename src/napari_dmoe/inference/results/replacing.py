"""What may be replaced: only an earlier result of the same image, as it left its run.

It is known by the record beside it, never by its name alone. A mask that somebody has
painted on is that person's work. What a run leaves behind of an earlier one is set
aside under another name, so that it is not taken for new, and not lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from napari_dmoe.imaging.files import (
    LABELS,
    TIFF_SUFFIXES,
    image_stem,
    stated_classes,
)
from napari_dmoe.imaging.ome_zarr.library import is_zarr
from napari_dmoe.imaging.ome_zarr.reading import labels_sha256_of, read_zarr
from napari_dmoe.inference.results.mask_formats import MASK_ENDINGS, read_saved
from napari_dmoe.inference.results.provenance import ImageRecord
from napari_dmoe.inference.results.sidecars import (
    images_in,
    in_order_of_result,
    is_as_run,
    record_path,
    recorded,
    same_image,
    turned_axes,
)

EARLIER = "earlier"
"""Stands behind the stem of files that were set aside."""

_RECORD = ".json"


class ExistingFileError(ValueError):
    """A file is in the way that is no earlier result of the same image; names it."""


def refuse_foreign(
    paths: Iterable[Path], image: ImageRecord | None, *, overwrite: bool = False
) -> None:
    """Refuse to replace what is not an earlier result of an image.

    Parameters
    ----------
    paths : iterable of Path
        Files that are to be written.
    image : ImageRecord or None
        The image that they are of; None where it is not known yet, and any earlier
        result may be of it.
    overwrite : bool
        Whether a person has said that whatever is there may be replaced.

    Raises
    ------
    ExistingFileError
        For the first file that stays; names it, and the way out.
    """
    for path in paths:
        why = obstacle(path, image, overwrite=overwrite)
        if why:
            raise ExistingFileError(why)


def obstacle(path: Path, image: ImageRecord | None, *, overwrite: bool = False) -> str:
    """Say why a file may not be replaced; nothing where it may, or is not there."""
    if not os.path.lexists(path):
        return ""
    if path.is_dir() and not is_zarr(path):
        return f"{path} is a folder: choose another output folder"
    if overwrite:
        return ""
    found = images_in(_record_of(path))
    way_out = "choose another folder (--overwrite would replace it)"
    if not found:
        return f"{path} is there already, and no result of napari-dmoe: {way_out}"
    if image is not None and not all(same_image(each, image) for each in found):
        return f"{path} is there already, as the result of another image: {way_out}"
    if is_painted(path):
        return f"{path} was changed after its run: {way_out}"
    return ""


def _record_of(path: Path) -> Path:
    return path if path.suffix == _RECORD else record_path(path)


def is_result(path: Path) -> bool:
    """Say whether a file, or the record itself, is a result by its record."""
    return bool(images_in(_record_of(path)))


def is_painted(mask: Path) -> bool:
    """Say whether a mask is not as it left its run, or cannot be read any more.

    Of other files, whose records hold no hash of them, it is not known.
    """
    record = recorded(mask)
    if mask.suffix == _RECORD or not _is_mask(mask):
        return False
    if record is None or record.labels_sha256 is None:
        return record is not None and record.edited
    try:
        if is_zarr(mask):
            stored = read_zarr(mask)
            found = labels_sha256_of(stored, turned_axes(stored, record))
            return record.edited or found != record.labels_sha256
        labels = in_order_of_result(read_saved(mask, record), record)
    except (ValueError, OSError):
        return True
    return record.edited or not is_as_run(labels, record)


def _is_mask(path: Path) -> bool:
    """Say whether a file is called a mask, or says that it is one."""
    if image_stem(path).endswith(LABELS) or is_zarr(path):
        return True
    with suppress(ValueError, OSError):
        return path.suffix in TIFF_SUFFIXES and bool(stated_classes(path))
    return False


def files_of(folder: Path, stem: str) -> Iterator[Path]:
    """Yield what a run wrote of an image, without the records: masks first.

    Only files with a record beside them are known for that.
    """
    for what in ("labels", "probabilities", "class-entropy", "routing"):
        yield from _recorded_files(folder, f"{stem}.{what}")
    number = 0
    while stages := list(_recorded_files(folder, f"{stem}.routing-{number}")):
        yield from stages
        number += 1


def _recorded_files(folder: Path, name: str) -> Iterator[Path]:
    paths = [folder / f"{name}{suffix}" for suffix in MASK_ENDINGS]
    return (p for p in paths if p.is_file() and images_in(record_path(p)))


def set_aside(files: Iterable[Path], stem: str) -> tuple[Path, ...]:
    """Give files of an earlier run, and their records, names that say so.

    ``NAME.labels.tif`` becomes ``NAME.earlier.labels.tif``, or ``NAME.earlier-2...``
    where that is taken.

    Parameters
    ----------
    files : iterable of Path
        The files, all in one folder.
    stem : str
        What their names begin with.

    Returns
    -------
    tuple of Path
        What they are called now, without their records.
    """
    moves = [(path, record_path(path)) for path in files]
    if not moves:
        return ()
    names = [each.name for move in moves for each in move]
    folder, number = moves[0][0].parent, 1
    while any((folder / _earlier(name, stem, number)).exists() for name in names):
        number += 1
    moved = []
    for path, record in moves:
        moved.append(path.rename(folder / _earlier(path.name, stem, number)))
        if record.is_file():  # older versions let two formats share one
            record.rename(folder / _earlier(record.name, stem, number))
    return tuple(moved)


def _earlier(name: str, stem: str, number: int) -> str:
    nth = f"-{number}" if number > 1 else ""
    return f"{stem}.{EARLIER}{nth}{name.removeprefix(stem)}"
