"""Options that several commands share, and what they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from napari_dmoe.cli.outcome import clear_errors
from napari_dmoe.validation import said

if TYPE_CHECKING:
    from napari_dmoe.patient import Patient

BundledOrFile = Annotated[
    str, typer.Argument(metavar="CKPT", help="A checkpoint file or bundled name.")
]
Checkpoint = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        "-c",
        help="A .pth, .pt or .safetensors file, or a bundled name: skin-isic2017.",
    ),
]
CheckpointOrHint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        "-c",
        help="A .pth, .pt or .safetensors file, or a bundled name: skin-isic2017. It "
        "has to be given; left out, it is told which bundled model is for photographs.",
    ),
]
"""The same for commands that look at what they are to be run on."""

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
OutputOrFile = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write into; or the mask of one volume, NAME.ome.zarr or "
        "NAME.tif, which is then written as it comes, and never in memory.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Also replace files that are not this image's results."
    ),
]
Cohort = Annotated[
    Path, typer.Argument(help="A table of images, or the folder that it is in.")
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

Column = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=MEANING",
        help="What a column of the table means: image, labels, id, subject, an "
        "attribute, or nothing for not used: --column dx=severity --column notes=",
    ),
]

Command = Callable[..., None]


def _patient(
    *,
    sex: Annotated[
        list[str] | None, typer.Option("--sex", help="female, male, or unknown.")
    ] = None,
    race: Annotated[
        list[str] | None, typer.Option("--race", help="As the card names it.")
    ] = None,
    age: Annotated[
        list[str] | None,
        typer.Option("--age", help="63, '63 y', '18 months', or a band: '85+'."),
    ] = None,
    severity: Annotated[
        list[str] | None, typer.Option("--severity", help="As the card names it.")
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
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject",
            metavar="COLUMN",
            help="Column of whom or what an image is of, which is never split; one "
            "called subject, patient or lesion_id is found by itself.",
        ),
    ] = None,
    column: Column = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="TEXT", help="What the images are, for the model's card."
        ),
    ] = None,
) -> None:
    """Hold the options that every training has, beside its settings."""


def patient_of(
    stated: dict[str, Any],
    further: Sequence[str] | None,
    *,
    option: str = "--attribute",
) -> Patient:
    """Return the patient that the options describe; what is left out is unknown.

    Parameters
    ----------
    stated : dict
        What each option of a patient was given, in order; None where it was not.
    further : sequence of str, optional
        Further attributes as NAME=VALUE.
    option : str
        The option that gave those, for messages.

    Raises
    ------
    ValueError
        When an attribute is not written as NAME=VALUE, a value cannot be read, or one
        attribute is given two values that are not the same.
    """
    from napari_dmoe.patient import Patient, attribute_called, one_value

    given = [
        (name, f"--{name}", value)
        for name, values in stated.items()
        for value in ([values] if isinstance(values, str) else values or ())
    ]
    for text in further or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{option} needs NAME=VALUE, such as body_site=back")
        given.append((name.strip(), f"{name.strip()}=...", value))
    by_name: dict[str, list[tuple[str, str, str]]] = {}
    for each in given:
        by_name.setdefault(attribute_called(each[0]), []).append(each)
    for name, ((_, first, value), *others) in by_name.items():
        for _, again, other in others:
            if not one_value(name, value, other):
                both = f"{first} and {again}"
                raise ValueError(
                    f"{both} contradict each other: say once what the patient's "
                    f"{name.replace('_', ' ')} is"
                )
    values = {name: each[0][2] for name, each in by_name.items()}
    return Patient.from_values(values)


def checkpoint_of(stated: str | None, images: Callable[[], Iterable[Path]]) -> str:
    """Return the checkpoint that was named.

    Parameters
    ----------
    stated : str, optional
        What was given.
    images : callable
        Returns the files that it is for; called where nothing was given.

    Raises
    ------
    ValueError
        When none was named. It says which bundled model was trained on such pictures.
    """
    if stated is not None:
        return stated
    from napari_dmoe.inference.running.suited import suited_to_files
    from napari_dmoe.models.checkpoint import bundled_names

    needed = "no model was named: give one by --checkpoint"
    suited = suited_to_files([*images()])
    if suited:
        raise ValueError(f"{needed}, such as {suited}, trained on pictures like these")
    raise ValueError(f"{needed}, a file or {', '.join(bundled_names())}")


def columns_of(
    stated: Sequence[str] | None, option: str = "--column"
) -> dict[str, str]:
    """Return what columns mean, of options such as ``dx=severity``.

    Raises
    ------
    ValueError
        When one is not written so, or one column is given two meanings.
    """
    found: dict[str, str] = {}
    for text in stated or ():
        name, equals, meaning = (part.strip() for part in text.rpartition("="))
        if not equals or not name:
            raise ValueError(
                f"{option} needs NAME=MEANING, such as dx=severity or mask_file=labels"
            )
        if found.setdefault(name, meaning) != meaning:
            raise ValueError(f"{option} gives {name} two meanings: say one")
    return found


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


def _reading(field: FieldInfo) -> Callable[[Any], Any] | None:
    """Return what reads an option of a field, and says what is wrong in our words.

    None for text and switches. ``none`` stands for no value, where there may be none.
    Bounds are looked at by the settings themselves.
    """
    kinds = get_args(field.annotation) or (field.annotation,)
    may_be_none = NoneType in kinds
    is_choice = get_origin(field.annotation) is Literal
    plain = {int, float, str} if may_be_none else {int, float}
    if not is_choice and not plain & set(kinds):
        return None
    kind: Any = field.annotation
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def read(text: Any) -> Any:
        if may_be_none and str(text).strip().lower() == "none":
            return _NONE
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise typer.BadParameter(said(error)) from None

    name = kinds[0].__name__ if not is_choice else "|".join(map(str, kinds))
    read.__name__ = name
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
    return option.replace(default=None, annotation=Annotated[kind | None, how])


def _options(model: type[BaseModel]) -> Iterator[Parameter]:
    for name, field in model.model_fields.items():
        if name == "schema_version":
            continue
        flag = f"--{name.replace('_', '-')}"
        if field.annotation is bool:
            flag = f"{flag}/--no-{flag.removeprefix('--')}"
        option = typer.Option(flag, help=_help(field), parser=_reading(field))
        yield Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[field.annotation, option],
        )


def _help(field: FieldInfo) -> str:
    text = field.description or field.title or ""
    return f"{text[:1].upper()}{text[1:]}."
