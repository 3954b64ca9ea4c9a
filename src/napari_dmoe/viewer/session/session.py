"""A viewer's shared state: the model, whose image is whose, and the results.

Widgets read it and are told of changes; they never call one another. It is changed on
the GUI thread only and knows no Qt.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from napari.components import ViewerModel
from napari.layers import Image, Layer
from psygnal import Signal

from napari_dmoe.patient import Patient
from napari_dmoe.viewer.layers.measuring import CHANGES_OF_A_MASK
from napari_dmoe.viewer.layers.outlines import Outlines
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.pointer import RestingPointer, pointer_away
from napari_dmoe.viewer.routing.hovering import HoverStatus
from napari_dmoe.viewer.routing.layers import RoutingLayers
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.routing.swept import SweptRouting
from napari_dmoe.viewer.session.gallery import Gallery
from napari_dmoe.viewer.session.images import Versions, inputs_of, is_input
from napari_dmoe.viewer.session.patients import TYPED, Patients
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.shares import StatedShares

if TYPE_CHECKING:
    from napari_dmoe.inference.running.settings import InferenceSettings
    from napari_dmoe.inference.what_if.sweep_result import Sweep
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.viewer.engines import FittingCard


class Session:
    """What the widgets of one viewer share.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer; it is only referred to weakly.

    Notes
    -----
    A patient belongs to an image layer, never to the viewer. A new image starts with
    everything unknown, unless its layer brings a patient in
    ``metadata["napari-dmoe"]["patient"]``.
    """

    model_changed = Signal()
    image_changed = Signal()
    """Another image is worked on, or its name changed."""
    images_changed = Signal()
    """Images were added, removed or renamed."""
    patient_changed = Signal()
    """The patient of the image that is worked on changed."""
    result_changed = Signal()
    """The result of the image that is worked on changed, or became outdated."""
    routing_changed = Signal()
    """Another map of the routing is wanted, or none."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._model: LoadedModel | None = None
        self.model_origin = ""
        """Name or path that the model was loaded from."""
        self.fitting_cards: tuple[FittingCard, ...] = ()
        """Published cards that could describe the model; none if it brought its own."""
        self._image: weakref.ref[Image] | None = None
        self._patients = Patients()
        self._gallery = Gallery(self._viewer)
        self._swept = SweptRouting()
        self.shares = StatedShares()
        """Shares of the values of unknown drivers, where a person stated them."""
        self.overlay = Overlay()
        """Which map of the routing is wanted."""
        self._wants_routing = False
        self.outlines = Outlines(viewer)
        """Masks that are drawn as outlines."""
        self._routing = RoutingLayers(self._viewer, self.outlines)
        self._hover = HoverStatus(viewer, self._routing)
        self._pointer = RestingPointer(viewer)
        self._versions = Versions(self._on_image_data)
        self._masks: WeakSet[Layer] = WeakSet()
        viewer.layers.events.inserted.connect(self._on_layers)
        viewer.layers.events.removed.connect(self._on_layers)
        viewer.layers.selection.events.active.connect(self._on_active)
        self._on_layers()
        self._on_active()

    @property
    def viewer(self) -> ViewerModel | None:
        """The viewer; None once it is gone."""
        return self._viewer()

    @property
    def model(self) -> LoadedModel | None:
        """The loaded model."""
        return self._model

    @property
    def dims(self) -> int:
        """Axes that the model sees at once: 2 or 3; 2 without a model."""
        return 2 if self._model is None else self._model.card.dims

    def set_model(
        self,
        loaded: LoadedModel | None,
        origin: str = "",
        *,
        fitting_cards: tuple[FittingCard, ...] = (),
    ) -> None:
        """Work with another model from now on, or with none."""
        self._model = loaded
        self.shares.reset()
        self.model_origin, self.fitting_cards = origin, fitting_cards
        self.model_changed.emit()
        self.result_changed.emit()

    def images(self) -> list[Image]:
        """Return the viewer's images, the topmost first; maps of results are none."""
        return inputs_of(self.viewer)

    @property
    def image(self) -> Image | None:
        """The image that is worked on; None where there is none."""
        image = None if self._image is None else self._image()
        return image if image is not None and image in self.images() else None

    def choose_image(self, image: Image | None) -> None:
        """Work on another image from now on."""
        if plain(image) is self.image:
            return
        self._image = None if image is None else weakref.ref(plain(image))
        self.image_changed.emit()

    def patient_of(self, image: Layer) -> Patient:
        """Return an image's patient; everything unknown until something is known."""
        return self._patients.of(image)

    def source_of(self, image: Layer, attribute: str) -> str:
        """Say where the value of an attribute came from, or that it is unknown."""
        return self._patients.source(image, attribute)

    def set_patient(self, image: Layer, patient: Patient, source: str = TYPED) -> None:
        """Change an image's patient.

        Parameters
        ----------
        image : napari.layers.Layer
            The image layer.
        patient : Patient
            All that is known now.
        source : str
            Where the values that differ from before came from.
        """
        self._patients.change(image, patient, source)
        if plain(image) is self.image:
            self.patient_changed.emit()

    def results_of(self, image: Layer) -> list[Result]:
        """Return the results of an image whose masks are in the viewer."""
        return self._gallery.of(image)

    def result_of(self, image: Layer) -> Result | None:
        """Return the result of an image that is looked at; None without results."""
        return self._gallery.chosen(image)

    def choose_result(self, image: Layer, result: Result) -> None:
        """Look at another result of an image, instead of the one before."""
        self._gallery.choose(image, result)
        self._gallery.show_alone(image, result)
        self._tell_result(image)

    def set_result(self, image: Layer, result: Result) -> None:
        """Keep a new result of an image, and look at it."""
        before = self.result_of(image)
        self._gallery.add(image, result)
        self._swept.serve(image, result)
        mask = result.mask()
        if not result.is_plain:
            self.outlines.mark(mask)
        if before is not None and before.mask() is not mask:
            self._gallery.show_alone(image, result)
        if mask is not None and mask not in self._masks:
            self._masks.add(mask)
            for change in (*CHANGES_OF_A_MASK, "name"):
                getattr(mask.events, change).connect(self._on_mask)
        self._tell_result(image)

    def keep_sweep(self, image: Layer, request: Request, sweep: Sweep) -> None:
        """Let the routing that a sweep found serve the maps of an image's results."""
        self._swept.keep(image, request, sweep)
        for result in self.results_of(image):
            self._swept.serve(image, result)
        self.routing_changed.emit()

    def set_overlay(self, overlay: Overlay, *, is_shown: bool) -> None:
        """Show another map of the routing, or none."""
        self.overlay, self._wants_routing = overlay, is_shown
        if self.image is not None:
            self._show_routing(self.image)
        self.routing_changed.emit()

    def shows_routing(self) -> bool:
        """Say whether a map of the routing is seen on the image that is worked on."""
        image = self.image
        return image is not None and self._routing.is_shown(image)

    def _tell_result(self, image: Layer) -> None:
        if self._routing.of(image) and not self._routing.is_shown(image):
            self._wants_routing = False  # somebody hid it in napari's list
        self._show_routing(plain(image))
        if plain(image) is self.image:
            self.result_changed.emit()

    def _show_routing(self, image: Image) -> None:
        result = self.result_of(image)
        routing = None if result is None else result.segmentation.routing
        if self._wants_routing and result is not None and routing is not None:
            with pointer_away(self.viewer):
                self._routing.show(image, result, self.overlay.within(routing))
            for layer in self._routing.of(image):
                layer.events.visible.connect(self._on_routing)
        else:
            self._routing.hide(image, result)

    def request(
        self, image: Layer, model: LoadedModel, settings: InferenceSettings
    ) -> Request:
        """Return what a run of a model would be asked for now.

        Raises
        ------
        PatientError
            When the model does not know the value of a driver.
        """
        routers = model.card.categories(self.patient_of(image))
        names = [attribute.name for attribute in model.card.attributes]
        unknown = [n for n, r in zip(names, routers, strict=True) if r is None]
        return Request(
            model=weakref.ref(model),
            routers=dict(zip(names, routers, strict=True)),
            settings=settings,
            image_version=self._versions.of(image),
            shares=self.shares.among(unknown),
        )

    def _on_layers(self, event: Any = None) -> None:
        for image in self.images():
            if self._versions.follow(image):
                image.events.name.connect(self._on_name)
        self.images_changed.emit()
        self.routing_changed.emit()  # a map may have been removed
        if self.image is None:
            images = self.images()
            self._image = None
            if images:
                self.choose_image(images[0])
            else:
                self.image_changed.emit()
        else:
            self.result_changed.emit()  # its mask may have been removed

    def _on_active(self, event: Any = None) -> None:
        viewer = self.viewer
        active = None if viewer is None else viewer.layers.selection.active
        if is_input(active):
            self.choose_image(active)
        elif active is not None:
            self._on_active_mask(active)

    def _on_active_mask(self, mask: Layer) -> None:
        """Look at the result whose mask was selected."""
        image = self._gallery.image_of(mask)
        for result in self.results_of(image) if image is not None else ():
            if result.mask() is mask and result is not self.result_of(image):
                self.choose_result(image, result)

    def _on_name(self, event: Any) -> None:
        self.images_changed.emit()
        if event.source is self.image:
            self.image_changed.emit()

    def _on_image_data(self, event: Any) -> None:
        if event.source is self.image:
            self.image_changed.emit()
            self.result_changed.emit()

    def _on_mask(self, event: Any) -> None:
        self.result_changed.emit()

    def _on_routing(self, event: Any = None) -> None:
        self.routing_changed.emit()


_SESSIONS: WeakKeyDictionary[ViewerModel, Session] = WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return a viewer's session. Each docked widget has its own proxy of the viewer."""
    key = plain(viewer)
    if key not in _SESSIONS:
        _SESSIONS[key] = Session(key)
    return _SESSIONS[key]
