"""Lets a photograph bring the bundled model that was trained on such pictures.

It is looked at in the background, once as it is. The model takes the place of a
bundled one that nobody chose, or of none; where a person chose, or has results of the
picture already, it is offered.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Signal

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers.placement import used_channel
from napari_dmoe.viewer.layers.samples import model_for
from napari_dmoe.viewer.segment.model.control import ModelLoader
from napari_dmoe.viewer.segment.readiness import Suited
from napari_dmoe.viewer.segment.subject.fit import FitControl
from napari_dmoe.viewer.session import checks
from napari_dmoe.viewer.session.models import bundled_origin
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.jobs import Job, JobRunner

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.viewer.session.inquiry import Inquiry

WHY = "chosen by the dock, for a picture like the images that this model was trained on"
"""What a record says of a model that came so."""

_CHANNELS = 3

_Key = tuple[int, str]
"""How often the picture had been changed, and which bundled model was loaded."""


class SuitedModel(Control):
    """Finds out which model is for the picture that is worked on, and brings it."""

    changed = Signal()
    """It is known of another picture, or of none."""

    def __init__(
        self, bench: Bench, loader: ModelLoader, fit: FitControl, owner: QObject
    ) -> None:
        super().__init__(bench, owner)
        self._loader, self._fit = loader, fit
        self._known: WeakKeyDictionary[Image, tuple[_Key, str]] = WeakKeyDictionary()
        self._asked: tuple[weakref.ref[Image], _Key] | None = None
        self._brought: weakref.ref[Image] | None = None
        self._runner = JobRunner(self, has_bar=False)
        self._runner.returned.connect(self._on_returned)
        self._runner.failed.connect(self._on_failed)
        self._runner.finished.connect(self._on_finished)
        session = bench.session
        changes = (
            *(session.image_changed, session.model_changed),
            session.surroundings_changed,
        )
        connections = Connections(self)
        connections.add(session.image_changed, self._on_image)
        self._refresh = Refresh(self, self._look, soon=changes)
        for later in (fit.found, bench.work.ended, loader.changed):
            later.connect(self._refresh.soon)
        self._refresh.soon()

    @property
    def is_deciding(self) -> bool:
        """Whether it is being found out which model the picture brings, or will be."""
        image = self._session.image
        return image is not None and self._may_bring(image) and self._will_look(image)

    @property
    def is_looking(self) -> bool:
        """Whether it is being found out, or will be, whatever comes of it."""
        image = self._session.image
        return image is not None and self._is_due(image)

    @property
    def found(self) -> Suited:
        """What is known of the picture that is worked on."""
        session, image = self._session, self._session.image
        origin = session.model_origin
        if image is None:
            return Suited()
        is_brought = session.model is not None and WHY in session.model.notices
        if is_brought and self._known.get(image) == (self._key(image), origin):
            return Suited(is_chosen=True)
        return Suited(offered=self._name(image) if self._asks_for_other(image) else "")

    def bring_for_files(self, name: str) -> None:
        """Load the model that files are for, in the place of one that nobody chose."""
        session, image = self._session, self._session.image
        is_free = bool(bundled_origin(session)) and not session.models_chosen.stays
        is_other = name != session.model_origin and name in session.surroundings.models
        if is_free and is_other and not self._work.is_busy:
            self._brought = None if image is None else weakref.ref(image)
            self._loader.bring(name, WHY)

    def _on_image(self) -> None:
        self._brought = None
        if self._runner.is_busy:
            self._runner.stop()  # nobody wants to know it any more

    def _may_bring(self, image: Image) -> bool:
        """Say whether a picture may bring its model: nobody chose, nor has results."""
        session = self._session
        if session.models_chosen.stays or session.models_chosen.of(image):
            return False
        is_free = session.model is None or bool(bundled_origin(session))
        is_new = not (session.results_of(image) or session.pictures.is_series)
        return is_free and is_new and not self._work.is_busy

    def _asks_for_other(self, image: Image) -> bool:
        """Say whether a picture and the model that is loaded do not go together."""
        session = self._session
        if session.model is None or self._fit.says_unlike:
            return True
        return bool(checks.image_problem(image, session.dims, session.n_channels))

    def _key(self, image: Image) -> _Key:
        return self._session.version_of(image), bundled_origin(self._session)

    def _name(self, image: Image) -> str:
        """Return the model that is for a picture, as far as it is known."""
        key, name = self._known.get(image, (None, ""))
        session = self._session
        is_other = name != session.model_origin and name in session.surroundings.models
        return name if is_other and key == self._key(image) else ""

    def _will_look(self, image: Image) -> bool:
        """Say whether it is worth finding out, and not known."""
        is_picture = image.rgb and image.ndim == 2 and not image.multiscale
        if not is_picture or used_channel(image, _CHANNELS) is not None:
            return False
        if model_for(image) or not self._session.surroundings.models:
            return False
        return self._known.get(image, (None, ""))[0] != self._key(image)

    def _is_due(self, image: Image) -> bool:
        """Say whether it is not known which model is for a picture, and asked."""
        is_asked = self._may_bring(image) or self._asks_for_other(image)
        return is_asked and self._will_look(image)

    def _look(self) -> None:
        """Find out which model is for the picture, where it is not known."""
        session, image = self._session, self._session.image
        if self._runner.is_busy or self._work.is_busy:
            return  # it begins when that has ended
        if image is None or not self._is_due(image):
            return
        if session.model is not None and self._loader.is_busy:
            return
        key = self._key(image)
        self._asked = weakref.ref(image), key
        try:
            inquiry = session.inquire(image, dims=2)
        except ValueError:  # the line on image and model says why
            self._on_returned("")
            self._on_finished()
            return
        work = partial(_looked, self._engines, inquiry, key[1])
        self._runner.start(Job("dMoE: looking which model is for the picture", work))

    def _on_returned(self, name: str) -> None:
        image = None if self._asked is None else self._asked[0]()
        if image is None or self._asked is None:
            return
        self._known[image] = self._asked[1], name
        if image is self._session.image:
            self._bring(image)

    def _on_failed(self, error: Exception) -> None:
        self._on_returned("")  # a run says it, and what helps

    def _bring(self, image: Image) -> None:
        """Load the model that is for a picture, once; a person may choose another."""
        name, brought = self._name(image), weakref.ref(image)
        if not name or not self._may_bring(image) or brought == self._brought:
            return
        self._brought = brought
        self._known[image] = (self._session.version_of(image), name), name
        self._loader.bring(name, WHY)

    def _on_finished(self) -> None:
        self._asked = None
        self.changed.emit()
        self._refresh.soon()  # it may have been stopped for another picture


def _looked(engines: Engines, inquiry: Inquiry, loaded: str, hook: ProgressHook) -> str:
    return engines.suited_model(inquiry.pixels, instead_of=loaded, progress=hook)
