"""A sweep as layers: the masks of all values on one slider, and where they differ."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, ensure_colormap
from psygnal import Signal

from napari_dmoe.inference.pictures.colours import Rgb
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.what_if.sweep_result import Sweep
from napari_dmoe.viewer.layers.camera import camera_kept, look_at
from napari_dmoe.viewer.layers.look import in_layer_order, mask_look
from napari_dmoe.viewer.layers.placement import (
    LayerData,
    data_to_world,
    on_layer,
    placement,
)
from napari_dmoe.viewer.layers.slot import KeptLayer
from napari_dmoe.viewer.what_if.sweep.rows import map_words, region_ends

if TYPE_CHECKING:
    from napari_dmoe.inference.what_if.steps import Swept
    from napari_dmoe.viewer.session.session import Session

_OPACITY = 0.7
_RAMP_STEPS = 9
_SEEN_THROUGH = "translucent_no_depth"


def stack_layer(
    source: Image, results: Sequence[Segmentation], *, title: str, shows: Sequence[str]
) -> LayerData:
    """Return masks of one image as a Labels layer with a slider before its axes.

    Parameters
    ----------
    source : napari.layers.Image
        The image.
    results : sequence of Segmentation
        One for each step of the slider.
    title : str
        What the slider goes through, such as ``severity``.
    shows : sequence of str
        What each step shows; goes into the layer's record.
    """
    masks = [in_layer_order(source, each, each.labels) for each in results]
    n = source.ndim
    affine = np.eye(n + 2)
    affine[1:, 1:] = data_to_world(source)
    record = results[0].provenance.model_dump(mode="json")
    return (
        np.stack(masks),
        {
            "name": f"{source.name} / sweep of {title}",
            "affine": affine,
            "axis_labels": (title, *source.axis_labels),
            "units": ("pixel", *source.units),
            "metadata": {METADATA_KEY: record | {"shows": "; ".join(shows)}},
            **mask_look(results[0].classes),
        },
        "labels",
    )


def sweep_title(sweep: Sweep) -> str:
    """Return what was swept, as the layers' names have it."""
    return " and ".join(name.lower() for name in sweep.titles)


def map_ramp() -> tuple[Rgb, ...]:
    """Return the maps' colours, from 0 to the largest value."""
    rgba = np.asarray(ensure_colormap("magma").map(np.linspace(0, 1, _RAMP_STEPS)))
    rows = (255 * rgba[:, :3]).round().astype(int).tolist()
    return tuple((red, green, blue) for red, green, blue in rows)


def sensitivity_layers(source: Image, sweep: Sweep) -> tuple[LayerData, LayerData]:
    """Return where the label changes, and the entropy of the values' votes."""
    changes, entropy = map_words(sweep)
    title = sweep_title(sweep)
    return (
        _map(
            source,
            sweep,
            sweep.differs,
            name=f"{source.name} / changes with {title}",
            limits=(0.0, changes.most),
        ),
        _map(
            source,
            sweep,
            sweep.entropy,
            name=f"{source.name} / vote entropy over {title}",
            limits=(0.0, entropy.most),
        ),
    )


def _map(
    source: Image, sweep: Sweep, values: Any, *, name: str, limits: tuple[float, float]
) -> LayerData:
    data, grid = on_layer(source, values, axes=sweep.axes, grid=sweep.grid)
    magma = ensure_colormap("magma").colors.copy()
    magma[0, 3] = 0.0  # where nothing changes, the image shows through
    record = sweep.values[0].provenance.model_dump(mode="json")
    shows = name.rpartition(" / ")[2]
    look = {
        "name": name,
        "colormap": Colormap(magma, name="dmoe sensitivity"),
        "contrast_limits": limits,
        "opacity": _OPACITY,
        "blending": _SEEN_THROUGH,
        "interpolation2d": "nearest",
        "rgb": False,
        "metadata": {METADATA_KEY: record | {"shows": shows}},
    }
    return data, placement(source, grid) | look, "image"


@dataclass(frozen=True)
class _Kept:
    """Where the layers of an image's last sweep are."""

    stack: KeptLayer = field(default_factory=KeptLayer)
    maps: tuple[KeptLayer, KeptLayer] = field(
        default_factory=lambda: (KeptLayer(), KeptLayer())
    )


