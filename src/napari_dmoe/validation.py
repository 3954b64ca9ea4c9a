"""What is wrong with something stated, in one sentence of this program's own.

Settings, cards, recipes and records are pydantic models. :func:`said` turns the error
of one that cannot be into a line for a person; models whose constructor people call
themselves are :class:`Stated` and raise it as a :class:`SettingsError`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from napari_dmoe.foreign import printable
from napari_dmoe.purpose import is_on_purpose

LONGEST_VALUE = 60
"""Characters of a value that a message repeats."""

_LARGEST_NUMBER = 10**20

_BOUNDS = {
    "greater_than_equal": ("must be at least {}", "ge"),
    "greater_than": ("must be above {}", "gt"),
    "less_than_equal": ("must be at most {}", "le"),
    "less_than": ("must be below {}", "lt"),
    "multiple_of": ("must be a multiple of {}", "multiple_of"),
    "literal_error": ("must be {}", "expected"),
    "enum": ("must be {}", "expected"),
    "too_short": ("must have at least {} entries", "min_length"),
    "too_long": ("must have at most {} entries", "max_length"),
    "string_too_short": ("must be text of at least {} characters", "min_length"),
    "string_too_long": ("must be text of at most {} characters", "max_length"),
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "list": "a list",
    "dict": "an object of names and values",
    "mapping": "an object of names and values",
    "model": "an object of names and values",
    "path": "a path",
    "none_required": "null",
}
_MEMBERS = {"str": "text", "int": "a whole number", "float": "a number"}
_MEMBERS |= {"bool": "true or false"}
"""What pydantic calls the members of a union, where a value is none of them."""


class SettingsError(ValueError):
    """Settings, or another description, state what cannot be."""


class Stated(BaseModel):
    """A model whose constructor raises :class:`SettingsError`, in one sentence.

    ``model_validate`` raises pydantic's own error, which :func:`said` puts into words
    together with where the values came from.
    """

    refusal: ClassVar[type[ValueError]] = SettingsError
    """What is raised where it cannot be."""
    is_private: ClassVar[bool] = False
    """Whether its values are a patient's, which no message repeats."""

    if not TYPE_CHECKING:  # the fields are the arguments, for mypy

        def __init__(self, /, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise self._refused(error) from None  # the cause holds the values

        # So that a model inside of another is validated as ever, with its place.
        __init__.__pydantic_base_init__ = True

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                raise self._refused(error) from None

    @classmethod
    def _refused(cls, error: ValidationError) -> ValueError:
        return cls.refusal(said(error, is_private=cls.is_private))


def said(
    error: ValidationError,
    *,
    whole: str = "",
    tags: Collection[str] = (),
    is_private: bool = False,
) -> str:
    """Return what is wrong in one sentence: the field, and what it should be.

    Parameters
    ----------
    error : ValidationError
        Of several faults the first is told.
    whole : str
        What the whole is called, where the fault lies in no single field of it.
    tags : collection of str
        Names of alternatives, which are no part of a field's name.
    is_private : bool
        Whether to leave out the values, as those of a patient: messages end in logs.

    Returns
    -------
    str
        Such as ``"batch cannot be 0: it must be at least 1"``. Values that are no text
        or number are named by their kind, and long ones are cut.

    Examples
    --------
    >>> from napari_dmoe.inference.running.settings import InferenceSettings
    >>> try:
    ...     InferenceSettings.model_validate({"batch": 0})
    ... except ValidationError as error:
    ...     print(said(error))
    batch cannot be 0: it must be at least 1
    """
    faults = error.errors(include_url=False)
    first = faults[0]
    place, members = first["loc"], _members(faults)
    place = place[:-1] if members else place
    rule = f"must be {members}" if members else _rule(first)
    name = ".".join(_shown(str(part)) for part in place if part not in tags) or whole
    if rule is None:
        return ": ".join(filter(None, (name, _fault(first))))
    if is_private:
        return f"{name}: {rule}"
    return f"{name or 'this'} cannot be {_value(first['input'])}: it {rule}"


def said_by_place(
    error: ValidationError, *, tags: Collection[str] = ()
) -> dict[tuple[str, ...], str]:
    """Return what is wrong at each place, for a form that shows it beside its fields.

    Parameters
    ----------
    error : ValidationError
        Of several faults of one place the first is told.
    tags : collection of str
        Names of alternatives, which are no part of a place.

    Returns
    -------
    dict of tuple of str to str
        Names and numbers on the way to a field, as text; sentences without its name.
    """
    told: dict[tuple[str, ...], str] = {}
    for fault in error.errors(include_url=False):
        place = tuple(str(part) for part in fault["loc"] if part not in tags)
        rule = _rule(fault)
        sentence = _fault(fault) if rule is None else f"{_value(fault['input'])} {rule}"
        told.setdefault(place, sentence)
    return told


def _members(faults: Sequence[ErrorDetails]) -> str:
    """Return the kinds that a value might have had, where it had none of several."""
    place = faults[0]["loc"][:-1]
    same = [fault["loc"][-1:] for fault in faults if fault["loc"][:-1] == place]
    kinds = [_MEMBERS.get("".join(map(str, last)), "") for last in same]
    return " or ".join(kinds) if len(kinds) > 1 and all(kinds) else ""


def _fault(fault: ErrorDetails) -> str:
    """Say what is wrong, where it is not the value of a field that breaks a rule."""
    if fault["type"] == "missing":
        return "is missing"
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return "there is no such field"
    if fault["type"] in ("frozen_instance", "frozen_field"):
        return "it cannot be changed once it is made: make another"
    if fault["type"] == "json_invalid":
        return "is no JSON"
    refused = fault.get("ctx", {}).get("error", "cannot be understood")
    # A validator of ours says why; what it stumbles over may repeat the value.
    is_hidden = isinstance(refused, Exception) and not is_on_purpose(refused)
    return _one_line(str("cannot be understood" if is_hidden else refused))


def _rule(fault: ErrorDetails) -> str | None:
    """Say what a value must be; None where that is not the fault."""
    if fault["type"] in _BOUNDS:
        return _bound(fault["type"], fault.get("ctx", {}))
    for name, kind in _KINDS.items():
        if fault["type"].startswith(name):
            return f"must be {kind}"
    return None


def _bound(kind: str, context: Mapping[str, Any]) -> str:
    words, key = _BOUNDS[kind]
    n = context[key]
    text = words.format(f"{n:g}" if isinstance(n, float) else n)
    for many, one in (("entries", "entry"), ("characters", "character")):
        text = text.replace(many, one) if n == 1 else text
    return text


def _value(value: object) -> str:
    """Name a value; the numbers and texts of people and files may be of any length."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
        return "a number of so many digits"
    if isinstance(value, int | float):
        return f"{value}"
    if isinstance(value, str):
        return f"'{_shown(value)}'"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple | set):
        return f"a list of {len(value)}"
    return f"a {type(value).__name__}"


def _shown(text: str) -> str:
    return printable(text, LONGEST_VALUE)


def _one_line(text: str) -> str:
    return " ".join(text.split())
