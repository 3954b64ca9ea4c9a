"""What outlines of two pixels of the screen take, and napari's own contours, as JSON.

Run it with ``python benchmarks/outlines.py``, under Xvfb where there is no display. A
mask with a wavy border, smooth or ragged, lies on planes of several sizes. Timed is
what the GUI thread computes, which neither other programs nor a slow canvas make
longer: drawing the outline anew after a stroke, and following a step of the zoom.
Looking through a large plane happens in a thread and is told apart. The widths are
counted in screenshots. napari's contours are those of the smallest width that is two
pixels of the screen, up to the widest that is bearable.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QApplication

from napari_dmoe.viewer.layers.camera import camera_of
from napari_dmoe.viewer.layers.edges import edges_of
from napari_dmoe.viewer.layers.outlines import Outlines

SHAPES = ((150, 200), (1411, 1411), (4000, 6000))
RAGGED = (0.0, 3.0)
"""How far single pixels lie off the border, in pixels."""
ZOOMS = (0.5, 1.0, 20.0)
"""Of that at which the whole plane is seen."""
WIDEST = 4
"""In pixels of a large plane; 16 would take a minute."""


def wavy(shape: tuple[int, int], ragged: float) -> np.ndarray:
    """Return a mask with a wavy border."""
    height, width = shape
    y, x = np.ogrid[:height, :width]
    radius = np.hypot(x - width / 2, y - height / 2)
    angle = np.arctan2(y - height / 2, x - width / 2)
    border = min(shape) * 0.4 * (1 + 0.08 * np.sin(7 * angle))
    if ragged:
        border = border + np.random.default_rng(0).normal(0, ragged, shape)
    return (radius < border).astype(np.uint8)


def ms(work: Callable[[], object]) -> float:
    """Return what something takes of the processor in this thread, in ms."""
    began = time.thread_time()
    work()
    return round(1000 * (time.thread_time() - began), 1)


def stroke(mask: Labels, place: int) -> None:
    """Paint once."""
    height, width = mask.data.shape
    mask.brush_size = max(3, min(mask.data.shape) // 40)
    mask.paint((height // 2 + place, width // 2 - width // 3), place % 2 + 1)


def widths(viewer: napari.Viewer, factor: float) -> list[int]:
    """Return how wide the lines are that are met across the middle, in pixels."""
    picture = viewer.screenshot(canvas_only=True, flash=False)
    row = picture[len(picture) // 2, :, :3].astype(float).sum(-1)
    changes = np.flatnonzero(np.diff(np.r_[0, row > row.max() / 4, 0].astype(int)))
    return np.diff(changes)[::2].tolist() if row.max() > 60 else []


def zooms(viewer: napari.Viewer, follow: Callable[[float], object]) -> dict[str, Any]:
    """Return what each step of the zoom takes, and how wide the lines are then."""
    viewer.reset_view()
    camera, whole = camera_of(viewer), camera_of(viewer).zoom
    (height, width), found = viewer.layers[0].data.shape, {}
    left = width / 2 - 0.4 * min(height, width) * 1.0
    for factor in ZOOMS:
        camera.zoom = whole * factor
        camera.center = (height / 2, left if factor > 1 else width / 2)
        taken = ms(lambda zoom=camera.zoom: follow(zoom))
        QApplication.processEvents()
        found[f"{factor:g}"] = {"ms": taken, "px": widths(viewer, factor)}
    return found


def lines(viewer: napari.Viewer, mask: Labels) -> dict[str, Any]:
    """Measure our lines."""
    outlines = Outlines(viewer)
    asked: list[int] = []
    outlines.wanted.connect(lambda: asked.append(1))  # so that nothing is done unasked
    outlines.zoomed.connect(lambda: asked.append(1))
    outlines.add(mask)
    looking: list[float] = []

    def draw() -> None:
        for each in outlines.due():
            began = time.thread_time()
            found = each.find()
            looking.append(round(1000 * (time.thread_time() - began), 1))
            each.show(found)

    first = ms(draw)
    result = {
        "runs": len(outlines.line_of(mask).data),
        "first_ms": round(first - looking[0], 1),
        "looking_through_ms": looking[0],
        "zoom": zooms(viewer, lambda zoom: outlines.fit()),
    }
    strokes = []
    for place in range(5):
        stroke(mask, place)
        n = len(looking)
        taken = ms(draw)
        strokes.append(round(taken - sum(looking[n:]), 1))
    result["redraw_after_a_stroke_ms"] = strokes
    outlines.discard(mask)
    return result


def contours(viewer: napari.Viewer, mask: Labels) -> dict[str, Any]:
    """Measure napari's own, with a width that follows the zoom."""

    def follow(zoom: float) -> None:
        width = max(1, round(2 / zoom) - 1)
        mask.contour = min(width, WIDEST) if mask.data.size > 4e6 else width

    first = ms(lambda: setattr(mask, "contour", 2))
    fixed = zooms(viewer, lambda zoom: None)
    following = zooms(viewer, follow)
    mask.contour = 2
    strokes = [ms(lambda place=place: stroke(mask, place)) for place in range(5)]
    mask.contour = 0
    return {
        "first_ms": first,
        "zoom": fixed,
        "zoom_with_a_width_that_follows": following,
        "stroke_ms": strokes,
    }


def shapes(viewer: napari.Viewer, mask: Labels) -> dict[str, float]:
    """Measure napari's shapes instead of its vectors, for the same runs."""
    edges = edges_of(mask.data)
    ends = list(np.stack([edges.starts, edges.starts + edges.along], axis=1))
    layer = Shapes(ndim=2)
    viewer.layers.append(layer)
    first = ms(lambda: layer.add(ends, shape_type="line", edge_width=2))
    wider = ms(lambda: setattr(layer, "edge_width", [3] * len(ends)))
    viewer.layers.remove(layer)
    return {"first_ms": first, "step_of_the_zoom_ms": wider}


def measure(shape: tuple[int, int], ragged: float) -> dict[str, Any]:
    """Return the figures of one plane."""
    viewer = napari.Viewer()
    viewer.window.resize(1200, 900)
    dark = np.zeros(shape, np.float32)
    viewer.add_image(dark, name="photograph", contrast_limits=(0, 1))
    mask = viewer.add_labels(wavy(shape, ragged), name="mask", opacity=1)
    QApplication.processEvents()
    found: dict[str, Any] = {"lines": lines(viewer, mask)}
    found["contours of napari"] = contours(viewer, mask)
    if mask.data.size < 4e6 and not ragged:
        found["shapes of napari"] = shapes(viewer, mask)
    viewer.close()
    return found


def main() -> None:
    """Measure every plane and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="without the largest")
    arguments = parser.parse_args()
    sizes = SHAPES[:-1] if arguments.small else SHAPES
    found = {
        f"{width} x {height}, {'ragged' if ragged else 'smooth'}": measure(
            (height, width), ragged
        )
        for height, width in sizes
        for ragged in RAGGED
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
