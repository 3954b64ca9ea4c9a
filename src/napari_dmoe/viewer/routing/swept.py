"""The routing that a sweep found, for maps of results that were asked for alike.

A sweep runs every value of a driver, which is what a map of two values needs. Nothing
is run here, and no array is copied. Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Layer

from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.routing.extras import extras_of, routing_for
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Result

if TYPE_CHECKING:
    from napari_dmoe.inference.results.routing import RoutingMaps
    from napari_dmoe.inference.what_if.sweep_result import Sweep, SweptValue

MOST_BYTES = 2**26
"""Gates of a sweep that are kept for as long as its image: far more than those of any
image in 2D (some 100 kB a value), but less than those of a volume's first stage."""


@dataclass(frozen=True)
class _Found:
    """The routing for one value, and what a run for it would have been asked for."""

    request: Request
    routers: tuple[tuple[str, str, int], ...]
    """Attribute, value and router of each attribute that was swept."""
    routing: RoutingMaps


class SweptRouting:
    """The routing of the last sweep of each image."""

    def __init__(self) -> None:
        self._found: WeakKeyDictionary[Layer, tuple[_Found, ...]] = WeakKeyDictionary()

    def remember(self, image: Layer, request: Request, sweep: Sweep) -> None:
        """Keep what a sweep found, instead of what the image's last one did.

        `request` is what a plain run would have been asked for when the sweep began.
        Gates that take more than :data:`MOST_BYTES` are not kept.
        """
        found = tuple(_found_in(request, sweep))
        n_bytes = sum(g.nbytes for each in found for g in each.routing.gates)
        self._found[plain(image)] = found if n_bytes <= MOST_BYTES else ()

    def serve(self, image: Layer, result: Result) -> None:
        """Give a result the routing for other values, where a sweep has run these.

        Only a plain result gets any, and only what a run for a map of it would find:
        the value of one driver is another, and model, image, settings, other drivers
        and shares are the same.
        """
        if not result.is_plain:
            return
        extras = extras_of(result)
        for each in self._found.get(plain(image), ()):
            for attribute, value, router in each.routers:
                if result.request.for_router(attribute, router) != each.request:
                    continue
                if routing_for(result.segmentation, attribute, value, extras) is None:
                    extras.by_value[attribute, value] = each.routing


def _found_in(request: Request, sweep: Sweep) -> Iterator[_Found]:
    for value in sweep.values:
        if value.routing is not None and value.provenance.is_plain:
            routers, asked = tuple(_routers_of(value, sweep.attributes)), request
            for attribute, _, router in routers:
                asked = asked.for_router(attribute, router)
            yield _Found(asked, routers, value.routing)


def _routers_of(
    value: SweptValue, attributes: tuple[str, ...]
) -> Iterator[tuple[str, str, int]]:
    for driver in value.provenance.drivers:
        if driver.attribute in attributes and driver.value is not None:
            yield driver.attribute, driver.value, driver.routers[0]
