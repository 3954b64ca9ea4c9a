"""The fields of a card that a person fills in, and how they are written. Knows no Qt.

Labels, help and choices of the preprocessing are those of its own model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from napari_dmoe.attributes import ATTRIBUTES

Kind = Literal["text", "lines", "numbers", "number", "side", "choice", "tick"]

ORIENTATIONS = ("SPL", "RAS", "LPS", "SAR", "SAL", "SPR", "LAS", "RPS")
"""Those that are offered; any other can be written."""


@dataclass(frozen=True)
class Field:
    """One field: where it stands in the card, and how it is filled in."""

    key: str
    """Names on the way to it, joined by points."""
    label: str
    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    """What is offered; of texts other ones can be written, too."""
    is_free: bool = False
    """Whether a choice can be written."""
    if_blank: str = ""
    """What holds where nothing is written."""


WHAT_IT_IS = (
    Field("title", "Title", "text", "What a person reads: what the model segments."),
    Field("name", "Name", "text", "A short key, for records and tables."),
    Field(
        "modality",
        "Images",
        "text",
        "What kind of image it expects, in words, such as contrast-enhanced CT.",
        if_blank="not stated",
    ),
)

CLASSES = Field(
    "classes",
    "Classes",
    "lines",
    "One a line in the order of the network's outputs, background first.",
)

DRIVER = (
    Field(
        "name",
        "Attribute",
        "choice",
        "What of the patient decides: one of these, or an attribute of your own.",
        tuple(ATTRIBUTES),
        is_free=True,
    ),
    Field(
        "values",
        "Values",
        "lines",
        "One a line in router order: the first uses router 0.",
    ),
    Field(
        "edges",
        "Edges",
        "numbers",
        "Of a number such as an age: where one value ends and the next begins, such as "
        "40, 60 for three values. Blank for names.",
        if_blank="none: values are names",
    ),
    Field(
        "unit",
        "Unit",
        "choice",
        "Of the edges.",
        ("", "years", "months"),
        is_free=True,
    ),
    Field(
        "n_routers",
        "Routers",
        "number",
        "How many the weights hold of it, where these are more than the values.",
        if_blank="one for each value",
    ),
    Field(
        "frequencies",
        "Shares",
        "numbers",
        "Share of each value among the training cases: an unknown patient is a mixture "
        "by them. Blank: not stated, all alike.",
        if_blank="not stated: all alike",
    ),
)
"""Fields of one attribute; their keys follow ``attributes.0.`` and so on."""

_PLANES = ("fit", "crop", "side", "resize", "standardise", "keep", "fill")
_VOLUMES = (
    *("orientation", "spacing", "window", "percentiles", "standardise"),
    "patch",
)
_GROUND = ("crop", "measured", "above", "margin")


def of_preprocessing(dims: int) -> tuple[Field, ...]:
    """Return the fields of how planes or volumes become a network's input."""
    # Torch takes seconds, and the dock shows before it is there.
    from napari_dmoe.imaging.foreground import Foreground
    from napari_dmoe.imaging.preprocessing import Preprocessing
    from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing

    at = "preprocessing"
    if dims == 2:
        return tuple(_field(Preprocessing, at, name) for name in _PLANES)
    ground = (_field(Foreground, f"{at}.foreground", name) for name in _GROUND)
    return (*(_field(VolumePreprocessing, at, name) for name in _VOLUMES), *ground)


def _field(model: type[BaseModel], at: str, name: str) -> Field:
    own = model.model_fields[name]
    said, annotation = own.description or "", own.annotation
    kind: Kind = "numbers"
    choices: tuple[str, ...] = ()
    if annotation is bool:
        kind = "tick"
    elif name == "crop":
        kind = "side"
    elif name == "orientation":
        kind, choices = "choice", ORIENTATIONS
    elif get_origin(annotation) is Literal:
        kind, choices = "choice", get_args(annotation)
    elif annotation in (int, float):
        kind = "number"
    label = _LABELS.get((model.__name__, name)) or own.title or name
    help_ = said[:1].upper() + said[1:] + "."
    free = name == "orientation"
    blank = _IF_BLANK.get(name, "")
    key = f"{at}.{name}"
    return Field(key, label, kind, help_, choices, is_free=free, if_blank=blank)


_IF_BLANK = {
    "spacing": "as the image has it",
    "window": "its own percentiles",
    "percentiles": "0.5, 99.5",
    "patch": "96, 96, 96",
    "above": "0",
    "margin": "0",
}


_LABELS: Mapping[tuple[str, str], str] = {
    ("Preprocessing", "fill"): "Fill holes",
    ("Preprocessing", "side"): "Input side in pixels",
    ("VolumePreprocessing", "spacing"): "Spacing in mm (z, y, x)",
    ("VolumePreprocessing", "window"): "Window, such as Hounsfield units",
    ("VolumePreprocessing", "patch"): "Patch in voxels (z, y, x)",
    ("Foreground", "crop"): "Crop to foreground",
    ("Foreground", "measured"): "Measure foreground alone",
    ("Foreground", "above"): "Foreground above",
    ("Foreground", "margin"): "Margin of the crop",
}


def all_fields(dims: int, n_drivers: int) -> dict[str, Field]:
    """Return every field of a card by its key, in the order in which they stand."""
    drivers = {
        f"attributes.{i}.{field.key}": field
        for i in range(n_drivers)
        for field in DRIVER
    }
    fixed = (*WHAT_IT_IS, CLASSES, *of_preprocessing(dims))
    return {**drivers, **{field.key: field for field in fixed}}


def texts_of(card: Mapping[str, Any], dims: int) -> dict[str, str]:
    """Return what a card states as it stands in the fields; ticks are "yes" or empty.

    Parameters
    ----------
    card : mapping
        The card as JSON holds it.
    dims : {2, 3}
        Axes of its images.
    """
    fields = all_fields(dims, len(card["attributes"]))
    return {key: _text(_at(card, key), fields[key].kind) for key in fields}


def _at(card: Any, key: str) -> Any:
    for part in key.split("."):
        if card is None:
            return None
        card = card[int(part)] if part.isdigit() else card.get(part)
    return card


def _text(value: Any, kind: Kind) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if kind == "lines":
        return "\n".join(value)
    if kind == "numbers":
        return ", ".join(map(_digits, value))
    return _digits(value) if isinstance(value, float) else str(value)


def _digits(number: float) -> str:
    """Write a number with all of its digits, and none that it does not need."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))
