"""A viewer's shared state: the model, whose image is whose, and the results.

Widgets read it and are told of changes; they never call one another. It is changed on
the GUI thread only and knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Image, Layer
from numpy.typing import NDArray
from psygnal import Signal, SignalInstance

from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.patient import Patient, PatientError, Proposal
from napari_dmoe.viewer.engines import FittingCard, Surroundings
from napari_dmoe.viewer.layers.groups import Groups
from napari_dmoe.viewer.layers.outlines import Outlines
from napari_dmoe.viewer.layers.placement import axis_names, plain, to_image
from napari_dmoe.viewer.layers.pointer import RestingPointer
from napari_dmoe.viewer.layers.records import kind
from napari_dmoe.viewer.layers.seen import SeenFrames
from napari_dmoe.viewer.layers.slot import selection_kept
from napari_dmoe.viewer.session.checks import (
    driver_notices,
    image_problem,
    patient_problem,
)
from napari_dmoe.viewer.session.gallery import Gallery
from napari_dmoe.viewer.session.images import Drawn, Versions, inputs_of
from napari_dmoe.viewer.session.inquiry import Inquiry
from napari_dmoe.viewer.session.models import LeavingModel, ModelsChosen
from napari_dmoe.viewer.session.patients import TYPED, Patients
from napari_dmoe.viewer.session.pictures import Pictures
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import MaskWatch, Outcome, Result, latest, show
from napari_dmoe.viewer.session.samples import Arrivals
from napari_dmoe.viewer.session.series import Shelf
from napari_dmoe.viewer.session.shares import Stated, StatedShares
from napari_dmoe.viewer.session.showing import Showing
from napari_dmoe.viewer.session.truths import Truths

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel


class Session:
    """What the widgets of one viewer, which it refers to weakly, share.

    A patient belongs to an image layer, never to the viewer. A new image starts with
    everything unknown, unless its layer brings a patient in
    ``metadata["napari-dmoe"]["patient"]``.
    """

    model_changed = Signal()
    image_changed = Signal()
    """Another image is worked on, or its name changed."""
    images_changed = Signal()
    """Images were added, removed or renamed."""
    input_changed = Signal()
    """The pixels, the place or the channel of an image are others."""
    patient_changed = Signal()
    """The patient of the image that is worked on changed."""
    result_changed = Signal()
    """The result of the image that is worked on changed, or became outdated."""
    settings_changed = Signal()
    surroundings_changed = Signal()
    """Other devices or models can be chosen."""
    mask_saved = Signal(object)
    looked_at = Signal(object)
    """A result of this image is looked at, another or the same anew."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._model: LoadedModel | None = None
        self.model_origin = ""
        """Name or path that the model was loaded from."""
        self.fitting_cards: tuple[FittingCard, ...] = ()
        """Published cards that could describe the model; none if it brought its own."""
        self.surroundings = Surroundings("looking …", ("auto", "cpu"), ())
        """The devices and models that can be chosen."""
        self.models_chosen, self.leaving = ModelsChosen(), LeavingModel()
        """Images that a person chose the model for; who asks before it is lost."""
        self._settings, self._patients = InferenceSettings(), Patients()
        self._gallery = Gallery(viewer)
        self.showing = Showing(viewer)
        """The one image that is seen with its layers, and which layer is whose."""
        self.groups = Groups(viewer)
        """The layers on images besides their masks."""
        self.seen_frames = SeenFrames(viewer)
        """Frames around what the model will see of images that it crops."""
        self.shares, self.pictures = StatedShares(), Pictures()
        """Shares of unknown values that a person stated; images to go through."""
        self.outlines = Outlines(viewer)
        """Masks that are drawn as outlines."""
        self.truths, self.series = Truths(viewer), Shelf()
        """Which labels are the truth of which image; what was segmented in a row."""
        self._pointer = RestingPointer(viewer)
        self._versions, self._drawn = Versions(self._on_image_data), Drawn()
        self._masks = MaskWatch(self.result_changed.emit)
        self.showing.changed.connect(self.image_changed.emit)
        viewer.layers.events.inserted.connect(self._on_layers)
        viewer.layers.events.removed.connect(self._on_layers)
        viewer.layers.selection.events.active.connect(self._on_active)
        self._on_active()
        self._on_layers()
        self._arrivals = Arrivals(viewer, self.outlines)

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

    @property
    def n_channels(self) -> int | None:
        """Channels that the model's network takes; None without a model."""
        return None if self._model is None else self._model.config.in_channels

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

    @property
    def stated(self) -> Stated:
        """The shares that are stated now, for the drivers of the model."""
        card = None if self._model is None else self._model.card
        return Stated(card, self.shares.by_driver)

    @property
    def subject_changes(self) -> tuple[SignalInstance, ...]:
        """Told when another model, image or patient is worked on."""
        return self.model_changed, self.image_changed, self.patient_changed

    @property
    def settings(self) -> InferenceSettings:
        """How a model is run."""
        return self._settings

    def set_settings(self, settings: InferenceSettings) -> None:
        """Run models in another way from now on."""
        self._settings = settings
        self.settings_changed.emit()

    def set_surroundings(self, surroundings: Surroundings) -> None:
        """Offer other devices and models from now on."""
        self.surroundings = surroundings
        self.surroundings_changed.emit()

    def images(self) -> list[Image]:
        """Return the viewer's images, the topmost first; maps of results are none."""
        return inputs_of(self.viewer)

    @property
    def image(self) -> Image | None:
        """The image that is worked on; None where there is none."""
        return self.showing.image

    def choose_image(self, image: Image | None) -> None:
        """Work on another image from now on: it is shown, and no other."""
        self.showing.show(image)

    def choose_channel(self, image: Image, number: int | None) -> None:
        """Use one channel of an image from now on, from 0; None for all of them."""
        self._versions.choose_channel(image, number)

    def version_of(self, image: Layer) -> int:
        """Return how often an image was changed, or another channel of it chosen."""
        return self._versions.of(image)

    def patient_of(self, image: Layer) -> Patient:
        """Return an image's patient; everything unknown until something is known."""
        return self._patients.of(image)

    def source_of(self, image: Layer, attribute: str) -> str:
        """Say where the value of an attribute came from, or that it is unknown."""
        return self._patients.source(image, attribute)

    def proposals_of(self, image: Layer) -> Mapping[str, Proposal]:
        """Return what an image's file says of attributes that are still unknown."""
        return self._patients.proposals(image)

    def phantom_of(self, image: Layer) -> str | None:
        """Return as which kind of phantom an image was drawn; None for any other."""
        return self._drawn.of(image)

    def set_patient(self, image: Layer, patient: Patient, source: str = TYPED) -> None:
        """Change an image's patient; `source` gave the values that are new."""
        self._patients.change(image, patient, source)
        if plain(image) is self.image:
            self.patient_changed.emit()

    def results_of(self, image: Layer | None) -> list[Result]:
        """Return the results of an image whose masks are in the viewer."""
        return [] if image is None else self._gallery.of(image)

    def result_of(self, image: Layer | None) -> Result | None:
        """Return the result of an image that is looked at; None without results."""
        return None if image is None else self._gallery.chosen(image)

    @property
    def current(self) -> tuple[Image | None, Result | None]:
        """The image that is worked on, and its result that is looked at."""
        image = self.image
        return image, self.result_of(image)

    def choose_result(self, image: Layer, result: Result) -> None:
        """Look at another result of an image, instead of the one before."""
        self._gallery.choose(image, result)
        self._gallery.show_alone(image, result)
        self._tell_result(image)

    def set_result(self, image: Layer, result: Result) -> None:
        """Keep a new result of an image, and look at it."""
        before = self.result_of(image)
        self._gallery.add(image, result)
        mask = result.mask()
        if not result.is_plain:
            self.outlines.mark(mask)
        if before is not None and before.mask() is not mask:
            self._gallery.show_alone(image, result)
        self._masks.follow(mask)
        self._tell_result(image)

    def show_outcome(
        self,
        image: Image,
        outcome: Outcome,
        *,
        name: str = "",
        beside: Result | None = None,
        own: NDArray[Any] | None = None,
    ) -> Result:
        """Put what a run found into the viewer; return it as a result of its image.

        Its mask is called `name` after the image's name. It is a layer of its own then,
        which no run replaces; else the next of its kind does. The result `beside` stays
        looked at, with the layers that are selected: nobody who paints loses their
        layer. By default the new one is looked at. `own` is a copy of the mask that
        its layer may have.

        Raises
        ------
        RuntimeError
            When the viewer is gone.
        """
        viewer = self.viewer
        if viewer is None:
            raise RuntimeError("the viewer is gone")
        chosen = self.result_of(image) if beside is None else None
        is_plain = not kind(outcome.segmentation.provenance)
        shown = self.results_of(image)
        before = None if name else latest(shown, chosen, is_plain=is_plain)
        with selection_kept(None if beside is None else viewer):
            result = show(viewer, image, outcome, previous=before, name=name, own=own)
            result.is_kept = bool(name)
            self.set_result(image, result)
        if beside is not None and beside in self.results_of(image):
            self.choose_result(image, beside)
        return result

    def _tell_result(self, image: Layer) -> None:
        self.looked_at.emit(plain(image))
        if plain(image) is self.image:
            self.result_changed.emit()

    def request(self, image: Layer, model: LoadedModel) -> Request:
        """Return what a run of a model would be asked for now.

        Raises
        ------
        PatientError
            When the model does not know the value of a driver.
        """
        patient, version = self.patient_of(image), self._versions.of(image)
        return Request.of(model, patient, self.settings, version, self.stated)

    def inquire(self, image: Image, *, dims: int | None = None) -> Inquiry:
        """Return what a run on an image is asked about now.

        The model sees `dims` axes at once: 2 or 3; by default those of the loaded one.

        Raises
        ------
        ValueError
            When no such model can use the image.
        """
        dims = dims or self.dims
        return Inquiry(
            pixels=to_image(image, dims),
            axes=axis_names(image, dims),
            patient=self.patient_of(image),
            settings=self.settings,
            image_version=self._versions.of(image),
            stated=self.stated,
        )

    def why_not(self, image: Image | None = None, *, entered: str = "") -> str:
        """Say why no run on an image can begin; nothing where one can.

        It is the one that is worked on by default. What is wrong with what was
        `entered` of the patient and not yet taken over stands in the way, too.
        """
        model, image = self.model, self.image if image is None else image
        if model is None:
            return "Open a model first."
        if image is None:
            return "Open an image first."
        return (
            image_problem(image, model.card.dims, self.n_channels)
            or entered
            or patient_problem(model.card, self.patient_of(image))
        )

    def driver_notices(self, image: Layer) -> tuple[str, ...]:
        """Return what a run on an image would say of routers that nothing trained.

        Before it stands what the layer brought of a patient and nobody understood.
        """
        said = tuple(filter(None, (self._patients.left_out(image),)))
        if self.model is None:
            return said
        patient, stated = self.patient_of(image), self.shares.by_driver
        return (*said, *driver_notices(self.model, patient, stated))

    def outdated(self, image: Layer, request: Request) -> str:
        """Say why what was asked for is not what would be now; nothing if it is."""
        if self.model is None or request.is_of_file:
            return ""
        try:
            changed = request.changes(self.request(image, self.model))
        except PatientError:
            return "Outdated: the model does not know the patient's values."
        return f"Outdated: {' and '.join(changed)} changed." if changed else ""

    def _on_layers(self, event: Any = None) -> None:
        for image in self.images():
            if self._versions.follow(image):
                self._drawn.follow(image)
                image.events.name.connect(self._on_name)
        self.images_changed.emit()
        if self.image is not None:
            self.result_changed.emit()  # its mask may have been removed
            return
        self.showing.look_for(is_settled=event is None)
        if self.image is None:
            self.image_changed.emit()

    def _on_active(self, event: Any = None) -> None:
        """Work on the image of the layer that was selected, and look at its result."""
        viewer = self.viewer
        active = None if viewer is None else plain(viewer.layers.selection.active)
        image = self.showing.image_of(active)
        if image is None or self.showing.is_held(active):
            return
        if image is not self.showing.shown:
            self.showing.show(image)
        for result in self.results_of(image):
            if result.mask() is active and result is not self.result_of(image):
                self.choose_result(image, result)

    def _on_name(self, event: Any) -> None:
        self.images_changed.emit()
        if event.source is self.image:
            self.image_changed.emit()

    def _on_image_data(self, image: Image) -> None:
        self.input_changed.emit()
        if image is self.image:
            self.image_changed.emit()
            self.result_changed.emit()


_SESSIONS: WeakKeyDictionary[ViewerModel, Session] = WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return a viewer's session. Each docked widget has its own proxy of the viewer."""
    key = plain(viewer)
    if key not in _SESSIONS:
        _SESSIONS[key] = Session(key)
    return _SESSIONS[key]
