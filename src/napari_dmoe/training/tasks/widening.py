"""Values and attributes that a task adds to a model: what it needs for them, and how.

What cannot be learnt is refused before any training: a value that no case has would
leave the card with a router that nothing trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dmoe.attributes import (
    ATTRIBUTES,
    PatientError,
    attribute_called,
    is_unknown,
    misspelt,
)
from napari_dmoe.cohorts.case import Case, Selection
from napari_dmoe.cohorts.datasets import patients_of
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import Annotation, TrainingError
from napari_dmoe.training.starting.new_routers import (
    add_attribute,
    add_value,
    nearest_value,
    router_of,
)

if TYPE_CHECKING:
    from napari_dmoe.training.tasks.task import TrainingTask

NEAREST = "nearest"
"""What stands for the value that segments the new one's cases best."""

NEW_VALUE, NEW_ATTRIBUTE = "--new-value", "--new-attribute"
_ONE, _SEVERAL = "ATTRIBUTE=VALUE", "ATTRIBUTE=VALUE,VALUE,..."
_SUCH = {_ONE: "severity=T5", _SEVERAL: "sex=female,male"}


@dataclass(frozen=True)
class Widened:
    """A model with its new routers.

    Parameters
    ----------
    loaded : LoadedModel
        The model, as it was where nothing is new.
    train : str or None
        What is trained of it where nothing else is said; None for the settings' own.
    """

    loaded: LoadedModel
    train: str | None = None


def check_widening(task: TrainingTask) -> None:
    """Refuse what no model and no cohort could make sense of.

    Raises
    ------
    TrainingError
        When options contradict each other, lack another one, or are misspelt.
    """
    new_value, new_attribute = task.new_value, task.new_attribute
    if task.like is not None and new_value is None:
        raise TrainingError(
            "--like says as what the router of a new value begins: name the value with "
            f"{NEW_VALUE} {_ONE}, or leave --like out"
        )
    if new_value is None and new_attribute is None:
        return
    if task.kind == "train":
        raise TrainingError(
            f"{NEW_VALUE} and {NEW_ATTRIBUTE} are for a model that exists: fine-tune "
            "one, or name the values in the recipe's card"
        )
    if task.mode != "dmoe":
        raise TrainingError(
            f"--mode {task.mode} has no routers of values, and {NEW_VALUE} and "
            f"{NEW_ATTRIBUTE} add some: leave one of them out"
        )
    if new_value is not None:
        _assignment(new_value, _ONE, NEW_VALUE)
    if new_attribute is not None:
        name, values = _assignment(new_attribute, _SEVERAL, NEW_ATTRIBUTE)
        _values(name, values)
    if new_value is not None and new_attribute is not None:
        first, _ = _assignment(new_value, _ONE, NEW_VALUE)
        if attribute_called(first) == attribute_called(name):
            raise TrainingError(
                f"{name} is new with all its values: name them all with "
                f"{NEW_ATTRIBUTE}, and leave {NEW_VALUE} out"
            )


def new_drivers(task: TrainingTask) -> tuple[str, ...]:
    """Return the attribute that is to drive the model too; nothing where none is."""
    name = (task.new_attribute or "").partition("=")[0].strip()
    return (attribute_called(name),) if name else ()


def widened(
    loaded: LoadedModel,
    cases: Sequence[Case],
    task: TrainingTask,
    *,
    annotation: Annotation,
) -> Widened:
    """Return a model with the routers that a task adds.

    Parameters
    ----------
    loaded : LoadedModel
        The model. It is not changed.
    cases : sequence of Case
        What is trained on; read only where the nearest value is asked for.
    task : TrainingTask
        Names the value, or the attribute.
    annotation : Annotation
        How the cases' labels are to be read.

    Raises
    ------
    TrainingError
        When the model or the cohort has not what is needed; says what.
    """
    patients, train = patients_of(cases), None
    if task.new_value is not None:
        loaded, train = _with_value(
            loaded, cases, patients, task=task, annotation=annotation
        )
    if task.new_attribute is not None:
        loaded = _with_attribute(loaded, patients, task.new_attribute)
        train = "routers"
    return Widened(loaded, train)


def _with_value(
    loaded: LoadedModel,
    cases: Sequence[Case],
    patients: Sequence[Patient],
    *,
    task: TrainingTask,
    annotation: Annotation,
) -> tuple[LoadedModel, str]:
    stated, text = _assignment(task.new_value or "", _ONE, NEW_VALUE)
    attribute = _driver(loaded.card, stated)
    value, like = _spelt(attribute.name, text), task.like
    if like is not None:
        like = _spelt(attribute.name, like)
    if attribute.edges is None:
        if _place(attribute, value) is not None:
            raise TrainingError(
                f"the model knows {attribute.name} {value!r} already: leave "
                f"{NEW_VALUE} out, and its cases are trained on as they are"
            )
        alone = CardAttribute(name=attribute.name, values=(value,))
        of_it = [i for i, p in enumerate(patients) if _place_of(alone, p) == 0]
        if not of_it:
            raise TrainingError(
                f"no case of the cohort has the {attribute.label.lower()} {value!r}, "
                f"so that nothing would train its router: {NEW_VALUE} needs cases of "
                f"the new value, in the column {attribute.name}"
            )
        # A value of that name goes before the word.
        if like == NEAREST and _place(attribute, NEAREST) is None:
            new = Selection(cases, of_it)
            like = nearest_value(loaded, attribute.name, new, annotation=annotation)
    loaded = add_value(loaded, attribute.name, value, like=like)
    # The new value alone is learnt, so that no other patient's masks change.
    return loaded, f"router.{router_of(loaded, attribute.name, value)}"


