"""What a what-if is asked about: the image that is worked on, its patient, the model.

It is the same snapshot that a run is made of, with the plain result where there is one,
so that nothing is computed twice. Knows no Qt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.checks import image_problem, patient_problem
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session

if TYPE_CHECKING:
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.running.settings import InferenceSettings
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient


@dataclass(frozen=True, eq=False)
class Subject:
    """A snapshot of what would be run now.

    Parameters
    ----------
    image : napari.layers.Image
        The layer.
    pixels : SpatialImage
        Its pixels with their place.
    loaded : LoadedModel
        The model.
    patient : Patient
        Whose image it is.
    settings : InferenceSettings
        How it would be run.
    request : Request
        What a result of it is kept with.
    plain : Result or None
        The plain result of the same request, where there is one.
    """

    image: Image
    pixels: SpatialImage
    loaded: LoadedModel
    patient: Patient
    settings: InferenceSettings
    request: Request
    plain: Result | None


def why_not(session: Session) -> str:
    """Say why nothing can be run for the image that is worked on."""
    loaded, image = session.model, session.image
    if loaded is None:
        return "Open a model first."
    if image is None:
        return "Open an image first."
    return image_problem(image, loaded.card.dims) or patient_problem(
        loaded.card, session.patient_of(image)
    )


def subject_of(session: Session, settings: InferenceSettings) -> Subject | None:
    """Return what would be run now; None without a model or an image.

    Raises
    ------
    ValueError
        When the model cannot use the image, or does not know the patient's values.
    """
    loaded, image = session.model, session.image
    if loaded is None or image is None:
        return None
    request = session.request(image, loaded, settings)
    shown = [each for each in session.results_of(image) if each.request == request]
    return Subject(
        image=image,
        pixels=to_image(image, loaded.card.dims),
        loaded=loaded,
        patient=session.patient_of(image),
        settings=settings,
        request=request,
        plain=results.latest(shown, chosen=session.result_of(image)),
    )
