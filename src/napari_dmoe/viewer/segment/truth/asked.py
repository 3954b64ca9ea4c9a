"""What the truth of an image is to be read as, for a result. Knows no Qt."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_dmoe.viewer.layers.label_meanings import class_map, stated_names
from napari_dmoe.viewer.layers.labels_on import Laid, laid, worded
from napari_dmoe.viewer.layers.truth_layers import (
    NO_TRUTH,
    ReadTruth,
    meant_by,
    read_truth,
)
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.truths import Truth

_AT_NETWORK = (
    "The mask is on the network's pixels: segment with “Labels at: source” for Dice."
)
_OTHER_PIXELS = "The mask has other pixels than the truth."


@dataclass(frozen=True)
class AskedTruth:
    """Labels that are to be read as the classes of a result; holds no layer."""

    given: Laid
    classes: tuple[str, ...]
    names: tuple[str, ...]
    classes_map: Mapping[int, int] | None
    shape: tuple[int, ...]
    """That of the mask."""

    @property
    def key(self) -> Hashable:
        """What is another whenever the labels would be read otherwise."""
        image, labels, mapped = self.given.image, self.given.labels, self.classes_map
        lies = image.data.shape, image.affine.tobytes()
        placed = labels.affine.tobytes(), labels.axes
        stated = None if mapped is None else tuple(sorted(mapped.items()))
        return "truth", self.classes, self.names, stated, lies, placed

    @property
    def meant(self) -> Mapping[int, int] | None:
        """Which class each label stands for; None where that is its number."""
        return meant_by(self.names, self.classes, self.classes_map)

    def read(self) -> ReadTruth:
        """Read them; called in a job."""
        how: dict[str, Any] = {"names": self.names, "classes_map": self.classes_map}
        return self.on_mask(read_truth(self.given, self.classes, **how))

    def on_mask(self, read: ReadTruth) -> ReadTruth:
        """Return what was read, or that the mask has other pixels."""
        values: NDArray[Any] | None = read.values
        if values is None or values.shape == self.shape:
            return read
        return replace(read, values=None, problem=_OTHER_PIXELS)


def ask(truth: Truth | None, image: Image, result: Result) -> AskedTruth | ReadTruth:
    """Return how the truth of an image is to be read, or why it is none of a result."""
    mask, made = result.mask(), result.segmentation
    labels: Labels | None = None if truth is None else truth.labels
    if truth is None or labels is None or mask is None:
        return NO_TRUTH
    if made.provenance.settings.get("scored_at") == "network":
        return ReadTruth(problem=_AT_NETWORK)
    try:
        given = laid(labels, image)
    except ValueError as error:
        return ReadTruth(problem=worded(error))
    chosen = truth.classes_map
    chosen = class_map(labels, made.classes) if chosen is None else chosen
    names, shape = stated_names(labels), tuple(mask.data.shape)
    return AskedTruth(given, made.classes, names, chosen, shape)