class SweepLayers:
    """Shows a sweep on an image.

    Parameters
    ----------
    session : Session
        Knows the viewer, and the image's other masks.
    """

    removed = Signal()
    """The masks were removed from the viewer."""
    seen_changed = Signal()
    """The masks were shown or hidden."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._swept: Swept | None = None
        self._image: weakref.ref[Image] | None = None
        self._kept: WeakKeyDictionary[Image, _Kept] = WeakKeyDictionary()
        self._was_there = False
        self._covered: weakref.ref[Labels] | None = None
        if session.viewer is not None:
            session.viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_there(self) -> bool:
        """Whether the masks are in the viewer."""
        return self._stack() is not None

    @property
    def is_seen(self) -> bool:
        """Whether the masks are seen."""
        stack = self._stack()
        return stack is not None and bool(stack.visible)

    def covers(self, mask: Layer | None) -> bool:
        """Say whether a mask was hidden, so that the sweep's can be seen."""
        return (
            mask is not None and self._covered is not None and self._covered() is mask
        )

    def show(self, image: Image, swept: Swept) -> None:
        """Put a sweep where the image's last one is, or add it; others are hidden.

        What a person set in the layer stays, its name among it. The camera stays, too.
        """
        viewer = self._session.viewer
        if viewer is None:
            return
        title = sweep_title(swept.sweep)
        data = stack_layer(image, swept.results, title=title, shows=swept.steps)
        kept = self._kept.setdefault(image, _Kept())
        before = kept.stack.within(viewer)
        with camera_kept(viewer):
            stack = kept.stack.put(viewer, data)
        kept.stack.rename(viewer, data[1]["name"])
        if before is None:
            stack.events.visible.connect(self._on_visible)
        self._swept, self._image = swept, weakref.ref(image)
        self._remove_maps()
        stack.editable, self._was_there = False, True
        self.reveal()

    def reveal(self) -> None:
        """Show the masks, and hide the image's others and what compares those."""
        stack, image, viewer = self._stack(), self._shown_image(), self._session.viewer
        if stack is None or image is None or viewer is None:
            return
        stack.visible = True
        looked_at = self._session.result_of(image)
        covered = None if looked_at is None else looked_at.mask()
        self._covered = None if covered is None else weakref.ref(covered)
        masks = (each.mask() for each in self._session.results_of(image))
        for layer in (*masks, *self._session.differences.of(image)):
            if layer is not None:
                layer.visible = False

    def hide(self) -> None:
        """Hide the masks and the maps; another mask is looked at."""
        for kept in (*self._maps(), *self._current()):
            kept.show(self._session.viewer, False)

    def go_to(self, step: int) -> None:
        """Move the viewer's slider to a step."""
        viewer, stack = self._session.viewer, self._stack()
        if viewer is not None and stack is not None:
            viewer.dims.set_point(viewer.dims.ndim - stack.ndim, step)

    @property
    def step(self) -> int | None:
        """The step that the viewer's slider is at; None without masks."""
        viewer, stack = self._session.viewer, self._stack()
        if viewer is None or stack is None:
            return None
        return round(float(viewer.dims.point[viewer.dims.ndim - stack.ndim]))

    def show_map(self, place: int) -> None:
        """Show the first or second map of where the values disagree; 0 for none."""
        viewer, image = self._session.viewer, self._shown_image()
        if viewer is None or image is None or self._swept is None:
            return
        if place:  # a person may have removed one of them
            selected, maps = set(viewer.layers.selection), self._maps()
            made = sensitivity_layers(image, self._swept.sweep)
            for kept, layer_data in zip(maps, made, strict=True):
                if kept.within(viewer) is None:
                    kept.put(viewer, layer_data)
            viewer.layers.selection = selected
        for number, kept in enumerate(self._maps(), start=1):
            kept.show(viewer, number == place)

    def look_at_region(self, place: int) -> int | None:
        """Fill the view with a region; return a step whose class there is another."""
        viewer, image = self._session.viewer, self._shown_image()
        if viewer is None or image is None or self._swept is None:
            return None
        sweep = self._swept.sweep
        region = sweep.regions[place]
        ends = zip(*region_ends(sweep, region), strict=True)
        look_at(
            viewer,
            image,
            dict(zip(sweep.axes, region.point, strict=True)),
            dict(zip(sweep.axes, ends, strict=True)),
        )
        return self._swept.step_apart(region)

    def forget(self) -> None:
        """Let the layers be; they belong to an image that is no longer worked on."""
        self._swept, self._image, self._was_there = None, None, False

    def _on_removed(self, event: object = None) -> None:
        if self._was_there and not self.is_there:
            self._was_there = False
            self._remove_maps()
            self.removed.emit()

    def _on_visible(self, event: object = None) -> None:
        self.seen_changed.emit()

    def _remove_maps(self) -> None:
        for kept in self._maps():
            kept.remove(self._session.viewer)

    def _shown_image(self) -> Image | None:
        return None if self._image is None else self._image()

    def _current(self) -> tuple[KeptLayer, ...]:
        """Return where the masks are; nothing without a sweep."""
        image = self._shown_image()
        return () if image not in self._kept else (self._kept[image].stack,)

    def _maps(self) -> tuple[KeptLayer, ...]:
        image = self._shown_image()
        return () if image not in self._kept else self._kept[image].maps

    def _stack(self) -> Labels | None:
        found = [kept.within(self._session.viewer) for kept in self._current()]
        return found[0] if found else None
