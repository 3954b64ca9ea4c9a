"""Open images with their truths and patients, as a cohort. Knows no Qt.

What an image shows is taken when the cohort is: what is painted later changes nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.patient import Patient
from napari_dmoe.viewer.layers.labels_on import on_image
from napari_dmoe.viewer.layers.placement import axis_names, to_image
from napari_dmoe.viewer.session.belonging import named_after
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.session.truths import offered_truths

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import Case
    from napari_dmoe.cohorts.datasets import Cohort

LAYOUT = "layers"
TITLE = "open layers"


@dataclass(frozen=True)
class OpenPair:
    """An open image and the layer of its truth."""

    image: Image
    labels: Labels
    how: str
    """How it is known that they belong together."""


@dataclass(frozen=True)
class LayerRow:
    """A case that was open: a row as tables have them, whose pixels are at hand."""

    number: int
    """Place among the layers, from 1."""
    id: str
    """What the image is called."""
    pixels: SpatialImage = field(repr=False)
    truth: SpatialImage = field(repr=False)
    patient: Patient = field(repr=False)
    image: Path = Path()
    """The file that the image was opened from; none where nobody knows."""
    labels: Path | None = Path()
    """The same of the truth, which there is in any case."""
    subject: str | None = None
    marks: tuple[str, ...] = ()
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    prediction: Path | None = None
    is_open: bool = True
    """Whether it needs no file."""

    def read(self) -> Case:
        """Return the image with its truth."""
        from napari_dmoe.cohorts.case import Case

        return Case(self.id, self.pixels, self.truth, self.patient)

    def read_labels(self) -> SpatialImage:
        """Return the truth alone."""
        return self.truth


@dataclass(frozen=True)
class Taken:
    """What was taken of a viewer."""

    cohort: Cohort
    layers: Mapping[str, weakref.ref[Image]]
    """The image of each case, by its id."""


def open_pairs(session: Session) -> list[OpenPair]:
    """Return the open images that have a truth, the first layer first.

    That is the one that somebody chose, or that came with it; else labels that are
    named after the image and lie on its pixels.
    """
    return [
        pair for image in reversed(session.images()) for pair in _pair(session, image)
    ]


def _pair(session: Session, image: Image) -> Iterator[OpenPair]:
    truth = session.truths.of(image)
    labels = None if truth is None else truth.labels
    if labels is not None:
        yield OpenPair(image, labels, "chosen as its truth")
        return
    names = [each.name for each in session.images()]
    place = next(i for i, each in enumerate(session.images()) if each is image)
    for layer in offered_truths(session, image):
        if named_after(layer.name, names) == place:
            yield OpenPair(image, layer, "named after it")
            return


def take(session: Session) -> Taken:
    """Return the open images with a truth as a cohort.

    Raises
    ------
    ValueError
        When there is none, or the pixels of one cannot be used.
    """
    from napari_dmoe.cohorts.datasets import Cohort

    pairs = open_pairs(session)
    if not pairs:
        raise ValueError("no open image has a truth: choose one, or open labels")
    rows: list[LayerRow] = []
    layers: dict[str, weakref.ref[Image]] = {}
    notices = []
    for number, pair in enumerate(pairs, start=1):
        name = _free(pair.image.name, layers)
        rows.append(_row(session, pair, number, name))
        layers[name] = weakref.ref(pair.image)
        notices.append(f"“{pair.labels.name}” is the truth of “{name}”: {pair.how}")
    return Taken(Cohort(tuple(rows), tuple(notices), TITLE, LAYOUT), layers)


def _row(session: Session, pair: OpenPair, number: int, name: str) -> LayerRow:
    image, labels = pair.image, pair.labels
    dims = 3 if session.dims == 3 or _is_volume(image) else 2
    try:
        pixels, truth = to_image(image, dims), on_image(image, labels, dims)
    except ImageError as error:
        raise ValueError(f"“{name}” cannot be used: {error}") from error
    return LayerRow(
        number,
        name,
        _copied(pixels),
        _copied(truth),
        session.patient_of(image),
        _file(image),
        _file(labels),
    )


def _is_volume(image: Image) -> bool:
    """Say whether an image has three axes of space, as far as its names tell."""
    return len({"z", "y", "x"} & set(axis_names(image, 3))) == 3


def _copied(image: SpatialImage) -> SpatialImage:
    """Return an image whose samples are its own: layers are painted on."""
    samples: Any = np.array(in_memory(image.data))
    return replace(image, data=samples)


def _file(layer: Image | Labels) -> Path:
    return Path(layer.source.path) if layer.source.path else Path()


def _free(name: str, taken: Mapping[str, object]) -> str:
    """Return a name that no case has."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name} [{number}]"
    return free
