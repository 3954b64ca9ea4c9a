"""Shows which image is worked on and whose it is, and takes what is entered."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.checkpoints import TUNED
from napari_dmoe.viewer.layers.axes import (
    channel_titles,
    chosen_layout,
    layouts,
    name_axes,
)
from napari_dmoe.viewer.layers.levels import (
    at_level,
    level_of,
    level_titles,
)
from napari_dmoe.viewer.layers.placement import used_channel
from napari_dmoe.viewer.layers.samples import model_for
from napari_dmoe.viewer.layers.slot import put
from napari_dmoe.viewer.layers.windows import is_in_hounsfield, show_window
from napari_dmoe.viewer.segment.subject.image_view import (
    ChannelChoice,
    ImageChoice,
    ImageSection,
)
from napari_dmoe.viewer.segment.subject.patient_fields import patient_fields
from napari_dmoe.viewer.segment.subject.patient_view import PatientSection
from napari_dmoe.viewer.session import checks
from napari_dmoe.viewer.session.patients import CHOSEN, TYPED
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.connections import Connections

if TYPE_CHECKING:
    from napari.layers import Image


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
        image_section.channel_chosen.connect(self._on_channel_chosen)
        image_section.level_chosen.connect(self._on_level_chosen)
        image_section.window_chosen.connect(self._on_window_chosen)
        patient_section.value_entered.connect(self._on_value_entered)
        self.show_model()

    def show_model(self) -> None:
        """Show the form that the model asks for, and which images fit it."""
        stated = self._session.stated
        self._patient.show_fields(patient_fields(stated.card, stated.by_driver))
        self._show_image()

    @property
    def entered(self) -> str:
        """What is wrong with what was entered of the patient; often nothing."""
        return self._patient.problem

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
        image = session.image
        if image is not (self._shown() if self._shown else None):
            self._patient.forget_problems()
        self._shown = None if image is None else weakref.ref(image)
        self._images.show_axes(
            () if image is None else layouts(image),
            None if image is None else chosen_layout(image),
        )
        self._images.show_channels(self._channels(image))
        titles = () if image is None else level_titles(image)
        self._images.show_levels(titles, 0 if image is None else level_of(image))
        self._images.show_windows(is_ct=is_in_hounsfield(image))
        self._show_patient()

    def _channels(self, image: Image | None) -> ChannelChoice:
        session = self._session
        titles = () if image is None else channel_titles(image, session.dims)
        if image is None or not titles:
            return ChannelChoice()
        n = len(titles)
        takes_all = checks.takes(n, session.dims, session.n_channels or n)
        return ChannelChoice(titles, used_channel(image, n), takes_all)

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
                proposals=session.proposals_of(image),
            )
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

    def _on_channel_chosen(self, number: int | None) -> None:
        image = self._session.image
        if image is not None:
            self._session.choose_channel(image, number)

    def _on_level_chosen(self, number: int) -> None:
        image = self._session.image
        if image is not None and number != level_of(image):
            choose_level(self._session, image, number)

    def _on_window_chosen(self, name: str) -> None:
        image = self._session.image
        if image is not None:
            show_window(image, name)

    def _on_value_entered(self, attribute: str, value: object, is_picked: bool) -> None:
        image = self._session.image
        if image is not None:
            patient = self._session.patient_of(image).with_value(attribute, value)
            source = CHOSEN if is_picked else TYPED
            self._session.set_patient(image, patient, source)


def choose_level(session: Session, image: Image, number: int) -> None:
    """Work on a level of a multiscale image, from 0, which is the finest.

    Another one than that becomes a layer of its own, with the image's patient.
    """
    found, viewer = at_level(image, number, session.images()), session.viewer
    if not isinstance(found, tuple):
        session.choose_image(found)
    elif viewer is not None:
        patient = session.patient_of(image)
        layer: Image = put(viewer, found, None)
        session.set_patient(layer, patient, f"from “{image.name}”")
        session.choose_image(layer)


def other_model(session: Session) -> str:
    """Return the model of the sample that is worked on, where it is not loaded."""
    wanted, model = model_for(session.image), session.model
    if not wanted or wanted not in session.surroundings.models:
        return ""
    if model is None:
        return wanted
    own = model.card.name.removesuffix(TUNED)  # tuned on what it was for is for it
    return "" if wanted in (session.model_origin, own) else wanted
