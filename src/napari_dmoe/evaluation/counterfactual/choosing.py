"""Which drivers of a model can be swept, and what must be said of them before."""

from __future__ import annotations

from collections.abc import Sequence

from napari_dmoe.evaluation.counterfactual.audited import AuditError
from napari_dmoe.inference.masks.agreement import MOST_MASKS
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import attribute_called


def swept_drivers(
    loaded: LoadedModel, attributes: Sequence[str] | None = None
) -> tuple[CardAttribute, ...]:
    """Return the drivers of a model that can be swept.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    attributes : sequence of str, optional
        Which of them, by any of their names; all that have two trained values by
        default.

    Raises
    ------
    AuditError
        When there is nothing to sweep; says why.
    """
    card = loaded.card
    if not loaded.config.n_routers:
        raise AuditError(
            "this network has no experts, so that no value of a patient can change its "
            "masks: there is nothing to audit. evaluate tells how groups fare with it"
        )
    if loaded.config.n_routers < 2 or not card.attributes:
        raise AuditError(
            "this model has a single router for everybody, so that no value of a "
            "patient can change its masks: there is nothing to audit. evaluate tells "
            "how groups fare with it"
        )
    known = {attribute_called(each.name): each for each in card.attributes}
    asked = dict.fromkeys(map(attribute_called, attributes or known))
    for name in asked:
        if name not in known:
            raise AuditError(
                f"{name} does not drive this model, so that its values cannot be "
                f"swept: its drivers are {', '.join(a.name for a in card.attributes)}"
            )
    own = [known[name] for name in asked]
    counts = {a.name: len(a.values) - len(card.untrained(a.name)) for a in own}
    swept = tuple(driver for driver in own if counts[driver.name] > 1)
    if not swept or (attributes and len(swept) < len(own)):
        few = next(driver for driver in own if counts[driver.name] < 2)
        raise AuditError(
            f"{few.label.lower()}: fewer than two of its values had training "
            "cases, so that whether it matters cannot be told: train the model on "
            "cases of at least two"
        )
    many = next((each for each in swept if len(each.values) > MOST_MASKS), None)
    if many is not None:
        raise AuditError(
            f"{many.name} has {len(many.values)} values, too many to hold side by "
            f"side: at most {MOST_MASKS}"
        )
    return swept


def notices_before(
    loaded: LoadedModel, drivers: Sequence[CardAttribute]
) -> tuple[str, ...]:
    """Return what must be said of a model before it is audited."""
    said = []
    for driver in drivers:
        untrained = loaded.card.untrained(driver.name)
        if untrained:
            said.append(
                f"no training case of this model had {driver.label.lower()} "
                f"{', '.join(untrained)}: it is run, and counts for nothing"
            )
    names = {driver.name for driver in drivers}
    left_out = [a.label.lower() for a in loaded.card.attributes if a.name not in names]
    if left_out:
        said.append(f"not swept: {', '.join(left_out)}, kept as each patient has it")
    return tuple(said)
