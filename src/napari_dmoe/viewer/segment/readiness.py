"""Why no run can begin, or what to know before one does, and what helps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_dmoe.models.titles import short_title, subject_of
from napari_dmoe.viewer.layers.axes import channel_titles, question
from napari_dmoe.viewer.layers.placement import axis_names
from napari_dmoe.viewer.segment.subject.control import other_model
from napari_dmoe.viewer.session import checks
from napari_dmoe.viewer.session.models import title_of
from napari_dmoe.viewer.session.session import Session

if TYPE_CHECKING:
    from napari_dmoe.inference.running.volume_needs import RunNeeds

OPEN_MODEL, OPEN_SAMPLE, CHOOSE_IMAGE = "open model", "open sample", "choose image"
NAME_AXES, CHOOSE_CHANNEL, USE_MODEL = "name axes", "choose channel", "use "
ENTER_PATIENT, CHOOSE_MODEL = "enter patient", "choose model"
INTO_FILE = "into file"
FOR_OTHER = "This picture is for another model."


@dataclass(frozen=True)
class Suited:
    """What is known of the bundled model that is for the picture."""

    is_chosen: bool = False
    """Whether it was loaded for the picture, and nobody chose it."""
    offered: str = ""
    """Its name where another model is loaded, or none; often nothing."""


@dataclass(frozen=True)
class Readiness:
    """What stands beside the button that segments."""

    text: str = ""
    """What is missing, or what is to be known; often nothing."""
    is_ready: bool = True
    why_not: str = ""
    """The whole reason, where another line says it and this one needs not."""
    remedy: str = ""
    """What a click does; the model's name follows :data:`USE_MODEL`."""
    offer: str = ""
    """What the link says."""
    is_caution: bool = False
    """Whether what stands there asks for care before a run."""
    facts: str = ""
    """What a run needs, for another line, which has more room."""


def readiness(
    session: Session,
    *,
    entered: str = "",
    refused: str = "",
    suited: Suited = Suited(),
    needs: RunNeeds | None = None,
) -> Readiness:
    """Return whether the image that is worked on can be segmented, and what helps.

    What was `entered` of the patient cannot be read, or an engine would have `refused`
    the image: each stands in the way, too. `suited` is the model for the picture.
    What a run `needs` is said of a model of volumes.
    """
    model, image = session.model, session.image
    other = other_model(session) or suited.offered
    if model is None:
        said = "No model is loaded."
        if other:
            return _lacks(said, f"{USE_MODEL}{other}", f"Use {_title(session, other)}")
        return _lacks(said, OPEN_MODEL, "Open a model…")
    if image is None:
        return _lacks("No image is open.", OPEN_SAMPLE, "Open a sample")
    problem = checks.image_problem(image, session.dims, session.n_channels) or refused
    if problem:
        return replace(_for_image(session, image, other), why_not=problem)
    problem = entered or checks.patient_problem(model.card, session.patient_of(image))
    if problem:
        return _lacks(problem, ENTER_PATIENT, "Change it")
    if needs is not None and not needs.in_memory.fits:
        return _beyond_memory(needs)
    notices = " ".join(session.driver_notices(image))
    is_caution = bool(notices)
    if suited.is_chosen:
        chosen = f"Chosen for this picture: {_title(session, session.model_origin)}."
        now, notices = CHOICE, f"{chosen} {notices}".rstrip()
    else:
        now = _with_model(session, other)
    if suited.offered:
        notices, is_caution = notices or FOR_OTHER, True
    now = replace(now, text=notices, is_ready=True, is_caution=is_caution)
    return now if needs is None else _with_needs(now, needs)


_MUCH = 2**27
"""Bytes of a run's mask and slabs from which on a file for it is offered."""


def _with_needs(now: Readiness, needs: RunNeeds) -> Readiness:
    """Say what a run needs: beside the button where that asks for care."""
    own = needs.in_memory
    if own.is_tight:
        text = " ".join(filter(None, (now.text, own.words)))
        now = replace(now, text=text, is_caution=True)
    else:
        now = replace(now, facts=own.words)
    is_offered = own.is_tight or own.n_bytes > _MUCH
    if now.remedy or needs.into_file is None or not is_offered:
        return now
    return replace(now, remedy=INTO_FILE, offer=_INTO)


_INTO = "Into a file…"


def _beyond_memory(needs: RunNeeds) -> Readiness:
    """Say that a run does not fit into memory, and what does."""
    own, filed = needs.in_memory, needs.into_file
    if filed is None or not filed.fits:
        from napari_dmoe.inference.running.volume_needs import REMEDY

        return Readiness(f"{own.words[:-1]}: {REMEDY}.", False, is_caution=True)
    size = f"{filed.n_bytes / 2**30:.1f} GiB"
    text = f"Too large for memory; into a file it needs {size}. {own.words}"
    return Readiness(text, False, remedy=INTO_FILE, offer=_INTO, is_caution=True)


CHOICE = Readiness(remedy=CHOOSE_MODEL, offer="Choose another")


def _lacks(text: str, remedy: str, offer: str) -> Readiness:
    return Readiness(text, False, remedy=remedy, offer=offer)


def _for_image(session: Session, image: Image, other: str) -> Readiness:
    """Say what helps where image and model do not fit, which another line says."""
    if question(image):
        return _lacks("", NAME_AXES, "Name its axes")
    dims, wanted = session.dims, session.n_channels
    is_flat = dims == 3 and "z" not in axis_names(image, dims)
    has_channels = bool(channel_titles(image, dims)) and not is_flat
    if has_channels and checks.takes(1, dims, wanted or 1):
        return _lacks("", CHOOSE_CHANNEL, "Choose a channel")
    other = other or _of_other_kind(session, image)
    if other:
        return _with_model(session, other)
    others = (each for each in session.images() if each is not image)
    if any(not checks.image_problem(each, dims, wanted) for each in others):
        return _lacks("", CHOOSE_IMAGE, "Choose an image")
    return _lacks("", OPEN_MODEL, "Open a model…")


def _with_model(session: Session, name: str) -> Readiness:
    """Offer another model; nothing without a name."""
    if not name:
        return Readiness()
    offer = f"Use {_title(session, name)} instead"
    return Readiness("", False, remedy=f"{USE_MODEL}{name}", offer=offer)


def _title(session: Session, name: str) -> str:
    """Return a model's title, as far as a short line takes it and it stays clear."""
    title = title_of(name, session.surroundings)
    first = subject_of(title)
    others = (each for each in session.surroundings.titles.values() if each != title)
    is_clear = all(subject_of(each) != first for each in others)
    return first if is_clear else short_title(title)


def _of_other_kind(session: Session, image: Image) -> str:
    """Return a bundled model of planes for a plane, and of volumes for a volume.

    Nothing where the loaded one is of that kind already.
    """
    kind = 3 if "z" in axis_names(image, 3) and not image.rgb else 2
    if kind == session.dims:
        return ""
    found = (name for name, dims in session.surroundings.dims.items() if dims == kind)
    return next(found, "")
