"""The results of each image that are in a viewer."""

from __future__ import annotations

import weakref
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Layer

from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.stage import stage_of
from napari_dmoe.viewer.session.results import Result


class Gallery:
    """Keeps results by image, for as long as their masks are in the viewer."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer, self._stage = weakref.ref(viewer), stage_of(viewer)
        self._results: WeakKeyDictionary[Layer, list[Result]] = WeakKeyDictionary()
        self._chosen: WeakKeyDictionary[Layer, Result] = WeakKeyDictionary()

    def of(self, image: Layer) -> list[Result]:
        """Return the results of an image whose masks are still there, oldest first."""
        found = [r for r in self._results.get(plain(image), []) if self._is_there(r)]
        if plain(image) in self._results:
            self._results[plain(image)] = found
        return list(found)

    def chosen(self, image: Layer) -> Result | None:
        """Return the result that is looked at: the one chosen, or else the newest."""
        results, chosen = self.of(image), self._chosen.get(plain(image))
        return chosen if chosen in results else next(reversed(results), None)

    def choose(self, image: Layer, result: Result) -> None:
        """Look at a result."""
        self._chosen[plain(image)] = result

    def show_alone(self, image: Layer, result: Result) -> None:
        """Let only one of an image's masks be seen: they have the same colours."""
        for each in self.of(image):
            mask = each.mask()
            if mask is not None:
                self._stage.see(mask, each is result)

    def add(self, image: Layer, result: Result) -> None:
        """Add a result, instead of one that its mask showed before, and look at it."""
        mask, results = result.mask(), self.of(image)
        if mask is not None:
            self._stage.own(image, mask)
        places = [i for i, each in enumerate(results) if each.mask() is mask]
        place = places[0] if places else len(results)
        results[place : place + 1] = [result]
        self._results[plain(image)] = results
        self.choose(image, result)

    def image_of(self, mask: Layer) -> Layer | None:
        """Return the image that a mask belongs to; None for other layers."""
        for image in list(self._results):
            if any(result.mask() is plain(mask) for result in self.of(image)):
                return image
        return None

    def _is_there(self, result: Result) -> bool:
        return stays(self._viewer(), result.mask())
