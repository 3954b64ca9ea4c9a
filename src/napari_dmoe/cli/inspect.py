"""``napari-dmoe inspect``: what a checkpoint or a table is; nothing is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from napari_dmoe.cli.options import Card, Column
from napari_dmoe.cli.outcome import BAD_INPUT, clear_errors
from napari_dmoe.cli.overview import inspect_table, is_table
from napari_dmoe.cli.printing import say, say_json

if TYPE_CHECKING:
    from napari_dmoe.models.architectures import Config
    from napari_dmoe.models.card import CardAttribute, ModelCard
    from napari_dmoe.models.checkpoint import LoadedModel

NOT_STATED = "not stated"


def inspect(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CKPT|COHORT",
            help="A checkpoint file or bundled name; or a cohort: a table of images, "
            "a list of names, or the folder that it is in.",
        ),
    ],
    card: Card = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", "-c", help="Of a table: the model that it is meant for."
        ),
    ] = None,
    column: Column = None,
    list_file: Annotated[
        str | None,
        typer.Option(
            "--list",
            help="Of a cohort in a published layout: its list of names, as test.txt, "
            "or the table of its split, as test.csv.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON.")
    ] = False,
) -> None:
    """Show what a checkpoint is, or what a table is read as; nothing is written.

    Of a checkpoint: architecture, attributes, classes, licences and hash. Of a table:
    what each column means, how many images and truths there are, and what is missing.
    Of a cohort in a published layout: which one, what is known, and what is wrong.
    """
    with clear_errors():
        from napari_dmoe.models.checkpoint import load_checkpoint

        if is_table(source):
            is_readable = inspect_table(
                source,
                checkpoint,
                card,
                column,
                list_file=list_file,
                as_json=as_json,
            )
            if not is_readable:
                raise typer.Exit(BAD_INPUT)
            return
        if checkpoint is not None or column:
            raise ValueError("--checkpoint and --column are for tables alone")
        if list_file is not None:
            raise ValueError("--list is for cohorts in a published layout")
        loaded = load_checkpoint(source, card)
        if as_json:
            say_json(loaded.facts())
            return
        for name, value in _facts(loaded):
            say(f"{name:<14}{value}")


def _facts(loaded: LoadedModel) -> Iterator[tuple[str, str]]:
    card, config = loaded.card, loaded.config
    facts = loaded.facts()
    yield "model", f"{card.title} ({card.name})"
    yield "file", f"{loaded.source}, {loaded.n_bytes / 1e6:.2f} MB"
    yield "SHA-256", loaded.sha256
    n, size = loaded.n_parameters / 1e6, " x ".join(map(str, loaded.input_size))
    shape = f"{n:.2f} M parameters, {_shape(config)}, input {size}"
    yield "architecture", f"{facts['architecture_title']}: {shape}"
    yield "fit", loaded.preprocessing.words
    if made := loaded.preprocessing.mask_words:
        yield "mask", made
    routing = "none (the network has no MoE)"
    if config.n_routers:
        best = f"the best {config.top_k} of {config.n_experts} experts"
        routing = f"{config.n_routers} routers, {best}"
    yield "routing", routing
    for attribute in card.attributes:
        yield "driven by", _attribute(attribute, card)
    if not card.attributes:
        yield "driven by", "nothing"
    yield "classes", ", ".join(f"{i} {name}" for i, name in enumerate(card.classes))
    yield "images", card.modality or NOT_STATED
    yield "trained on", card.training.data or NOT_STATED
    yield "Dice", card.training.dice_in_words or NOT_STATED
    if card.training.note:
        yield "note", card.training.note
    if card.training.class_spans:
        yield "sizes", _sizes(card)
    if card.training.guard:
        yield "groups", card.training.guard
    yield "weights", f"licence: {card.weights_licence or NOT_STATED}"
    yield "data", f"licence: {card.data_licence or NOT_STATED}"
    yield "use", card.intended_use or NOT_STATED
    yield "citation", card.citation or NOT_STATED
    for notice in filter(None, (card.notice, *loaded.notices, *_untrained(card))):
        yield "notice", notice


def _sizes(card: ModelCard) -> str:
    """Say how large each class is in the training cases that show it."""
    spans = card.training.class_spans or ()
    of_what = "volume" if card.dims == 3 else "picture"
    return ", ".join(
        f"{span.name} {span.ml_words or f'{span.share_words} of the {of_what}'} "
        f"(n = {span.n:,})"
        for span in spans
    )


def _shape(config: Config) -> str:
    """Say how large a network is, in the words of its kind."""
    from napari_dmoe.models.vit import ViTConfig

    if isinstance(config, ViTConfig):
        return f"{config.depth} blocks of width {config.width}"
    return f"{len(config.stage_widths)} stages of width {config.stage_widths}"


def _attribute(attribute: CardAttribute, card: ModelCard) -> str:
    """List the values, with the training cases of each where the card states them."""
    counts, untrained = card.counts(attribute.name), card.untrained(attribute.name)

    def known(value: str) -> str:
        if value in untrained:
            return " (never trained)"
        return f" (n = {counts[value]:,})" if value in counts else ""

    values = ", ".join(
        f"{i} {value}{known(value)}" for i, value in enumerate(attribute.values)
    )
    n_unknown = (card.training.n_unknown or {}).get(attribute.name)
    if n_unknown:
        values += f"; not known of {n_unknown:,}"
    unused = attribute.routers - len(attribute.values)
    return f"{attribute.label.lower()}: {values}" + (
        f" ({unused} routers unused)" if unused else ""
    )


def _untrained(card: ModelCard) -> Iterator[str]:
    """Say of which values nothing was trained, and what becomes of them if unknown."""
    for attribute in card.attributes:
        if values := card.untrained(attribute.name):
            yield (
                f"no training case of this model had {attribute.label.lower()} "
                f"{' or '.join(values)}: nothing trained the routers of such patients"
            )
