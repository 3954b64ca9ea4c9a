"""What masks measure, remembered by how often their layers were changed.

Large masks are measured in jobs, by :class:`napari_dmoe.viewer.ui.measuring.Measuring`;
what is remembered of a layer, and for how long, is settled here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.masks import measures
from napari_dmoe.inference.masks.headline import Plausible
from napari_dmoe.inference.masks.truth import RegionScore, score
from napari_dmoe.viewer.layers.placement import (
    LENGTH_UNIT,
    axis_names,
    data_to_world,
    length_factors,
)

if TYPE_CHECKING:
    from napari_dmoe.inference.results.segmentation import Segmentation


CHANGES_OF_A_MASK = ("paint", "labels_update", "data")

AT_ONCE = 2_000_000
"""So many samples are measured where it is asked for: it takes some milliseconds."""

_MOST = 64
"""So many measures of a layer are remembered: a slider must not fill the memory."""

Edits = tuple[int, int]
"""How often a layer's samples were changed, and how much of it can be undone."""

_Known = tuple[Edits, dict[Hashable, Any]]


class _Counted:
    """Counts the changes of a layer that napari tells of."""

    def __init__(self, layer: Layer) -> None:
        self.n = 0
        for change in CHANGES_OF_A_MASK:
            if change in layer.events:
                getattr(layer.events, change).connect(self._on_change)

    def _on_change(self, event: Any = None) -> None:
        self.n += 1


_COUNTED: WeakKeyDictionary[Layer, _Counted] = WeakKeyDictionary()


def edits_of(layer: Layer) -> Edits:
    """Return what is another whenever a layer holds other samples.

    napari tells of nothing when a stroke is undone, so what can be undone counts, too.
    """
    if layer not in _COUNTED:
        _COUNTED[layer] = _Counted(layer)
    return _COUNTED[layer].n, len(getattr(layer, "_undo_history", ()))


class Measures:
    """What was measured in layers, each remembered until it is changed."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Layer, _Known] = WeakKeyDictionary()

    def of(self, layer: Layer, key: Hashable) -> Any | None:
        """Return what is known of a layer as it is now; None where it is not."""
        edits, found = self._known.get(layer, (None, {}))
        return found.get(key) if edits == edits_of(layer) else None

    def remember(self, layer: Layer, key: Hashable, value: Any, edits: Edits) -> None:
        """Remember something, unless the layer was changed since."""
        if edits == edits_of(layer):
            before, found = self._known.get(layer, (None, {}))
            kept = dict([*found.items()][1 - _MOST :]) if before == edits else {}
            self._known[layer] = (edits, kept | {key: value})


def differ(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Say whether two arrays differ, plane by plane: it ends at the first that does."""
    if first.shape != second.shape:
        return True
    first, second = np.asarray(first), np.asarray(second)  # a disk's are read once
    pairs = zip(first, second, strict=True) if first.ndim > 2 else [(first, second)]
    return any(not np.array_equal(one, other) for one, other in pairs)


@dataclass(frozen=True)
class Measured:
    """Sizes in one plane of a mask, or in one volume of a 3D model's."""

    sizes: tuple[measures.ClassSize, ...]
    """Area or volume of each class but the background."""
    ratio: measures.CupToDisc | None
    """The cup-to-disc ratio, for models with rim and cup."""
    headline: str
    """What it shows, in one line."""
    scores: tuple[RegionScore, ...] = ()
    """How far it overlaps with the truth; none without one."""


