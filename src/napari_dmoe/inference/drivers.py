"""From a patient to the routers that a run uses."""

from __future__ import annotations

from dataclasses import dataclass

from napari_dmoe.inference.provenance import DriverRecord
from napari_dmoe.inference.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient, PatientError


@dataclass(frozen=True)
class RouterChoice:
    """Which routers a run uses.

    Parameters
    ----------
    routers : tuple of int or None
        Routers to run one after another; None is the network without its MoE.
    values : tuple of str
        Names of the values they stand for; one empty name where nothing drives.
    weights : tuple of float
        Shares of the values in the mixture; they sum to 1.
    record : DriverRecord or None
        The same, for the provenance; None where nothing drives the model.
    """

    routers: tuple[int | None, ...]
    values: tuple[str, ...]
    weights: tuple[float, ...]
    record: DriverRecord | None


def choose_routers(
    loaded: LoadedModel, patient: Patient, settings: InferenceSettings
) -> RouterChoice:
    """Choose the routers for a patient; all of them where the driver is unknown.

    Raises
    ------
    PatientError
        When the model does not know the driver's value, or it is unknown and
        ``unknown="refuse"``.
    """
    n_routers, driver = loaded.config.n_routers, loaded.card.driver
    if n_routers == 0:
        return RouterChoice((None,), ("",), (1.0,), None)
    if driver is None:
        return RouterChoice((0,), ("",), (1.0,), None)
    category = driver.category(patient.value(driver.name))
    if category is None and settings.unknown == "refuse":
        raise PatientError(
            f"the patient's {driver.label.lower()} is unknown, and it drives this "
            f"model: give one of {', '.join(driver.values)}"
        )
    routers: tuple[int, ...] = (
        tuple(range(len(driver.values))) if category is None else (category,)
    )
    values = tuple(driver.values[router] for router in routers)
    weights = driver.prior if category is None else (1.0,)
    record = DriverRecord(
        attribute=driver.name,
        value=None if category is None else driver.values[category],
        values=values,
        routers=routers,
        weights=weights,
    )
    return RouterChoice(routers, values, weights, record)
