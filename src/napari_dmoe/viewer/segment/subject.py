"""Shows which image is worked on and whose it is, and takes what is entered."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.axes import chosen_layout, layouts, name_axes
from napari_dmoe.viewer.layers.samples import model_for
from napari_dmoe.viewer.segment.image_view import ImageChoice, ImageSection
from napari_dmoe.viewer.segment.patient_fields import patient_fields
from napari_dmoe.viewer.segment.patient_view import PatientSection
from napari_dmoe.viewer.session import checks
from napari_dmoe.viewer.session.models import title_of
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.connections import Connections

if TYPE_CHECKING:
    from napari.layers import Image

NO_IMAGE = "Open an image, or File > Open Sample > dMoE."


class SubjectControl(Control):
    """Connects the image section, which owns it, and the patient's with the session."""

    shown = Signal()
    """Another image or patient is shown."""
    patient_entered = Signal()
    """A value of the patient changed."""

    def __init__(
        self, bench: Bench, image_section: ImageSection, patient_section: PatientSection
    ) -> None:
        super().__init__(bench, image_section)
        session = bench.session
        self._images, self._patient = image_section, patient_section
        self._shown: weakref.ref[Image] | None = None
        connections = Connections(self)
        connections.add(session.model_changed, self.show_model)
        connections.add(session.shares.changed, self._on_priors)
        connections.add(session.images_changed, self._show_images)
        connections.add(session.image_changed, self._show_image)
        connections.add(session.patient_changed, self._on_patient)
        image_section.image_chosen.connect(self._on_image_chosen)
        image_section.layout_chosen.connect(self._on_layout_chosen)
        patient_section.value_entered.connect(self._on_value_entered)
        self.show_model()

    def show_model(self) -> None:
        """Show the form that the model asks for, and which images fit it."""
        stated = self._session.stated
        self._patient.show_fields(patient_fields(stated.card, stated.by_driver))
        self._show_image()

    def why_not(self) -> str:
        """Say why the image cannot be segmented for the patient; nothing if it can."""
        return self._session.why_not(entered=self._patient.problem)

    def _problem(self, image: Image) -> str:
        session = self._session
        return checks.image_problem(image, session.dims, session.n_channels)

    def _show_images(self) -> None:
        session, current = self._session, self._session.image
        images = session.images()
        choices = [ImageChoice(image.name, self._problem(image)) for image in images]
        place = images.index(current) if current is not None else -1
        self._images.show_images(choices, place)

    def _show_image(self) -> None:
        self._show_images()
        session = self._session
        other = other_model(session)
        title = title_of(other, session.surroundings)
        self._images.show_model(expectation(session), other, title)
        image, dims = session.image, session.dims
        if image is not (self._shown() if self._shown else None):
            self._patient.forget_problems()
        self._shown = None if image is None else weakref.ref(image)
        if image is None:
            self._images.show_axes((), None)
            self._images.show_facts(NO_IMAGE)
        else:
            self._images.show_axes(layouts(image), chosen_layout(image))
            problem = self._problem(image)
            self._images.show_facts(checks.describe_image(image, dims), problem)
        self._show_patient()

    def _show_patient(self) -> None:
        image, session, section = self._session.image, self._session, self._patient
        card = None if session.model is None else session.model.card
        if image is None:
            section.show_nobody()
        else:
            patient = session.patient_of(image)
            section.show_patient(
                image.name,
                patient,
                sources={n: session.source_of(image, n) for n in section.inputs},
                notes=checks.band_notes(card, patient),
            )
            problem = section.problem or checks.patient_problem(card, patient)
            section.show_problem(problem)
            section.show_untrained(session.driver_notices(image))
        self.shown.emit()

    def _on_priors(self) -> None:
        self.show_model()
        self.patient_entered.emit()

    def _on_patient(self) -> None:
        self._show_patient()
        if not self._patient.problem:  # what cannot be read is not yet an entry
            self.patient_entered.emit()

    def _on_image_chosen(self, place: int) -> None:
        images = self._session.images()
        if 0 <= place < len(images):
            self._session.choose_image(images[place])

    def _on_layout_chosen(self, names: tuple[str, ...]) -> None:
        image = self._session.image
        if image is not None:
            name_axes(image, names)

    def _on_value_entered(self, attribute: str, value: object) -> None:
        image = self._session.image
        if image is not None:
            patient = self._session.patient_of(image).with_value(attribute, value)
            self._session.set_patient(image, patient)


def other_model(session: Session) -> str:
    """Return the model of the sample that is worked on, where it is not loaded."""
    wanted, model = model_for(session.image), session.model
    if not wanted or wanted not in session.surroundings.models:
        return ""
    if model is None:
        return wanted
    return "" if wanted in (session.model_origin, model.card.name) else wanted


def expectation(session: Session) -> str:
    """Say what the model expects of an image; nothing where its card does not say."""
    model = session.model
    modality = None if model is None else model.card.modality
    return f"The model is for: {modality}" if modality else ""