@dataclass(frozen=True)
class MaskFrame:
    """How a mask is measured, plane by plane or volume by volume.

    It holds no layer, so that a job may measure copies of the samples.
    """

    names: tuple[str, ...]
    """Names of the mask's axes."""
    along: tuple[str, ...]
    """Axes that are measured together, in the order of `affine`."""
    affine: NDArray[np.float64]
    """True lengths and angles of a pixel along them."""
    unit: str | None
    """Unit of the affine; None where pixels can only be counted."""
    classes: tuple[str, ...]
    """Class names, background first."""
    expected: Plausible
    """What the model's training cases showed."""

    @classmethod
    def of(cls, source: Image, result: Segmentation) -> MaskFrame:
        """Return how masks of a result are measured on its source layer."""
        along = SPATIAL_AXES[-len(result.grid.shape) :]
        is_length = length_factors(source, _places(source, along)) is not None
        return cls(
            axis_names(source, len(along)),
            along,
            frame_affine(source, along) @ result.grid.to_source(),
            LENGTH_UNIT if is_length else None,
            result.classes,
            Plausible.of(result.provenance, result.grid.step),
        )

    def shown(self, labels: NDArray[Any], step: Sequence[int]) -> NDArray[Any]:
        """Return the plane or volume at a place, not copied.

        The labels are in the order of their layer's axes; `step` is an index along each
        of them, ignored along those that are measured.
        """
        place = tuple(
            slice(None) if name in self.along else min(max(int(i), 0), n - 1)
            for name, i, n in zip(self.names, step, labels.shape, strict=True)
        )
        kept = [name for name in self.names if name in self.along]
        shown = labels[place]
        return shown.transpose([kept.index(name) for name in self.along])

    def measure(
        self, shown: NDArray[Any], truth: NDArray[Any] | None = None
    ) -> Measured:
        """Measure what :meth:`shown` returned, or a copy of it; of a truth, too.

        What is on a disk is read here.
        """
        shown = np.asarray(shown)
        image = SpatialImage(shown, self.along, self.affine, self.unit)
        sizes = tuple(measures.class_sizes(image, self.classes))
        ratio = measures.cup_to_disc(shown, self.classes)
        scores = () if truth is None else score(shown, truth, self.classes)
        headline = self.expected.headline(shown, sizes)
        return Measured(sizes, ratio, headline, scores)


def frame_affine(
    layer: Image, along: tuple[str, ...] = ("y", "x")
) -> NDArray[np.float64]:
    """Return an affine with the true lengths and angles of pixels along some axes.

    A plane of a rotated stack is no plane of the world's y and x. Lengths, areas and
    volumes only need the frame's own geometry.
    """
    axes = _places(layer, along)
    sides = data_to_world(layer)[:-1, axes]
    if length_factors(layer, axes) is not None:
        of_world = [(length_factors(layer, [i]) or [1.0])[0] for i in range(layer.ndim)]
        sides = sides * np.array(of_world)[:, np.newaxis]
    affine = np.eye(len(along) + 1)
    affine[:-1, :-1] = np.linalg.cholesky(sides.T @ sides).T
    return affine


def _places(layer: Image, along: tuple[str, ...]) -> list[int]:
    names = axis_names(layer, len(along))
    return [names.index(name) for name in along]


@dataclass(frozen=True)
class PixelSize:
    """How large a pixel or voxel is."""

    size: float = 1.0
    """Its area or volume."""
    unit: str = "px"
    """``"mm²"`` or ``"mL"``; ``"px"`` or ``"voxels"`` where its size is not known."""

    def text(self, n: int) -> str:
        """Say how large a number of them is, without the unit."""
        return f"{n * self.size:.0f}" if self.is_count else f"{n * self.size:.3g}"

    @property
    def is_count(self) -> bool:
        """Whether they can only be counted."""
        return self.unit in ("px", "voxels")


PIXELS = PixelSize()


def pixel_size(result: Segmentation, image: SpatialImage) -> PixelSize:
    """Return how large a pixel of a result is."""
    frame = measures.label_frame(result, image)
    is_voxel = frame.unit == "px" and len(result.grid.shape) == 3
    return PixelSize(frame.pixel, "voxels" if is_voxel else frame.unit)


def pixels_or_voxels(result: Segmentation) -> str:
    """Say what a mask is made of."""
    return "voxels" if len(result.grid.shape) == 3 else "pixels"
