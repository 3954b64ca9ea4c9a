"""Which of a TIFF's pictures is read, and that it can be there at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_dmoe.imaging.pictures.sizes import refuse_claim
from napari_dmoe.imaging.spatial import ImageReadError
from napari_dmoe.imaging.tiff.decoding import LARGEST_RATIO, by_pillow

MAX_PAGES = 100_000
_MANY_PAGES, _SMALL_PAGE = 10_000, 2048
"""So many pages of so few bytes each are no stack, and take minutes to look through."""
_FREE_BYTES = 2**28
_USUAL_RATIO = 1100
_SLACK = 2**16
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
_SLIDES = ("svs", "scn", "qpi", "ndpi", "bif", "philips", "avs")


def refuse_headers(path: Path, file: Any) -> None:
    """Refuse what tifffile would make room for before it is read.

    Raises
    ------
    ImageReadError
        For too many pages, and descriptions of more planes than the file has.
    """
    n_pages = len(file.pages)
    size = path.stat().st_size
    if n_pages > MAX_PAGES or n_pages > max(_MANY_PAGES, size // _SMALL_PAGE):
        raise ImageReadError(f"{path.name} holds {n_pages:,} pages: split it")
    if file.is_ome:
        _refuse_ome(path, file, n_pages)
    if file.is_imagej:
        stated = (file.imagej_metadata or {}).get("images", 1)
        one = file.pages.first.nbytes
        room = n_pages if n_pages > 1 else size // max(1, one)
        if isinstance(stated, int) and stated > room:
            raise ImageReadError(
                f"{path.name} says that it has {stated:,} planes, but holds {room:,}"
            )


def _refuse_ome(path: Path, file: Any, n_pages: int) -> None:
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return
    for element in root.iter():
        if element.tag.endswith("BinaryOnly"):
            raise ImageReadError(
                f"{path.name} is one part of an OME-TIFF, and its description stands "
                f"in {_base(element.get('MetadataFile'))}: open that file"
            )
    others = _other_files(root, path)
    for name in others:
        if _base(name) != name:
            raise ImageReadError(f"{path.name} names parts that lie in other folders")
        if not (path.parent / name).is_file():
            raise ImageReadError(
                f"{path.name} is one part of an OME-TIFF, and another one, {name}, is "
                "not beside it"
            )
    most = n_pages if not others else MAX_PAGES
    for pixels in root.iter():
        if pixels.tag.endswith("Pixels"):
            planes = [int(pixels.get(f"Size{axis}", 1)) for axis in "ZCT"]
            n_planes = int(np.prod(planes, dtype=object)) if min(planes) > 0 else 0
            samples = file.pages.first.samplesperpixel
            _refuse_planes(path, n_planes // samples, most, pixels)


def _refuse_planes(path: Path, n_planes: int, most: int, pixels: Any) -> None:
    stated = [
        int(part.get(name, 0))
        for part in pixels
        if part.tag.endswith("TiffData")
        for name in ("IFD", "PlaneCount", "FirstZ", "FirstT", "FirstC")
    ]
    if max([n_planes, *stated]) > most:
        raise ImageReadError(
            f"{path.name} says that it has {max([n_planes, *stated]):,} planes, but "
            f"holds {most:,}"
        )


def _other_files(root: Any, path: Path) -> list[str]:
    """Return the names of the other files that planes lie in.

    A file that was renamed is known by its number, which the description repeats.
    """
    own = root.get("UUID")
    named = [each for each in root.iter() if each.tag.endswith("UUID")]
    others = {
        str(each.get("FileName"))
        for each in named
        if each.get("FileName") and (own is None or each.text != own)
    }
    return sorted(others - {path.name})


def _base(name: str | None) -> str:
    return (name or "another file").replace("\\", "/").rpartition("/")[2]


def chosen_series(path: Path, file: Any) -> tuple[Any, list[str]]:
    """Return the picture that a TIFF is about, and what was passed over.

    Raises
    ------
    ImageReadError
        When it holds several, and none is clearly the one.
    """
    every = list(file.series)
    if not every:
        raise ImageReadError(f"{path.name} holds no picture")
    pictures = [each for each in every if not _is_reduced(each)] or every
    notices = []
    if len(pictures) < len(every):
        n = len(every) - len(pictures)
        what = "a preview was" if n == 1 else f"{n} previews were"
        notices.append(f"{what} passed over")
    if len(pictures) > 1:
        pictures, said = [_largest(path, pictures)], _shapes(pictures)
        notices.append(f"of its pictures ({said}) the largest was read")
    series = pictures[0]
    if file.is_ome and series.kind != "ome":
        notices.append("its OME description cannot be understood and was left aside")
    if any(page is None for page in series.pages):
        raise ImageReadError(f"{path.name} lacks planes that its description names")
    return series, notices


def _is_reduced(series: Any) -> bool:
    page = series.keyframe
    is_old_kind = page.tags.valueof(255) == _OLD_REDUCED
    return is_old_kind or bool(int(page.subfiletype) & (_REDUCED | _MASK))


def _largest(path: Path, pictures: list[Any]) -> Any:
    """Return the largest of several that show the same at other sizes."""
    largest = max(pictures, key=lambda each: each.size)
    if largest.kind in _SLIDES:
        return largest
    sides = [_sides(each) for each in pictures]
    wide, high = _sides(largest)
    alike = all(abs(w * high - h * wide) <= max(wide, high) for w, h in sides)
    smaller = sum(w < wide and h < high for w, h in sides) == len(pictures) - 1
    if alike and smaller:
        return largest
    raise ImageReadError(
        f"{path.name} holds {len(pictures)} pictures ({_shapes(pictures)}): save the "
        "one that is meant in a file of its own"
    )


def _sides(series: Any) -> tuple[int, int]:
    return int(series.keyframe.imagewidth), int(series.keyframe.imagelength)


def _shapes(pictures: list[Any]) -> str:
    return ", ".join(f"{w} x {h}" for w, h in map(_sides, pictures[:5]))


def refuse_size(path: Path, series: Any) -> None:
    """Refuse a picture that the file cannot hold, or memory.

    Raises
    ------
    ImageReadError
        As :func:`refuse_claim` raises it.
    """
    page = series.keyframe
    names = {each.parent.filehandle.path for each in series.pages}
    on_disk = sum(Path(name).stat().st_size for name in names)
    ratio = LARGEST_RATIO[page.compression]
    can_hold = on_disk * min(ratio, _USUAL_RATIO)
    if ratio > _USUAL_RATIO:
        can_hold = max(can_hold, min(on_disk * ratio, _FREE_BYTES))
    if page.bitspersample < 8:
        can_hold *= 8 // page.bitspersample
    if by_pillow(page) and page.photometric == 6:
        can_hold *= 2  # colours may be stored at half or a quarter of the size
    refuse_claim(
        path.name,
        int(series.nbytes),
        can_hold=can_hold + _SLACK,
        peak=2 * int(series.nbytes),
    )
