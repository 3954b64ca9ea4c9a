"""The runs that some maps of the routing need: what is missing, and how it is run.

Knows no Qt; :func:`run_for_map` is called in a worker's thread.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_dmoe.faults import told
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook, part_of
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers.placement import axis_names, to_image
from napari_dmoe.viewer.routing import extras as known
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.session.inquiry import Inquiry
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.session.shares import Stated

if TYPE_CHECKING:
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.models.checkpoint import LoadedModel

GONE = "The model of this result was closed: segment again."
CHANGED = "The image changed since this result: segment again."


def what_is_missing(made: Segmentation, overlay: Overlay, extras: known.Extras) -> str:
    """Say which runs a map needs; nothing where it can be shown as it is."""
    if made.routing is None or known.why_never(made, overlay):
        return ""
    if known.map_input(made, overlay, extras) is not None:
        return ""
    if overlay.kind.needs == "two values":
        missing = known.missing_values(made, overlay, extras)
        return f"Needs a run for {' and one for '.join(missing)}."
    if overlay.kind.needs == "samples":
        plural = "" if overlay.samples == 1 else "s"
        return f"Needs {overlay.samples} run{plural} with noise."
    return "Needs one run."


def why_no_run(session: Session, image: Image, result: Result) -> str:
    """Say why nothing more can be run for a result; nothing where it can."""
    loaded = result.request.model()
    if loaded is None:
        return GONE
    departures = result.segmentation.provenance.departures
    if departures:
        return f"Only for the model as it is, but here: {'; '.join(departures)}."
    try:
        now = session.request(image, loaded)
    except ValueError as error:
        why = told(error)
        return f"{why[:1].upper()}{why[1:]}."
    return "" if now.image_version == result.request.image_version else CHANGED


def inquiry_of(image: Image, result: Result, loaded: LoadedModel) -> Inquiry:
    """Return what a result was asked about, as far as it drove the model.

    Raises
    ------
    ValueError
        When the model cannot use the image.
    """
    patient, given = Patient(), {}
    for driver in result.segmentation.provenance.drivers:
        if driver.value is not None:
            patient = patient.with_value(driver.attribute, driver.value)
        elif driver.prior == "given":
            given[driver.attribute] = driver.weights
    return Inquiry(
        pixels=to_image(image, loaded.card.dims),
        axes=axis_names(image, loaded.card.dims),
        patient=patient,
        settings=result.request.settings,
        image_version=result.request.image_version,
        stated=Stated(loaded.card, given),
    )


def run_for_map(
    engines: Engines,
    loaded: LoadedModel,
    inquiry: Inquiry,
    overlay: Overlay,
    values: tuple[str, ...],
    hook: ProgressHook,
) -> Any:
    """Return what :func:`napari_dmoe.viewer.routing.extras.remember` takes for a map.

    Of the map's attribute the routing of `values` is missing. The hook raises
    ``Cancelled``.
    """
    if overlay.kind.needs == "samples":
        options = {"samples": overlay.samples, "seed": overlay.seed}
        return inquiry.run(engines.uncertainty, loaded, hook, **options)
    if overlay.kind.needs == "chance":
        return inquiry.run(engines.read_routing, loaded, hook, reading="chance")
    found = {}
    for number, value in enumerate(values):
        patient = inquiry.patient.with_value(overlay.attribute, value)
        part = part_of(hook, number, len(values), value)
        made = replace(inquiry, patient=patient).run(engines.segment, loaded, part)
        found[value] = made.routing
    return found
