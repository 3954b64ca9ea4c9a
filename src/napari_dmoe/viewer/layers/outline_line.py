"""The outline of one mask: a layer of lines above it, as wide at any zoom.

napari's own outlines are as wide as some of the mask's pixels: nothing of them is seen
of a large photograph, and of a small one they hide what they surround. Here the mask's
fill is unseen instead, and lines of a layer of ours go around its regions. The mask
stays what it was, to be painted on and picked. Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Vectors
from numpy.typing import NDArray

from napari_dmoe.viewer.layers import names
from napari_dmoe.viewer.layers.camera import camera_kept, camera_of
from napari_dmoe.viewer.layers.edges import Edges, edges_of
from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.placement import PLACE, place_of
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.layers.slot import free_name, selection_kept
from napari_dmoe.viewer.layers.stage import stage_of

WIDTH = 2.0
"""Width of an outline on the screen, in its pixels."""

LINE_KEY = "napari-dmoe-outline"
"""Key of the metadata of a layer of lines: it is a part of how a mask is shown."""

_CHANGES = ("set_data", "paint", "labels_update", "data", "colormap", *PLACE)
_SELECTIONS = ("selected_label", "show_selected_label")
_TOLERANCE = 0.02  # a line that is so much too wide or narrow is not drawn anew


def _gone() -> None:
    """Stand for a mask that is no outline any more."""


def is_line(layer: Layer | None) -> bool:
    """Say whether a layer is the outline of a mask, and none of a person's own."""
    return isinstance(layer, Vectors) and LINE_KEY in layer.metadata


@dataclass(frozen=True)
class Plane:
    """The plane of a mask that is shown; holds no layer."""

    samples: Any
    """Of the whole mask."""
    index: tuple[int | slice, ...]
    """Where the plane is, in the order of the mask's axes."""

    @property
    def size(self) -> int:
        """How many samples there are in it."""
        sizes = zip(self.samples.shape, self.index, strict=True)
        return int(np.prod([n for n, at in sizes if isinstance(at, slice)]))

    @property
    def displayed(self) -> list[int]:
        """The axes of the mask that are shown."""
        return [axis for axis, at in enumerate(self.index) if isinstance(at, slice)]

    def edges(self) -> Edges:
        """Look for the lines in it, which may take a while."""
        return edges_of(np.asarray(self.samples[self.index]))

    def is_as(self, other: Plane | None) -> bool:
        """Whether it is the same place of the same samples, though painted on."""
        is_there = other is not None and other.samples is self.samples
        return is_there and other is not None and other.index == self.index


