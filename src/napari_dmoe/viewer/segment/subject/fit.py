"""How the image that is worked on and the model go together, in one line.

What takes long is found out in the background, once for each image as it is, and
model; a run, another image or another model ends that.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import Signal

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers.axes import question
from napari_dmoe.viewer.segment.subject.image_view import ImageSection
from napari_dmoe.viewer.session import checks
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.jobs import Job, JobRunner
from napari_dmoe.viewer.ui.theme import Tone

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.inference.running.outlook import Outlook
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.viewer.session.inquiry import Inquiry

UNLIKE_MEANS = (
    "So expect a mask that is worse than on such images, and look at it closely. "
    "Fine-tune teaches the model images like this one."
)
LOOKING = "Whether it looks like the training images is being found out."

_Key = tuple["weakref.ref[LoadedModel]", int, str]
"""A model, how often the image had been changed, and how it is to meet the model."""


class FitControl(Control):
    """Keeps the line on how image and model go together; the image section owns it."""

    found = Signal()
    """What takes long is known."""

    def __init__(self, bench: Bench, section: ImageSection) -> None:
        super().__init__(bench, section)
        self._section = section
        self._known: WeakKeyDictionary[Image, tuple[_Key, Outlook | None]]
        self._known = WeakKeyDictionary()
        self._asked: tuple[weakref.ref[Image], _Key] | None = None
        self._runner = JobRunner(self, has_bar=False)
        self._runner.returned.connect(self._on_returned)
        self._runner.failed.connect(self._on_failed)
        self._runner.finished.connect(self._on_finished)
        session = bench.session
        changes = (
            *(session.model_changed, session.image_changed),
            session.settings_changed,
        )
        connections = Connections(self)
        for change in changes:
            connections.add(change, self._on_change)
        self._refresh = Refresh(self, self._look, soon=changes)
        bench.work.begun.connect(self._runner.stop)
        bench.work.ended.connect(self._refresh.soon)
        self.show()
        self._refresh.soon()

    @property
    def refused(self) -> str:
        """Why an engine would not take the image; nothing where it would."""
        outlook = self._outlook()
        return "" if outlook is None else outlook.problem

    @property
    def says_unlike(self) -> bool:
        """Whether the line says that the image is unlike those of the training."""
        outlook = self._outlook()
        return outlook is not None and outlook.is_unlike

    @property
    def is_looking(self) -> bool:
        """Whether it is being found out how image and model go together, or will be.

        So it is from the moment that another image or model is worked on, whoever of
        those that are told of it asks first.
        """
        image = self._session.image
        return self._runner.is_busy or (image is not None and self._will_look(image))

    def _on_change(self) -> None:
        self._runner.stop()  # nobody wants to know it any more
        self.show()

    def show(self) -> None:
        """Say how image and model go together, as far as it is known."""
        session, image = self._session, self._session.image
        if image is None:
            self._section.show_fit("")
            return
        said = checks.describe_image(image, session.dims)
        if session.model is None:
            self._section.show_fit(said)
            return
        problem = checks.image_problem(image, session.dims, session.n_channels)
        problem = problem or self.refused
        modality = session.model.card.modality
        meant = f"The model is for: {modality}." if modality else ""
        outlook = self._outlook()
        if problem:
            known = "" if question(image) else said  # which is not known before that
            self._section.show_fit(problem, _lines(known, meant), "caution")
        elif outlook is None:
            more = LOOKING if self._will_look(image) else ""
            self._section.show_fit(said, _lines(more, meant))
        else:
            said = checks.describe_image(image, session.dims, outlook.seen)
            short = (each.removesuffix(".") for each in outlook.cautions)
            means = UNLIKE_MEANS if outlook.is_unlike else ""
            details = _lines(means, *outlook.facts, meant)
            tone: Tone = "caution" if outlook.cautions else "good"
            self._section.show_fit(" · ".join((*short, said)), details, tone)

    def _will_look(self, image: Image) -> bool:
        """Say whether it is worth finding out, and not known."""
        session, known = self._session, self._known.get(image)
        loaded = session.model
        if loaded is None:
            return False
        if checks.image_problem(image, session.dims, session.n_channels):
            return False
        return known is None or known[0] != self._key(loaded, image)

    def _outlook(self) -> Outlook | None:
        """Return what is known of the image as it is and the model; None if nothing."""
        session, image = self._session, self._session.image
        known = None if image is None else self._known.get(image)
        if image is None or session.model is None or known is None:
            return None
        key, outlook = known
        return outlook if key == self._key(session.model, image) else None

    def _key(self, loaded: LoadedModel, image: Image) -> _Key:
        session = self._session
        return weakref.ref(loaded), session.version_of(image), session.settings.fit

    def _look(self) -> None:
        """Find out how image and model go together, where it is not known."""
        session, image, loaded = self._session, self._session.image, self._session.model
        self._runner.stop()
        if image is None or loaded is None or not self._will_look(image):
            return
        if self._runner.is_busy or self._work.is_busy:
            return  # it begins when that has ended
        self._asked = weakref.ref(image), self._key(loaded, image)
        try:
            inquiry = session.inquire(image)
        except ValueError as error:
            self._refuse(str(error))
            return
        work = partial(_looked, self._engines, loaded, inquiry)
        self._runner.start(Job("dMoE: looking at the image", work))

    def _refuse(self, why: str) -> None:
        """Take note that no run could begin."""
        from napari_dmoe.inference.running.outlook import Outlook

        self._on_returned(Outlook(problem=f"{why[:1].upper()}{why[1:].rstrip('.')}."))
        self._on_finished()

    def _on_returned(self, outlook: Outlook | None) -> None:
        image = None if self._asked is None else self._asked[0]()
        if image is not None and self._asked is not None:
            self._known[image] = self._asked[1], outlook

    def _on_failed(self, error: Exception) -> None:
        self._on_returned(None)  # a run says it, and what helps

    def _on_finished(self) -> None:
        self._asked = None
        self.show()
        self.found.emit()
        self._refresh.soon()  # it may have been stopped for another image


def _lines(*sentences: str) -> str:
    return "\n".join(filter(None, sentences))


def _looked(
    engines: Engines, loaded: LoadedModel, inquiry: Inquiry, hook: ProgressHook
) -> Outlook:
    how = {"settings": inquiry.settings, "progress": hook}
    return engines.outlook(loaded, inquiry.pixels, **how)
