"""The model card: what a checkpoint is, what drives it, and what it was trained on.

Weights do not say which attribute their routers stand for, nor in which order. The
card does. Fields that nobody states are null, never guessed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from napari_dmoe.foreign import is_seen
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.spatial import MOST_CLASSES
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing, is_of_volumes
from napari_dmoe.models.class_spans import ClassSpans
from napari_dmoe.models.training_images import TrainingImages
from napari_dmoe.patient import (
    ATTRIBUTES,
    Patient,
    PatientError,
    attribute_called,
    is_unknown,
)
from napari_dmoe.quantities import AmbiguousError, place_among, years_per
from napari_dmoe.validation import Stated

LONGEST_NAME, LONGEST_TEXT = 200, 20_000
"""Characters of a name, and of what is said in sentences."""

MOST_VALUES = 1000
"""Values of an attribute."""


def _visible(text: str, *, allowed: str = "") -> str:
    """Refuse what would move a terminal's cursor, or show as something else."""
    for character in text:
        if not is_seen(character) and character not in allowed:
            raise ValueError(
                f"the character {character!a} has no place in a card's text"
            )
    return text


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("a name cannot be empty")
    return _visible(text)


def _sentences(text: str) -> str:
    return _visible(text, allowed="\n\r\t")


Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_name)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_sentences)]


def _plain(name: str) -> str:
    """Return what names that differ in case, spaces or underscores alone share."""
    return " ".join(name.replace("_", " ").split()).casefold()


def _spaced(name: str) -> str:
    return " ".join(name.split())


def _alike(names: Iterable[str]) -> str | None:
    """Return a name that another differs from in case or spaces alone, if any."""
    seen: set[str] = set()
    for name in names:
        plain = _spaced(name).casefold()
        if plain in seen:
            return name
        seen.add(plain)
    return None


