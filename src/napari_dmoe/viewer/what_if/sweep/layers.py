"""A sweep as layers: the masks of all values on one slider, and where they differ.

What is said of it in lines is the business of
:mod:`napari_dmoe.viewer.what_if.sweep.rows`.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer
from psygnal import Signal

from napari_dmoe.inference.pictures.colours import ColourKey
from napari_dmoe.inference.what_if.sweep_result import Sweep
from napari_dmoe.viewer.layers import maps, names
from napari_dmoe.viewer.layers.camera import camera_kept, look_at
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.look import in_layer_order, mask_look
from napari_dmoe.viewer.layers.placement import LayerData, data_to_world
from napari_dmoe.viewer.what_if.sweep.rows import CHOSEN, region_ends

if TYPE_CHECKING:
    from napari_dmoe.inference.what_if.steps import Swept
    from napari_dmoe.viewer.session.session import Session

_COLORMAP = "magma"
_OWNER = "sweep"


def stack_layer(source: Image, swept: Swept) -> LayerData:
    """Return a sweep's masks as a Labels layer with a slider before its axes."""
    first, title = swept.results[0], sweep_title(swept.sweep)
    steps_last = in_layer_order(source, first, np.moveaxis(swept.stack, 0, -1))
    affine = np.eye(source.ndim + 2)
    affine[1:, 1:] = data_to_world(source)
    arguments = {
        "name": names.layer_name(source.name, names.sweep_of(title)),
        "affine": affine,
        "axis_labels": (title, *source.axis_labels),
        "units": ("pixel", *source.units),
        "metadata": maps.map_metadata(first.provenance, "; ".join(swept.steps)),
        **mask_look(first.classes),
    }
    return np.moveaxis(steps_last, -1, 0), arguments, "labels"


def sweep_title(sweep: Sweep) -> str:
    """Return what was swept, as the layers' names have it."""
    return " and ".join(name.lower() for name in sweep.titles)


def map_keys(sweep: Sweep) -> tuple[ColourKey, ColourKey]:
    """Return what the colours of :func:`sensitivity_layers` mean."""
    n, ramp = len(sweep.values), maps.ramp_of(_COLORMAP)
    others = max(1, n - (sweep.reference.place is not None))
    bits = max(math.log2(min(n, len(sweep.classes))), 1e-3)
    changes = f"In how many values the class is not that of {CHOSEN}."
    entropy = "How evenly the values vote for different classes; 0 where all agree."
    return (
        ColourKey.from_0(changes, ramp, others, "values"),
        ColourKey.from_0(entropy, ramp, bits, "bits"),
    )


def sensitivity_layers(source: Image, sweep: Sweep) -> tuple[LayerData, LayerData]:
    """Return where the label changes, and the entropy of the values' votes.

    The image is seen through them where nothing changes.
    """
    title, (changes, entropy) = sweep_title(sweep), map_keys(sweep)
    return (
        _map(source, sweep, sweep.differs, changes, names.changes_with(title)),
        _map(source, sweep, sweep.entropy, entropy, names.vote_entropy_over(title)),
    )


class SweepLayers:
    """Shows a sweep on an image of a session's viewer, instead of its other masks."""

    removed = Signal()
    """The masks are no longer in the viewer, or made room for another what-if."""
    seen_changed = Signal()
    """The masks were shown or hidden."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._swept: Swept | None = None
        self._image: Callable[[], Image | None] = lambda: None
        self._was_there = False
        self._covered: Callable[[], Layer | None] = lambda: None
        session.groups.yielded.connect(self._on_yielded)
        session.groups.changed.connect(self._on_removed)
        if session.viewer is not None:
            session.viewer.layers.events.removed.connect(self._on_removed)

    @property
    def is_there(self) -> bool:
        """Whether the masks are in the viewer."""
        return self._stack() is not None

    @property
    def is_seen(self) -> bool:
        """Whether the masks are seen."""
        return self._session.groups.is_seen(self._image(), Group.WHAT_IF, _OWNER)

    def covers(self, mask: Layer | None) -> bool:
        """Say whether a mask was hidden, so that the sweep's can be seen."""
        return mask is not None and self._covered() is mask

    def show(self, image: Image, swept: Swept) -> None:
        """Put a sweep where the image's last one is, or add it; others are hidden.

        What a person set in the layer stays, its name among it. The camera stays, too.
        """
        viewer = self._session.viewer
        if viewer is None:
            return
        with camera_kept(viewer):
            made, groups = stack_layer(image, swept), self._session.groups
            stack = groups.put(image, Group.WHAT_IF, made, _OWNER)
        stack.events.visible.connect(self._on_visible)
        self._swept, self._image = swept, weakref.ref(image)
        self._was_there = True
        self.reveal()

    def reveal(self) -> None:
        """Show the masks, and hide the image's others."""
        stack, image = self._stack(), self._image()
        if stack is None or image is None:
            return
        self._session.groups.show(image, Group.WHAT_IF)
        looked_at = self._session.result_of(image)
        covered = None if looked_at is None else looked_at.mask()
        self._covered = (lambda: None) if covered is None else weakref.ref(covered)
        for each in self._session.results_of(image):
            mask = each.mask()
            if mask is not None:
                self._session.showing.see(mask, False)

    def hide(self) -> None:
        """Hide the masks and the map; another mask is looked at."""
        for group in (Group.SWEEP_MAP, Group.WHAT_IF):
            self._session.groups.hide(self._image(), group, _OWNER)

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
        image, groups = self._image(), self._session.groups
        if image is None or self._swept is None or not self.is_there:
            return
        if not place:
            groups.hide(image, Group.SWEEP_MAP)
            return
        made = sensitivity_layers(image, self._swept.sweep)[place - 1]
        groups.put(image, Group.SWEEP_MAP, made, _OWNER)

    def look_at_region(self, place: int) -> int | None:
        """Fill the view with a region; return a step whose class there is another."""
        viewer, image = self._session.viewer, self._image()
        if viewer is None or image is None or self._swept is None:
            return None
        sweep = self._swept.sweep
        region = sweep.regions[place]
        point = dict(zip(sweep.axes, region.point, strict=True))
        ends = zip(*region_ends(sweep, region), strict=True)
        look_at(viewer, image, point, dict(zip(sweep.axes, ends, strict=True)))
        return self._swept.step_apart(region)

    def forget(self) -> None:
        """Let the layers be; they belong to an image that is no longer worked on."""
        self._swept, self._image, self._was_there = None, lambda: None, False

    def _on_removed(self, event: object = None) -> None:
        if self._was_there and not self.is_there:
            self._was_there = False
            self._session.groups.let_go(self._image(), Group.SWEEP_MAP, _OWNER)
            self.removed.emit()

    def _on_yielded(self, image: Image, group: Group) -> None:
        """Let the mask that was hidden for the sweep's be seen again."""
        covered = self._covered()
        if image is self._image() and group is Group.WHAT_IF and covered is not None:
            self._session.showing.see(covered, True)

    def _on_visible(self, event: object = None) -> None:
        self.seen_changed.emit()

    def _stack(self) -> Layer | None:
        groups = self._session.groups
        return groups.layer(self._image(), Group.WHAT_IF, _OWNER)


def _map(
    source: Image, sweep: Sweep, values: Any, key: ColourKey, shows: str
) -> LayerData:
    return maps.map_layer(
        source,
        values,
        maps.measure_look(maps.nothing_at_0(_COLORMAP, "dmoe sensitivity"), key.limits),
        axes=sweep.axes,
        grid=sweep.grid,
        name=names.layer_name(source.name, shows),
        record=sweep.values[0].provenance,
        shows=shows,
    )
