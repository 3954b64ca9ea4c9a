"""Pixel sizes that TIFF files state: in OME's or ImageJ's description, or in tags."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

from napari_dmoe.imaging.units import millimetres, unit_name

Sizes = dict[str, float]

UNIT = "mm"
_INCH, _MM_PER_INCH = 2, 25.4
_MM_OF_TAG = {_INCH: _MM_PER_INCH, 3: 10.0, 4: 1.0, 5: 1e-3}
"""Inches and centimetres, and millimetres and micrometres as EXIF adds them."""

FROM_TAGS = "its pixel size was taken from its resolution tags"
PRINT_DPI = (72, 96, 100, 120, 144, 150, 180, 200, 240, 266, 300, 350, 360, 400, 600)
"""Dots per inch that picture software writes whatever was photographed."""


def stated_sizes(file: Any, series: Any) -> tuple[Sizes, list[str]]:
    """Return the size of a pixel along x, y and z in mm, as far as a file states it.

    OME's description goes before ImageJ's, and that before the resolution tags.
    """
    if series.kind == "ome" and file.ome_metadata:
        return _from_ome(file.ome_metadata, len(file.series))
    page = series.keyframe
    if file.is_imagej:
        return _from_imagej(file.imagej_metadata or {}, page)
    return _from_tags(page)


def _from_ome(text: str, n_series: int) -> tuple[Sizes, list[str]]:
    root = ElementTree.fromstring(text)
    found = [each for each in root.iter() if each.tag.endswith("}Pixels")]
    found = found or [each for each in root.iter() if each.tag == "Pixels"]
    if len(found) != n_series or n_series != 1:
        return {}, ["its pixel size is not read, for it describes several pictures"]
    sizes, notices = {}, list[str]()
    for axis in "XYZ":
        stated = found[0].get(f"PhysicalSize{axis}")
        unit = found[0].get(f"PhysicalSize{axis}Unit", "µm")
        if stated is not None and (factor := _factor(unit, notices)) is not None:
            sizes[axis.lower()] = float(stated) * factor
    return _sound(sizes, notices)


def _from_imagej(stated: dict[str, Any], page: Any) -> tuple[Sizes, list[str]]:
    unit, notices = str(stated.get("unit", "")), list[str]()
    factor, across = _factor(unit, notices), _per_unit(page)
    if across and factor in (_MM_PER_INCH, 10.0):  # as pictures bring them
        dpi = [n * _MM_PER_INCH / factor for n in across]
        if _is_print(*dpi):
            return {}, [_print_words(dpi[0])]
    if factor is None or across is None:
        return {}, notices
    sizes = {"x": factor / across[0], "y": factor / across[1]}
    for axis in "yz":
        own = stated.get(f"{axis}unit")
        if own is not None and millimetres(str(own)) != factor:
            return {}, ["its axes have units of their own: its pixel size is not read"]
    if "spacing" in stated:
        sizes["z"] = abs(float(stated["spacing"])) * factor
    return _sound(sizes, notices)


def _from_tags(page: Any) -> tuple[Sizes, list[str]]:
    across, unit = _per_unit(page), page.tags.valueof(296, _INCH)
    if across is None or unit not in _MM_OF_TAG or across == (1.0, 1.0):
        return {}, []
    in_unit = _MM_OF_TAG[unit]
    dpi = tuple(n * _MM_PER_INCH / in_unit for n in across)
    if _is_print(*dpi):
        return {}, [_print_words(dpi[0])]
    sizes, notices = _sound({"x": in_unit / across[0], "y": in_unit / across[1]}, [])
    if sizes:
        notices.append(FROM_TAGS)
    return sizes, notices


def _per_unit(page: Any) -> tuple[float, float] | None:
    """Return the pixels per unit along x and y, from the resolution tags."""
    found = []
    for tag in (282, 283):
        value = page.tags.valueof(tag)
        if not (isinstance(value, tuple) and len(value) == 2 and value[1]):
            return None
        found.append(value[0] / value[1])
    return (found[0], found[1]) if min(found) > 0 else None


def _is_print(*dpi: float) -> bool:
    return all(any(abs(n - usual) < 0.6 for usual in PRINT_DPI) for n in dpi)


def _print_words(dpi: float) -> str:
    return (
        f"its resolution of {dpi:.0f} dots per inch was taken for how it is printed, "
        "not for the size of a pixel"
    )


def _factor(unit: str, notices: list[str]) -> float | None:
    try:
        unit_name(unit)
    except ValueError:
        said = f"its pixel size is in {unit[:20]!r}, which is no unit known here"
        if said not in notices:
            notices.append(said)
    return millimetres(unit)


def _sound(sizes: Sizes, notices: list[str]) -> tuple[Sizes, list[str]]:
    if all(math.isfinite(size) and size > 0 for size in sizes.values()):
        return sizes, notices
    return {}, [*notices, "the pixel size that it states is no length"]
