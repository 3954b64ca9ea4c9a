"""Options that several commands share, and what they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from napari_dmoe.cli.outcome import clear_errors

if TYPE_CHECKING:
    from napari_dmoe.inference.results.export import FileFormat
    from napari_dmoe.patient import Patient

BundledOrFile = Annotated[
    str, typer.Argument(metavar="CKPT", help="A checkpoint file or bundled name.")
]
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
Format = Annotated[
    str,
    typer.Option(
        "--format", help="tiff, nifti, or auto: nifti for 3D models, else tiff."
    ),
]
Cohort = Annotated[
    Path, typer.Argument(help="Folder with cohort.csv, or such a table.")
]
ModelOutput = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write into; or the model's .safetensors file, beside which a "
        "folder ending in .training holds the rest.",
    ),
]

Command = Callable[..., None]


def _patient(
    *,
    sex: Annotated[
        str | None, typer.Option("--sex", help="female, male, or unknown.")
    ] = None,
    race: Annotated[
        str | None, typer.Option("--race", help="As the card names it.")
    ] = None,
    age: Annotated[
        str | None, typer.Option("--age", help="63, '63 y' or '18 months'.")
    ] = None,
    severity: Annotated[
        str | None, typer.Option("--severity", help="As the card names it.")
    ] = None,
) -> None:
    """Hold the options that describe a patient."""


def _training(
    *,
    mode: Annotated[
        str,
        typer.Option("--mode", help="dmoe, or a baseline: single-router or no-moe."),
    ] = "dmoe",
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="Settings to begin with: adamw, published."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="JSON file of settings; options given here go before it."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the output holds.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what the output holds.")
    ] = False,
) -> None:
    """Hold the options that every training has, beside its settings."""


def patient_of(stated: dict[str, Any], further: list[str] | None) -> Patient:
    """Return the patient that the options describe; what is left out is unknown.

    Raises
    ------
    ValueError
        When an attribute is not written as NAME=VALUE, or a value cannot be read.
    """
    from napari_dmoe.patient import Patient

    values = dict(stated)
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


def with_patient(command: Command) -> Command:
    """Give a command the patient's options, as a dict in its argument `stated`."""
    return _instead_of("stated", command, _parameters(_patient), dict)


def with_run(command: Command) -> Command:
    """Give a command the options of every training, as a dict in its argument `run`."""
    return _instead_of("run", command, _parameters(_training), dict)


def with_settings(model: type[BaseModel]) -> Callable[[Command], Command]:
    """Give a command one option for each field of a settings model.

    Names, types, defaults, help and bounds come from its fields; the command takes the
    settings as its argument `settings`.
    """

    def decorate(command: Command) -> Command:
        options = list(_options(model))
        return _instead_of("settings", command, options, lambda v: model(**v))

    return decorate


def with_changes(model: type[BaseModel]) -> Callable[[Command], Command]:
    """Give a command an option for each field of a settings model, without defaults.

    Files and presets may have other defaults. The command takes, as its argument
    `changes`, a dict of the fields that were given.
    """

    def decorate(command: Command) -> Command:
        options = [_left_open(option) for option in _options(model)]
        return _instead_of("changes", command, options, _given)

    return decorate


_NONE = object()
"""What an option holds that was given as ``none``, unlike one that was not given."""


def _given(values: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in values.items() if value is not None}
    return {name: None if v is _NONE else v for name, v in given.items()}


def _or_none(kind: type) -> Callable[[str], Any]:
    """Return what reads an option of a kind, or ``none``."""

    def read(text: str) -> Any:
        if text.strip().lower() == "none":
            return _NONE
        try:
            return kind(text)
        except ValueError:
            name = "whole number" if kind is int else "number"
            raise typer.BadParameter(f"{text!r} is no {name}, nor none") from None

    read.__name__ = {int: "int", float: "float"}.get(kind, "text")
    return read


def _parameters(function: Command) -> list[Parameter]:
    return list(signature(function, eval_str=True).parameters.values())


def _instead_of(
    name: str,
    command: Command,
    options: list[Parameter],
    made: Callable[[dict[str, Any]], Any],
) -> Command:
    """Return a command that has options where an argument, made of them, stood."""

    @wraps(command)
    def run(**arguments: Any) -> None:
        values = {option.name: arguments.pop(option.name) for option in options}
        with clear_errors():
            described = made(values)
        command(**arguments, **{name: described})

    parameters: list[Parameter] = []
    for own in _parameters(command):
        parameters += options if own.name == name else [own]
    changed = signature(command).replace(parameters=parameters)
    run.__signature__ = changed  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _left_open(option: Parameter) -> Parameter:
    kind, how = option.annotation.__origin__, option.annotation.__metadata__[0]
    # What is no plain value, such as an augmentation, is given by its name.
    models = [part for part in get_args(kind) if isinstance(part, type)]
    if any(issubclass(part, BaseModel) for part in models):
        kind = str
    elif NoneType in models:
        how = copy(how)
        how.parser = _or_none(models[0])
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