class CardAttribute(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """An attribute that drives a model, with its values in router order."""

    name: Name
    """The attribute, as in :data:`napari_dmoe.patient.ATTRIBUTES` or the card's own."""
    values: tuple[Name, ...] = Field(min_length=1, max_length=MOST_VALUES)
    """Names of the values; value ``i`` uses router ``i``."""
    edges: tuple[float, ...] | None = None
    """For a number: where one value ends and the next begins, in `unit`. Value ``i``
    covers ``edges[i - 1] <= number < edges[i]``."""
    unit: Name | None = None
    """Unit of `edges`."""
    n_routers: int | None = None
    """Routers in the weights, where there are more of them than values."""
    frequencies: tuple[float, ...] | None = None
    """Share of each value in the training data; null where it is not stated."""

    @model_validator(mode="after")
    def _parts_agree(self) -> CardAttribute:
        n = len(self.values)
        if (twice := _alike(self.values)) is not None:
            raise ValueError(
                f"{self.name}: values must differ: {twice!r} is there twice"
            )
        if self.edges is not None and (
            len(self.edges) != n - 1 or list(self.edges) != sorted(set(self.edges))
        ):
            raise ValueError(f"{self.name}: {n} values need {n - 1} rising edges")
        is_age = attribute_called(self.name) == "age"
        if is_age and self.edges is not None and years_per(self.unit) is None:
            raise ValueError(
                f"{self.name}: {self.unit!r} is no unit of an age: use years, months, "
                "weeks or days"
            )
        if self.n_routers is not None and self.n_routers < n:
            raise ValueError(f"{self.name}: {self.n_routers} routers for {n} values")
        if self.frequencies is not None and (
            len(self.frequencies) != n
            or min(self.frequencies) < 0
            or not 0 < sum(self.frequencies) < math.inf
        ):
            raise ValueError(f"{self.name}: needs {n} frequencies, none below 0")
        return self

    @property
    def routers(self) -> int:
        """Number of routers that the weights hold for this attribute."""
        return len(self.values) if self.n_routers is None else self.n_routers

    @property
    def label(self) -> str:
        """Name for a person."""
        known = ATTRIBUTES.get(attribute_called(self.name))
        return known.label if known else self.name.replace("_", " ").capitalize()

    @property
    def prior(self) -> tuple[float, ...]:
        """Probability of each value where it is unknown; uniform if not stated."""
        if self.frequencies is None:
            return (1 / len(self.values),) * len(self.values)
        return tuple(f / sum(self.frequencies) for f in self.frequencies)

    def category(self, value: str | float | None) -> int | None:
        """Return the place of a value among this attribute's; None if it is unknown.

        Raises
        ------
        PatientError
            When the card has no such value. The message names those it has.
        """
        if value is None:
            return None
        place = self._place_of_name(value)
        if place is not None or is_unknown(value):
            return place
        said = f"it knows {', '.join(self.values)} (or leave it unknown)"
        if self.edges is not None:
            is_age = attribute_called(self.name) == "age"
            try:
                place = place_among(self.edges, value, self.unit, is_age=is_age)
            except AmbiguousError as error:
                raise PatientError(
                    f"what is known of the {self.label.lower()} fits several values of "
                    f"this model: {said}"
                ) from error
            except PatientError as error:
                raise PatientError(f"{self.label.lower()}: {error}; {said}") from error
        if place is None:
            raise PatientError(
                f"this model does not know that {self.label.lower()}: {said}"
            )
        return place

    def category_of(self, patient: Patient) -> int | None:
        """Return :meth:`category` of a patient's value; a name of the card's wins.

        A value called ``none`` or ``unknown`` is that value where the card has it.
        """
        return self.category(self.value_of(patient))

    def value_of(self, patient: Patient) -> str | float | None:
        """Return a patient's value as it was stated; None where it is unknown."""
        return patient.value(self.name, among=self.values)

    def own_name(self, stated: str) -> str | None:
        """Return which value is meant, however it is spelt; None if it is none."""
        alike = (own for own in self.values if _plain(own) == _plain(stated))
        if (own := next(alike, None)) is not None:
            return own
        place = self._place_of_name(stated)
        return None if place is None else self.values[place]

    def _place_of_name(self, value: str | float) -> int | None:
        """Return which value has a name; a number has one where there are no edges."""
        if not isinstance(value, str):
            value = "" if self.edges is not None else f"{value:g}"
        known = ATTRIBUTES.get(attribute_called(self.name))
        for spelt in (_spaced, known.spell if known else _spaced):
            names = [spelt(name).casefold() for name in self.values]
            if spelt(value).casefold() in names:
                return names.index(spelt(value).casefold())
        return None


def _kind_of(stated: object) -> str:
    """Tell which preprocessing is meant, so that its errors are the ones reported."""
    return OF_VOLUMES if is_of_volumes(stated) else OF_PLANES


OF_PLANES, OF_VOLUMES = "of planes", "of volumes"

AnyPreprocessing = Annotated[
    Annotated[Preprocessing, Tag(OF_PLANES)]
    | Annotated[VolumePreprocessing, Tag(OF_VOLUMES)],
    Discriminator(_kind_of),
]


class TrainingFacts(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What is stated of the training; null where nothing is."""

    data: Text | None = None
    n_cases: int | None = None
    n_per_value: dict[str, dict[str, int]] | None = None
    n_unknown: dict[str, int] | None = None
    """Of how many training cases each attribute was not known, where of any."""
    dice: dict[str, float] | None = None
    n_held_out: int | None = None
    """Cases that `dice` is the mean of."""
    held_out: Literal["cases", "slices"] | None = None
    """Whole cases, or slices of cases that were trained on; null: nobody says."""
    guard: Text | None = None
    """What a tuning's guard allowed to say of the groups, word for word."""
    settings: dict[str, str | int | float | bool | None] | None = None
    note: Text | None = None
    class_spans: ClassSpans | None = None
    """The least and the most of each class, over the cases that show it."""
    phantoms: Name | None = None
    """Kind of phantom, such as "skin", where all that the model was ever trained on
    were phantoms of that kind."""

    @property
    def dice_in_words(self) -> str:
        """The Dice of each class, and of how many cases; empty where none is stated."""
        if not self.dice:
            return ""
        said = ", ".join(f"{name} {dice:.3f}" for name, dice in self.dice.items())
        what = "held-out cases"
        if self.held_out == "slices":
            what = "cases trained on, of held-out slices alone"
        return said + (f" ({self.n_held_out:,} {what})" if self.n_held_out else "")


class ModelCard(Stated, frozen=True, extra="forbid"):
    """What a checkpoint is and how it is to be used.

    Parameters
    ----------
    name, title : str
        Key and name for a person.
    architecture : str or None
        Name in :data:`napari_dmoe.models.architectures.ARCHITECTURES`; None takes
        whatever the weights are.
    dims : {2, 3}
        Spatial axes of the input.
    n_heads, top_k : int, optional
        What the weights cannot tell; null for 64 features a head, and 2.
    attributes : tuple of CardAttribute
        What drives the model. Empty for a network without routers to choose from.
    classes : tuple of str
        Class names, background first; 256 at most, for masks are bytes.
    modality : str, optional
        What kind of image the model expects, in words.
    preprocessing : Preprocessing, VolumePreprocessing or None
        How a 2D or 3D image becomes the network's input; null where it is not stated.
    training : TrainingFacts
        What is stated of the training.
    training_images : TrainingImages, optional
        What the images of the training looked like, in numbers; without it no run says
        of an image that it is unlike them.
    weights_licence, data_licence, citation, intended_use : str, optional
        As stated by whoever published the weights; null where not stated.
    notice : str, optional
        What must be said wherever a result of this model is shown.
    """

    schema_version: Literal[1] = 1
    name: Name
    title: Name
    architecture: Name | None = None
    dims: Literal[2, 3] = 2
    n_heads: int | None = Field(default=None, gt=0)
    top_k: int | None = Field(default=None, gt=0)
    attributes: tuple[CardAttribute, ...] = ()
    classes: tuple[Name, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    modality: Text | None = None
    preprocessing: AnyPreprocessing | None = Preprocessing()
    training: TrainingFacts = TrainingFacts()
    training_images: TrainingImages | None = None
    weights_licence: Text | None = None
    data_licence: Text | None = None
    citation: Text | None = None
    intended_use: Text | None = None
    notice: Text | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> ModelCard:
        for what, names in (
            ("attributes", [attribute_called(a.name) for a in self.attributes]),
            ("classes", self.classes),
        ):
            if (twice := _alike(names)) is not None:
                raise ValueError(f"{what} must differ: {twice!r} is there twice")
        return self

    @property
    def n_routers(self) -> int:
        """Number of routers that the weights of this card hold."""
        return sum(attribute.routers for attribute in self.attributes)

    @property
    def first_routers(self) -> tuple[int, ...]:
        """Index of each attribute's first router; they stand one after another."""
        counts = [attribute.routers for attribute in self.attributes]
        return tuple(sum(counts[:i]) for i in range(len(counts)))

    def categories(self, patient: Patient) -> tuple[int | None, ...]:
        """Return the router that each attribute's value chooses.

        Parameters
        ----------
        patient : Patient
            Only what drives the model is looked at.

        Returns
        -------
        tuple of int or None
            One entry per attribute: a row of the network's `category`; None for an
            attribute that is unknown.

        Raises
        ------
        PatientError
            When the card does not know one of the patient's values.
        """
        values = [a.category_of(patient) for a in self.attributes]
        return tuple(
            None if value is None else first + value
            for first, value in zip(self.first_routers, values, strict=True)
        )

    def untrained(self, attribute_name: str) -> tuple[str, ...]:
        """Return the values of an attribute that no training case had, in their order.

        By the counts that the card states, else by the frequencies that are 0; empty
        where neither is stated, and for what does not drive the model. Counts that are
        all 0 say nothing of values that they do not name.

        Examples
        --------
        >>> sex = CardAttribute(name="sex", values=("female", "male"))
        >>> women = TrainingFacts(n_per_value={"sex": {"female": 40, "male": 0}})
        >>> ModelCard(
        ...     name="women",
        ...     title="Women",
        ...     attributes=(sex,),
        ...     classes=("background", "lesion"),
        ...     training=women,
        ... ).untrained("sex")
        ('male',)
        """
        attribute = next((a for a in self.attributes if a.name == attribute_name), None)
        if attribute is None:
            return ()
        counts = self.counts(attribute_name)
        if counts:
            others = 0 if any(counts.values()) else None
            n = {value: counts.get(value, others) for value in attribute.values}
            return tuple(value for value, cases in n.items() if cases == 0)
        shares = attribute.frequencies or attribute.prior
        return tuple(v for v, s in zip(attribute.values, shares, strict=True) if s == 0)

    def counts(self, attribute_name: str) -> dict[str, int]:
        """Return how many training cases had each value, as far as the card says."""
        attribute = next((a for a in self.attributes if a.name == attribute_name), None)
        if attribute is None:
            return {}
        wanted, found = _plain(attribute_called(attribute_name)), Counter[str]()
        for name, stated in (self.training.n_per_value or {}).items():
            if _plain(attribute_called(name)) == wanted:
                for value, n in stated.items():
                    if (own := attribute.own_name(value)) is not None:
                        found[own] += n
        return dict(found)

    def shares(self, attribute_name: str) -> tuple[float, ...]:
        """Return the share of each value in a mixture, where the value is unknown.

        They are the frequencies that the card states; where it states none, values
        that training cases had, or that nothing is known of, have the same share.
        """
        attribute = next(a for a in self.attributes if a.name == attribute_name)
        untrained = self.untrained(attribute_name)
        n = len(attribute.values) - len(untrained)
        if attribute.frequencies is not None or not untrained or not n:
            return attribute.prior
        return tuple(0.0 if v in untrained else 1 / n for v in attribute.values)
