"""Options that several commands share, and the patient that they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from napari_dmoe.inference.results.export import FileFormat
    from napari_dmoe.patient import Patient

Checkpoint = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        "-c",
        help="A .pth, .pt or .safetensors file, or a bundled name: skin-phantom.",
    ),
]
Card = Annotated[
    str | None,
    typer.Option(
        "--card",
        help="Card of a checkpoint that has none: a name such as fairseg-race, or a "
        "JSON file.",
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder to write into.", file_okay=False)
]
Sex = Annotated[str | None, typer.Option("--sex", help="female, male, or unknown.")]
Race = Annotated[str | None, typer.Option("--race", help="As the card names it.")]
Age = Annotated[str | None, typer.Option("--age", help="63, '63 y' or '18 months'.")]
Severity = Annotated[
    str | None, typer.Option("--severity", help="As the card names it.")
]
Further = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute", metavar="NAME=VALUE", help="Any further attribute of the card."
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format", help="tiff, nifti, or auto: nifti for 3D models, else tiff."
    ),
]


def patient_of(
    *,
    sex: str | None,
    race: str | None,
    age: str | None,
    severity: str | None,
    further: list[str] | None,
) -> Patient:
    """Return the patient that the options describe; what is left out is unknown.

    Raises
    ------
    ValueError
        When an attribute is not written as NAME=VALUE, or a value cannot be read.
    """
    from napari_dmoe.patient import Patient

    values: dict[str, str | None] = {
        "sex": sex,
        "race": race,
        "age": age,
        "severity": severity,
    }
    for text in further or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError("--attribute needs NAME=VALUE, such as body_site=back")
        values[name.strip()] = value
    return Patient.from_values(values)


def chosen_format(name: str) -> FileFormat:
    """Return a file format by its name.

    Raises
    ------
    ValueError
        When there is no such format.
    """
    if name not in ("auto", "tiff", "nifti"):
        raise ValueError(f"there is no format {name!r}: use auto, tiff or nifti")
    return cast("FileFormat", name)


def with_settings(
    model: type[BaseModel],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option for each field of a settings model.

    Parameters
    ----------
    model : type of BaseModel
        The settings. Names, types, defaults, help and bounds come from its fields.

    Returns
    -------
    callable
        Decorator for a command that takes the settings as its argument `settings`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options = list(_options(model))

        @wraps(command)
        def run(**arguments: Any) -> None:
            values = {option.name: arguments.pop(option.name) for option in options}
            command(**arguments, settings=model(**values))

        return _with_options(run, command, options, instead_of="settings")

    return decorate


def with_changes(
    model: type[BaseModel],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field of a settings model, without defaults.

    Parameters
    ----------
    model : type of BaseModel
        The settings, for which files and presets may have other defaults.

    Returns
    -------
    callable
        Decorator for a command that takes, as its argument `changes`, a dict of the
        fields that were given.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options = [_left_open(option) for option in _options(model)]

        @wraps(command)
        def run(**arguments: Any) -> None:
            values = {option.name: arguments.pop(option.name) for option in options}
            given = {name: v for name, v in values.items() if v is not None}
            command(**arguments, changes=given)

        return _with_options(run, command, options, instead_of="changes")

    return decorate


def _with_options(
    run: Callable[..., None],
    command: Callable[..., None],
    options: list[Parameter],
    *,
    instead_of: str,
) -> Callable[..., None]:
    """Let a function look like a command that has options instead of an argument."""
    own = signature(command, eval_str=True).parameters.values()
    parameters = [each for each in own if each.name != instead_of] + options
    run.__signature__ = signature(command).replace(  # type: ignore[attr-defined]
        parameters=parameters
    )
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _left_open(option: Parameter) -> Parameter:
    kind, how = option.annotation.__origin__, option.annotation.__metadata__[0]
    # What is no plain value, such as an augmentation, is given by its name.
    models = [part for part in get_args(kind) if isinstance(part, type)]
    if any(issubclass(part, BaseModel) for part in models):
        kind = str
    return option.replace(default=None, annotation=Annotated[kind | None, how])


def _options(model: type[BaseModel]) -> Iterator[Parameter]:
    for name, field in model.model_fields.items():
        if name == "schema_version":
            continue
        flag = f"--{name.replace('_', '-')}"
        if field.annotation is bool:
            flag = f"{flag}/--no-{flag.removeprefix('--')}"
        option = typer.Option(flag, help=_help(field), **_bounds(field))
        yield Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[field.annotation, option],
        )


def _help(field: FieldInfo) -> str:
    text = field.description or field.title or ""
    return f"{text[:1].upper()}{text[1:]}."


def _bounds(field: FieldInfo) -> dict[str, Any]:
    ends = {"ge": "min", "le": "max"}
    return {
        option: getattr(bound, name)
        for bound in field.metadata
        for name, option in ends.items()
        if hasattr(bound, name)
    }
