"""What a run is asked about: an image, its patient, and how to run, at one moment.

Every run on an image of the viewer begins with one, so that none of them forgets what
was entered or stated, and what happens meanwhile changes nothing. Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_dmoe.inference.running.waiting import timed
from napari_dmoe.viewer.engines import with_priors
from napari_dmoe.viewer.layers.placement import samples_of
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.running.settings import InferenceSettings
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient
    from napari_dmoe.progress import ProgressHook
    from napari_dmoe.viewer.session.session import Session
    from napari_dmoe.viewer.session.shares import Stated

GONE = "The image was removed: nothing was shown."
_REMOVED = "Stopped, as “{}” was removed. No layer was changed."
_REPLACED = "Stopped, as “{}” was given other pixels. No layer was changed."


_LITTLE_OVERLAP = 0.25


@dataclass(frozen=True, eq=False)
class Inquiry:
    """A snapshot of what would be run now, with any model.

    It goes into the work's thread, so that it refers to no layer.
    """

    pixels: SpatialImage
    """Those of the image, with their place."""
    axes: tuple[str, ...]
    """Names of the axes of the image's layer."""
    patient: Patient
    settings: InferenceSettings
    image_version: int
    """How often the image had been changed."""
    stated: Stated
    """Shares that a person stated for the values of unknown drivers."""

    def request(self, loaded: LoadedModel) -> Request:
        """Return what a run of a model is asked for.

        Raises
        ------
        PatientError
            When the model does not know the value of a driver.
        """
        return Request.of(
            loaded, self.patient, self.settings, self.image_version, self.stated
        )

    def shorter(self, loaded: LoadedModel) -> str:
        """Say which setting would make a long run shorter; nothing where none does."""
        if loaded.card.dims == 3 and self.settings.overlap > _LITTLE_OVERLAP:
            return "Less overlap is faster."
        if self.settings.noise and self.settings.samples > 1:
            return "Fewer noise samples are faster."
        return ""

    def run(
        self,
        engine: Callable[..., Any],
        loaded: LoadedModel,
        hook: ProgressHook,
        **options: Any,
    ) -> Any:
        """Return what an engine finds out with a model; called in the work's thread.

        The engine takes model, image and patient, ``settings`` and ``progress``, the
        further options, and ``priors`` where shares were stated that hold for this
        model. The hook raises ``Cancelled``.
        """
        engine = with_priors(engine, dict(self.request(loaded).shares))
        how = {"settings": self.settings, "progress": hook} | options
        return engine(loaded, self.pixels, self.patient, **how)

    def outcome(
        self, engine: Callable[..., Any], loaded: LoadedModel, hook: ProgressHook
    ) -> Outcome:
        """Return what an engine that segments finds out, and how long it took."""
        done = timed(self.run, engine, loaded, hook)
        return Outcome(done.found, self.request(loaded), done.seconds)

    def work(
        self, engine: Callable[..., Any], loaded: LoadedModel, **options: Any
    ) -> Callable[[ProgressHook], Any]:
        """Return the same as the work of an order, which gives the seconds, too."""
        return partial(timed, self.run, engine, loaded, **options)


def holding(session: Session, image: Image) -> Callable[[], str]:
    """Return what says why a run on an image as it is now is of no use any more.

    That is when the image was removed, or its pixels were replaced by others.
    """
    name, pixels = image.name, samples_of(image)

    def problem() -> str:
        layers = () if session.viewer is None else session.viewer.layers
        if image not in layers:
            return _REMOVED.format(name)
        return "" if samples_of(image) is pixels else _REPLACED.format(name)

    return problem


def if_there(
    session: Session,
    image: Image,
    show: Callable[[Any], str],
    *,
    if_gone: Callable[[], str] = lambda: GONE,
) -> Callable[[Any], str]:
    """Return what shows something on an image, unless that was removed meanwhile.

    Both callables return what is said; `show` takes what was found.
    """

    def then(found: Any) -> str:
        layers = () if session.viewer is None else session.viewer.layers
        return show(found) if image in layers else if_gone()

    return then
