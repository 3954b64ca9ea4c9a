"""A viewer's shared state: the model, whose image is whose, and the results.

Widgets read it and are told of changes; they never call one another. It is changed on
the GUI thread only and knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from napari.components import ViewerModel
from napari.layers import Image, Layer
from psygnal import Signal

from napari_dmoe.inference.provenance import METADATA_KEY
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.viewer.layers import PLACE, plain
from napari_dmoe.viewer.results import Result

if TYPE_CHECKING:
    from napari_dmoe.inference.settings import InferenceSettings
    from napari_dmoe.models.checkpoint import LoadedModel

UNKNOWN = "unknown"
TYPED = "typed"

_CHANGES_OF_AN_IMAGE = ("data", *PLACE)


@dataclass(frozen=True)
class _Record:
    """A patient, and where each known value came from."""

    patient: Patient = field(default_factory=Patient)
    sources: Mapping[str, str] = field(default_factory=dict)


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

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._model: LoadedModel | None = None
        self.model_origin = ""
        """Name or path that the model was loaded from."""
        self.fitting_cards: tuple[str, ...] = ()
        """Published cards that could describe the model; none if it brought its own."""
        self._image: weakref.ref[Image] | None = None
        self._patients: WeakKeyDictionary[Layer, _Record] = WeakKeyDictionary()
        self._results: WeakKeyDictionary[Layer, Result] = WeakKeyDictionary()
        self._versions: WeakKeyDictionary[Layer, int] = WeakKeyDictionary()
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
        loaded: LoadedModel,
        origin: str = "",
        *,
        fitting_cards: tuple[str, ...] = (),
    ) -> None:
        """Work with another model from now on."""
        self._model = loaded
        self.model_origin, self.fitting_cards = origin, fitting_cards
        self.model_changed.emit()
        self.result_changed.emit()

    def images(self) -> list[Image]:
        """Return the viewer's image layers, the topmost first."""
        viewer = self.viewer
        layers = [] if viewer is None else list(viewer.layers)
        return [layer for layer in reversed(layers) if isinstance(layer, Image)]

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
        return self._record(image).patient

    def source_of(self, image: Layer, attribute: str) -> str:
        """Say where the value of an attribute came from, or that it is unknown."""
        return self._record(image).sources.get(attribute, UNKNOWN)

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
        before = self._record(image)
        sources = {
            name: source
            if value != before.patient.value(name)
            else before.sources[name]
            for name, value in patient.known().items()
        }
        self._patients[plain(image)] = _Record(patient, sources)
        if plain(image) is self.image:
            self.patient_changed.emit()

    def result_of(self, image: Layer) -> Result | None:
        """Return the last result of an image whose mask is still in the viewer."""
        result = self._results.get(plain(image))
        viewer = self.viewer
        mask = None if result is None else result.mask()
        is_there = viewer is not None and mask is not None and mask in viewer.layers
        return result if is_there else None

    def set_result(self, image: Layer, result: Result) -> None:
        """Keep the result of an image."""
        self._results[plain(image)] = result
        mask = result.mask()
        if mask is not None and mask not in self._masks:
            self._masks.add(mask)
            for change in ("paint", "labels_update", "data"):
                getattr(mask.events, change).connect(self._on_mask)
        if plain(image) is self.image:
            self.result_changed.emit()

    def request(self, image: Layer, settings: InferenceSettings) -> Hashable:
        """Return what a run would be asked for now, to compare results with.

        Of the patient only the routers count, and of the image that it is the same.

        Raises
        ------
        PatientError
            When the model does not know the value of a driver.
        """
        model = self.model
        patient = self.patient_of(image)
        routers = None if model is None else model.card.categories(patient)
        # Weakly, so that an outdated result does not keep a model's memory.
        which = None if model is None else weakref.ref(model)
        return (which, routers, settings, self._versions.get(plain(image), 0))

    def _record(self, image: Layer) -> _Record:
        layer = plain(image)
        if layer not in self._patients:
            self._patients[layer] = _brought_by(layer)
        return self._patients[layer]

    def _on_layers(self, event: Any = None) -> None:
        for image in self.images():
            if image not in self._versions:
                self._versions[image] = 0
                image.events.name.connect(self._on_name)
                for change in _CHANGES_OF_AN_IMAGE:
                    getattr(image.events, change).connect(self._on_image_data)
        self.images_changed.emit()
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
        if isinstance(active, Image):
            self.choose_image(active)

    def _on_name(self, event: Any) -> None:
        self.images_changed.emit()
        if event.source is self.image:
            self.image_changed.emit()

    def _on_image_data(self, event: Any) -> None:
        self._versions[event.source] += 1
        if event.source is self.image:
            self.image_changed.emit()
            self.result_changed.emit()

    def _on_mask(self, event: Any) -> None:
        self.result_changed.emit()


_SESSIONS: WeakKeyDictionary[ViewerModel, Session] = WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return a viewer's session. Each docked widget has its own proxy of the viewer."""
    key = plain(viewer)
    if key not in _SESSIONS:
        _SESSIONS[key] = Session(key)
    return _SESSIONS[key]


def _brought_by(layer: Layer) -> _Record:
    """Return the patient that a layer's metadata names; unknown if it names none."""
    record = layer.metadata.get(METADATA_KEY)
    values = record.get("patient") if isinstance(record, Mapping) else None
    if not isinstance(values, Mapping):
        return _Record()
    try:
        patient = Patient.from_values(values)
    except PatientError:
        # A file's metadata may hold anything; a wrong patient is worse than none.
        return _Record()
    source = str(record.get("source", "from the layer"))
    return _Record(patient, dict.fromkeys(patient.known(), source))