def _driver(card: ModelCard, stated: str) -> CardAttribute:
    """Return the attribute of a card that is meant, however it is written."""
    for attribute in card.attributes:
        if attribute_called(attribute.name) == attribute_called(stated):
            return attribute
    drivers = ", ".join(a.name for a in card.attributes) or "nothing"
    raise TrainingError(
        f"{stated!r} does not drive the model: {drivers} does. {NEW_VALUE} adds a "
        f"value to what drives it; for another attribute use {NEW_ATTRIBUTE} "
        f"{stated}=VALUE,VALUE"
    )


def _with_attribute(
    loaded: LoadedModel, patients: Sequence[Patient], text: str
) -> LoadedModel:
    stated, listed = _assignment(text, _SEVERAL, NEW_ATTRIBUTE)
    in_cohort = dict.fromkeys(name for p in patients for name in p.known())
    own = [attribute.name for attribute in loaded.card.attributes]
    name = _meant(stated, [*own, *in_cohort])
    if name in own:
        raise TrainingError(
            f"{name} drives the model already: add a value to it with {NEW_VALUE} "
            f"{name}=VALUE"
        )
    if name not in in_cohort:
        near = "" if name in ATTRIBUTES else misspelt(name, in_cohort)
        meant = f". Is {near} meant?" if near else ""
        raise TrainingError(
            f"{name} is not known of any case of the cohort: {NEW_ATTRIBUTE} needs a "
            f"column {name} that says it. The table states "
            f"{', '.join(in_cohort) or 'no attribute'}{meant}"
        )
    attribute = CardAttribute(name=name, values=_values(name, listed))
    numbers = [p.value(name) for p in patients if isinstance(p.value(name), float)]
    if any(_place(attribute, number) is None for number in numbers):
        raise TrainingError(
            f"{name} is a number in the cohort, and {NEW_ATTRIBUTE} takes names: state "
            "bands such as 60-79 in the table, or train a new model whose card has "
            "bands"
        )
    there = {_place_of(attribute, patient) for patient in patients}
    missing = [v for i, v in enumerate(attribute.values) if i not in there]
    if missing:
        raise TrainingError(
            f"no case of the cohort has the {name} {' or '.join(map(repr, missing))}, "
            "so that nothing would train its router: leave it out of "
            f"{NEW_ATTRIBUTE}, or add such cases"
        )
    return add_attribute(loaded, attribute)


def _assignment(text: str, form: str, option: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise TrainingError(
            f"{option}: expected {form}, such as {_SUCH[form]}: found {text!r}"
        )
    if form == _ONE and is_unknown(value):
        raise TrainingError(
            f"{option}: {value!r} means that a value is not known, and needs no router"
        )
    return name, value


def _values(name: str, listed: str) -> tuple[str, ...]:
    """Return the values of a new attribute, each in its usual spelling."""
    values = [_spelt(name, text) for text in listed.split(",") if text.strip()]
    if unknown := [value for value in values if is_unknown(value)]:
        raise TrainingError(
            f"{NEW_ATTRIBUTE}: {unknown[0]!r} means that {name} is not known, and "
            "needs no router: leave it out"
        )
    twice = [v for v, n in Counter(v.casefold() for v in values).items() if n > 1]
    if twice:
        raise TrainingError(
            f"{NEW_ATTRIBUTE}: {name} has the value {twice[0]!r} twice: name each once"
        )
    if len(values) < 2:
        raise TrainingError(
            f"{NEW_ATTRIBUTE}: {name} needs two values or more, such as "
            f"{_SUCH[_SEVERAL]}: one alone would be everybody's"
        )
    return tuple(values)


def _place_of(attribute: CardAttribute, patient: Patient) -> int | None:
    return _place(attribute, attribute.value_of(patient))


def _place(attribute: CardAttribute, value: str | float | None) -> int | None:
    """Return the place of a value among an attribute's; None if it is none of them."""
    try:
        return attribute.category(value)
    except PatientError:
        return None


def _spelt(name: str, text: str) -> str:
    """Return the usual spelling of a value, as tables are read."""
    known = ATTRIBUTES.get(attribute_called(name))
    return known.spell(text) if known else " ".join(text.split())


def _meant(stated: str, names: Iterable[str]) -> str:
    """Return the first name of the same attribute; else its own name."""
    called = attribute_called(stated)
    alike = (name for name in names if attribute_called(name) == called)
    return next(alike, called)
