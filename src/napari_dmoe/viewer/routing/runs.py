"""The runs that some maps of the routing need: what is missing, and how it is run.

Knows no Qt; :func:`run_for_map` is called in a worker's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.routing.extras import (
    Extras,
    map_input,
    missing_values,
    why_never,
)
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session

if TYPE_CHECKING:
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.models.checkpoint import LoadedModel

GONE = "The model of this result was closed: segment again."
CHANGED = "The image changed since this result: segment again."


def what_is_missing(made: Segmentation, overlay: Overlay, extras: Extras) -> str:
    """Say which runs a map needs; nothing where it can be shown as it is."""
    if made.routing is None or why_never(made, overlay):
        return ""
    if map_input(made, overlay, extras) is not None:
        return ""
    if overlay.kind.needs == "two values":
        missing = missing_values(made, overlay, extras)
        return f"Needs a run for {' and one for '.join(missing)}."
    if overlay.kind.needs == "samples":
        plural = "" if overlay.samples == 1 else "s"
        return f"Needs a run for {overlay.samples} noise sample{plural}."
    return "Needs a run that reads the routers."


def why_no_run(session: Session, image: Image, result: Result) -> str:
    """Say why nothing more can be run for a result; nothing where it can."""
    loaded = result.request.model()
    if loaded is None:
        return GONE
    departures = result.segmentation.provenance.departures
    if departures:
        return f"Only for the model as it is, but here: {'; '.join(departures)}."
    try:
        now = session.request(image, loaded, result.request.settings)
    except ValueError as error:
        return f"{str(error)[:1].upper()}{str(error)[1:]}."
    return "" if now.image_version == result.request.image_version else CHANGED


def run_for_map(
    engines: Engines,
    loaded: LoadedModel,
    image: SpatialImage,
    result: Result,
    overlay: Overlay,
    values: tuple[str, ...],
    hook: ProgressHook,
) -> Any:
    """Run a model for what a map of a result needs.

    Parameters
    ----------
    engines : Engines
        What runs.
    loaded : LoadedModel
        The result's model.
    image : SpatialImage
        The result's image.
    result : Result
        For whose patient, and with which settings.
    overlay : Overlay
        The map.
    values : tuple of str
        Values of its attribute whose routing is missing.
    hook : callable
        Told of the progress; raises ``Cancelled``.

    Returns
    -------
    object
        What :func:`napari_dmoe.viewer.routing.extras.keep` takes.
    """
    patient = _patient_of(result)
    options = {"settings": result.request.settings} | _priors_of(result)
    if overlay.kind.needs == "samples":
        options |= {"samples": overlay.samples, "seed": overlay.seed}
        return engines.uncertainty(loaded, image, patient, progress=hook, **options)
    if overlay.kind.needs == "chance":
        return engines.read_routing(
            loaded, image, patient, reading="chance", progress=hook, **options
        )
    from napari_dmoe.progress import part_of

    found = {}
    for number, value in enumerate(values):
        other = patient.with_value(overlay.attribute, value)
        part = part_of(hook, number, len(values), value)
        made = engines.segment(loaded, image, other, progress=part, **options)
        found[value] = made.routing
    return found


def _patient_of(result: Result) -> Patient:
    """Return the patient that a result was made for, as far as it drove the model."""
    patient = Patient()
    for driver in result.segmentation.provenance.drivers:
        if driver.value is not None:
            patient = patient.with_value(driver.attribute, driver.value)
    return patient


def _priors_of(result: Result) -> dict[str, Any]:
    given = {
        driver.attribute: driver.weights
        for driver in result.segmentation.provenance.drivers
        if driver.prior == "given"
    }
    return {"priors": given} if given else {}
