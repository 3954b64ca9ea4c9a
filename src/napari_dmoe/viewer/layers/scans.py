"""DICOM images as new layers, whose planes are read when they are looked at.

Each brings what its header says of the patient, and nothing that tells who that is; it
is named by its folder or file, but not by a number that stands for one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dask.array
import numpy as np
from napari.utils.notifications import show_info, show_warning

from napari_dmoe.imaging.dicom.reading import DicomImage, dicom_images, open_dicom
from napari_dmoe.imaging.files import image_stem
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.patient import PatientFacts
from napari_dmoe.viewer.layers.opening import facts_record, image_layer
from napari_dmoe.viewer.layers.placement import LayerData

MOST = 6
"""Images of one folder that become layers."""

_UID = re.compile(r"\d+(\.\d+){4,}")
_ONE_DROP_S = 5.0
"""Seconds between two files of one drop, which napari opens one by one."""

_FIRST_PICTURE_S = 1.0
"""Seconds in which napari draws what it was given, before the rest is decoded."""


@dataclass
class _Drop:
    """The files of the series that were opened last, and when."""

    files: frozenset[Path] = frozenset()
    asked: frozenset[Path] = frozenset()
    at: float = -_ONE_DROP_S


_last = _Drop()


def scan_layers(path: Path) -> list[LayerData]:
    """Open the images of a folder, or that of a file, as layers; the largest ones.

    A further file of a series that was just opened brings nothing, because napari
    opens the files of one drop one after the other.

    Raises
    ------
    ImageReadError
        When none of them can be opened; says why.
    """
    if _is_of_last_drop(path):
        return []
    images = dicom_images(path)
    layers: list[LayerData] = []
    problems: list[ImageReadError] = []
    for image in images[:MOST]:
        name = _name(path, image, is_one=len(images) == 1)
        try:
            opened = open_dicom(image)
        except ImageReadError as error:
            problems.append(error)
            continue
        layers.append(_layer(opened, name, image.facts))
        if opened.notices:
            show_info(f"{name}: {'; '.join(opened.notices)}")
    if not layers:
        raise problems[0]
    for problem in problems:
        show_warning(str(problem))
    if len(images) > MOST:
        show_info(
            f"{path.name} holds {len(images)} images: the {MOST} largest are opened. "
            "Open another one by any of its files"
        )
    _remember(path, images)
    return layers


def _layer(image: SpatialImage, name: str, facts: PatientFacts) -> LayerData:
    planes = image.data
    lazy = dask.array.from_array(
        planes,
        chunks=planes.chunks,
        name=False,
        meta=np.empty((0,) * planes.ndim, planes.dtype),
    )
    whole = replace(image, data=lazy)
    data, arguments, kind = image_layer(whole, name, record=facts_record(facts))
    planes.fill_behind(after_s=_FIRST_PICTURE_S)
    # Its planes are kept already, and need not be kept twice.
    return data, arguments | {"cache": False}, kind


def _name(path: Path, image: DicomImage, *, is_one: bool) -> str:
    """Return a layer's name: of folder or file, but no number that stands for one."""
    own = path.name if path.is_dir() else image_stem(path)
    if not path.is_dir() and len(image.files) > 1:
        own = path.parent.name
    if not own or _UID.search(own):
        return image.title
    return own if is_one else f"{own} · {image.title}"


def _is_of_last_drop(path: Path) -> bool:
    is_recent = time.monotonic() - _last.at < _ONE_DROP_S
    if not (is_recent and path in _last.files and path not in _last.asked):
        return False
    _last.at, _last.asked = time.monotonic(), _last.asked | {path}
    return True


def _remember(path: Path, images: Sequence[DicomImage]) -> None:
    is_file = path.is_file() and len(images) == 1
    _last.files = frozenset(images[0].files) if is_file else frozenset()
    _last.asked, _last.at = frozenset((path,)), time.monotonic()