class Outline:
    """The lines of one mask; the mask and the viewer are referred to weakly.

    `ask` is called whenever something is to be drawn anew.
    """

    def __init__(
        self, viewer: ViewerModel, mask: Labels, ask: Callable[[], None]
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._mask: Callable[[], Labels | None] = weakref.ref(mask)
        self._line: weakref.ref[Vectors] | None = None
        self._ask = ask
        self._given = ""  # name of the line
        self._filled: float | None = None  # opacity of the mask, while it is unseen
        self._is_persons = self._is_ours = self._is_off = False
        self._asked, self._drawn = 1, 0
        self._unit = 1.0  # of the world, of what the line is measured in
        events = mask.events
        for name in (*_CHANGES, *_SELECTIONS):
            if name in events:
                getattr(events, name).connect(self._on_change)
        events.visible.connect(self.follow)
        events.contour.connect(self.follow)
        events.opacity.connect(self._on_opacity)
        events.name.connect(self._on_name)

    @property
    def line(self) -> Vectors | None:
        """The layer of lines; None where there is none."""
        line = None if self._line is None else self._line()
        return line if stays(self._viewer(), line) else None

    @property
    def is_drawn(self) -> bool:
        """Whether lines go around the mask as it is, if there is any edge in it."""
        line = self.line
        is_done = self._is_to_be_seen() and self._asked == self._drawn
        return is_done and (line is None or bool(line.visible))

    @property
    def filled(self) -> float | None:
        """Opacity that the mask has where it is filled; None where it is a person's."""
        return self._filled

    def wanted(self) -> tuple[int, Plane] | None:
        """Return the plane to be drawn, and a number that :meth:`draw` takes.

        None where nothing is to be drawn.
        """
        if self._asked == self._drawn or not self._is_to_be_seen():
            return None
        plane = self._plane()
        return None if plane is None else (self._asked, plane)

    def draw(self, number: int, plane: Plane, edges: Edges) -> None:
        """Draw what was found in a plane, unless another is shown by now."""
        viewer, mask = self._viewer(), self._mask()
        here = self._plane() if self._is_to_be_seen() else None
        if viewer is None or mask is None or not plane.is_as(here):
            return
        self._drawn = number
        factors = _factors(mask, plane.displayed)
        self._unit = float(factors.max())
        drawn = _drawing(mask, plane, edges, factors / self._unit)
        line = self.line
        if line is not None:
            _replace(line, drawn)
        elif len(edges):
            self._put(viewer, mask, drawn)
        self.follow()

    def _put(self, viewer: ViewerModel, mask: Labels, drawn: dict[str, Any]) -> None:
        self._given = free_name(viewer, names.outline_of(str(mask.name)))
        line = Vectors(
            **drawn,
            name=self._given,
            edge_width=self._width(viewer),
            vector_style="line",
            opacity=1.0,
            blending="translucent_no_depth",
            metadata={LINE_KEY: True},
        )
        line.editable = False
        self._line = weakref.ref(line)
        stage_of(viewer).attach(line, mask)
        line.events.visible.connect(self._on_eye)
        with selection_kept(viewer), camera_kept(viewer), pointer_away(viewer):
            viewer.layers.insert(viewer.layers.index(mask) + 1, line)

    def fit(self) -> None:
        """Let the lines be as wide on the screen as they are to be."""
        viewer, line = self._viewer(), self.line
        if viewer is None or line is None or not line.visible:
            return
        width = self._width(viewer)
        if abs(line.edge_width / width - 1) > _TOLERANCE:
            line.edge_width = width

    def _width(self, viewer: ViewerModel) -> float:
        return WIDTH / (float(camera_of(viewer).zoom) * self._unit)

    def stack(self) -> None:
        """Lie right above the mask again, wherever that was moved to."""
        viewer, mask, line = self._viewer(), self._mask(), self.line
        if viewer is None or mask is None or line is None or not stays(viewer, mask):
            return
        layers = viewer.layers
        if layers.index(line) != layers.index(mask) + 1:
            layers.move(layers.index(line), layers.index(mask) + 1)

    def follow(self, event: Any = None) -> None:
        """Show the lines where the mask is to be seen as an outline; else fill it."""
        line, mask, is_seen = self.line, self._mask(), self._is_to_be_seen()
        is_wanted = is_seen and not self._is_off
        if line is not None and self._drawn and line.visible is not is_wanted:
            with self._ours():
                line.visible = is_wanted
        if mask is None or not mask.visible:
            return
        if is_wanted and self._drawn:
            self._hide_fill()
            self.fit()
        elif not is_wanted:
            self.fill()
        if is_seen and self._asked != self._drawn:
            self._ask()

    def turn(self) -> None:
        """Go by the axes that are shown now."""
        self._asked += 1
        self.follow()

    def fill(self) -> None:
        """Let the mask be filled again, unless a person saw to that."""
        mask, opacity = self._mask(), self._filled
        self._filled = None
        if mask is not None and opacity is not None:
            with self._ours():
                mask.opacity = opacity

    def put_away(self) -> None:
        """Let the lines go, and fill the mask, which may come back."""
        viewer, line = self._viewer(), self.line
        self.fill()
        self._line, self._drawn = None, 0
        if line is not None and viewer is not None:
            leaving_of(viewer).let_go(line)

    def end(self) -> None:
        """Let the lines go for good, and fill the mask."""
        self.put_away()
        self._mask = _gone

    def is_of(self, layer: Layer) -> bool:
        """Whether a layer, be it in the viewer or not, is the one of lines."""
        return self._line is not None and self._line() is layer

    def _hide_fill(self) -> None:
        mask = self._mask()
        if mask is None or self._filled is not None or self._is_persons:
            return
        with self._ours():
            self._filled, mask.opacity = float(mask.opacity), 0.0

    @contextmanager
    def _ours(self) -> Iterator[None]:
        self._is_ours = True
        try:
            yield
        finally:
            self._is_ours = False

    def _is_to_be_seen(self) -> bool:
        viewer, mask = self._viewer(), self._mask()
        if viewer is None or mask is None or not stays(viewer, mask):
            return False
        is_flat = viewer.dims.ndisplay == 2 and self._plane() is not None
        return bool(mask.visible) and is_flat and mask.contour == 0

    def _plane(self) -> Plane | None:
        """Return the plane that is shown; None where one cannot be told."""
        viewer, mask = self._viewer(), self._mask()
        if viewer is None or mask is None:
            return None
        offset = viewer.dims.ndim - mask.ndim
        shown = [axis - offset for axis in viewer.dims.displayed if axis >= offset]
        if offset < 0 or len(shown) != 2:
            return None
        samples = mask.data[0] if mask.multiscale else mask.data
        here = np.round(mask.world_to_data(np.array(viewer.dims.point)[offset:]))
        last = np.array(samples.shape) - 1
        at = np.clip(here, 0, last).astype(int).tolist()
        index = [slice(None) if i in shown else at[i] for i in range(mask.ndim)]
        return Plane(samples, tuple(index))

    def _on_change(self, event: Any = None) -> None:
        self._asked += 1
        if self._is_to_be_seen():
            self._ask()

    def _on_opacity(self, event: Any = None) -> None:
        if not self._is_ours and self._filled is not None:  # a person's from now on
            self._is_persons, self._filled = True, None

    def _on_eye(self, event: Any = None) -> None:
        """Fill the mask where a person hides the lines; until they are shown again."""
        line = self.line
        if not self._is_ours and line is not None:
            self._is_off = not line.visible
            self.follow()

    def _on_name(self, event: Any = None) -> None:
        viewer, mask, line = self._viewer(), self._mask(), self.line
        if viewer is None or mask is None or line is None or not stays(viewer, mask):
            return
        if line.name == self._given:
            name = names.outline_of(str(mask.name))
            line.name = self._given = free_name(viewer, name, besides=line)


def _factors(mask: Labels, displayed: list[int]) -> NDArray[np.float64]:
    """Return how long a pixel of a mask is in the world, along the axes shown."""
    origin = np.asarray(mask.data_to_world(np.zeros(mask.ndim)))
    steps = [mask.data_to_world(np.eye(mask.ndim)[axis]) - origin for axis in displayed]
    return np.linalg.norm(np.asarray(steps, float), axis=1)


def _drawing(
    mask: Labels, plane: Plane, edges: Edges, factors: NDArray[np.float64]
) -> dict[str, Any]:
    """Return the arguments of a layer that shows edges on a mask.

    Its unit is the same along both axes, so that all lines are equally wide; `factors`
    say how many of it a pixel is long.
    """
    data = np.zeros((len(edges), 2, mask.ndim))
    hidden = [axis for axis in range(mask.ndim) if axis not in plane.displayed]
    data[:, 0, hidden] = [plane.index[axis] for axis in hidden]
    data[:, 0, plane.displayed] = edges.starts * factors
    data[:, 1, plane.displayed] = edges.along * factors
    scale = np.array(mask.scale, float)
    scale[plane.displayed] /= factors
    place = place_of(mask) | {"scale": scale}
    colours = _colours(mask, edges)
    return place | {"data": data, "edge_color": colours, "ndim": mask.ndim}


def _colours(mask: Labels, edges: Edges) -> NDArray[np.float64]:
    """Return the colour of each run as ``(n, 4)``.

    It is that of its label, or of the other one where that label is not shown.
    """
    colours, others = (_shown(mask, each) for each in (edges.labels, edges.others))
    return np.where(colours[:, 3:] > 0, colours, others)


def _shown(mask: Labels, labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return how a mask shows each of some labels, as ``(n, 4)``."""
    known, places = np.unique(labels, return_inverse=True)
    found = [mask.get_color(int(label)) for label in known]
    colours = [np.zeros(4) if each is None else np.ravel(each) for each in found]
    return np.array(colours, float).reshape(-1, 4)[places]


def _replace(line: Vectors, drawn: dict[str, Any]) -> None:
    """Draw something else; only what differs, for each is drawn."""
    if not np.array_equal(line.data, drawn["data"]):
        line.data = drawn["data"]
    colours = drawn["edge_color"]
    if len(colours) and not np.array_equal(line.edge_color, colours):
        line.edge_color = colours
    for name in PLACE:
        now, wanted = getattr(line, name), drawn[name]
        now, wanted = (getattr(e, "affine_matrix", e) for e in (now, wanted))
        if not np.array_equal(now, wanted):
            setattr(line, name, wanted)
