"""Which experts are muted or pinned, and what came of it, in rows and words.

Knows no Qt, and runs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_dmoe.inference.pictures.colours import (
    DIFFERENCE_COLOURS,
    class_colours,
    expert_colours,
)
from napari_dmoe.models.titles import unit_of
from napari_dmoe.viewer.layers.measuring import PixelSize, pixels_or_voxels
from napari_dmoe.viewer.layers.records import altered_words
from napari_dmoe.viewer.rows import Column, Line, TableRow

if TYPE_CHECKING:
    from napari_dmoe.inference.results.provenance import Provenance
    from napari_dmoe.inference.results.routing import RoutingMaps
    from napari_dmoe.inference.what_if.ablation import Ablation
    from napari_dmoe.models.checkpoint import LoadedModel

EFFECTS_HELP = (
    "Each expert left out alone, in the blocks that are chosen above. Point at a "
    "column's name to see what it is; a click sorts by it."
)

_ONE_CLASS = 2  # with the background

Loads = Mapping[int | None, Sequence[float]]
"""Share of the gates of each expert, by block; None = mean over all blocks."""


@dataclass(frozen=True)
class Intervention:
    """What is done to a model's experts, which are counted from 0, as are blocks."""

    mute: frozenset[int] = frozenset()
    """Experts that are left out."""
    pin: int | None = None
    """The expert that does everything alone."""
    block: int | None = None
    """Where; None = all blocks."""

    def problem(self, n_experts: int, unit: str = "block") -> str:
        """Say why it cannot be run; nothing where it can."""
        if not self.mute and self.pin is None:
            return "Nothing is muted or pinned: tick an expert first."
        if self.pin is not None and self.pin in self.mute:
            return f"Expert {self.pin} is both muted and pinned: choose one of them."
        if len(self.mute) >= n_experts:
            where = f"any {unit}" if self.block is None else f"{unit} {self.block}"
            return (
                f"All {n_experts} experts are muted, so no expert is left in {where}: "
                "untick at least one."
            )
        return ""

    @property
    def words(self) -> str:
        """What is done, in few words: ``expert 3 muted``."""
        pinned = [] if self.pin is None else [f"expert {self.pin} pinned"]
        return ", ".join([*(f"expert {e} muted" for e in sorted(self.mute)), *pinned])

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of :func:`napari_dmoe.ablate` for it."""
        return {
            "mute": [(self.block, expert) for expert in sorted(self.mute)],
            "pin": None if self.pin is None else {self.block: self.pin},
        }


@dataclass(frozen=True)
class ExpertsState:
    """What the section of experts offers."""

    why_not: str = ""
    """Why nothing can be run; empty where something can."""
    n_experts: int = 0
    n_blocks: int = 0
    unit: str = "block"
    """What the model's experts are in: a block or a stage."""
    loads: Loads | None = None
    """As :func:`loads_of` returns them; None before anything was segmented."""

    @property
    def model(self) -> tuple[int, int, str]:
        """What must be offered anew when it changes."""
        return self.n_experts, self.n_blocks, self.unit


def experts_state(
    loaded: LoadedModel | None, loads: Loads | None, why_not: str
) -> ExpertsState:
    """Return what can be done to a model's experts, unless nothing can be segmented."""
    if loaded is None or not loaded.config.n_routers:
        no_experts = "This model has no experts." if loaded is not None else why_not
        return ExpertsState(why_not=no_experts)
    config, unit = loaded.config, unit_of(loaded.architecture)
    return ExpertsState(why_not, config.n_experts, config.n_blocks, unit, loads)


def loads_of(routing: RoutingMaps) -> Loads:
    """Return each expert's share of the gates, by block; None = mean over them."""
    from napari_dmoe.inference.maps.measures import load_matrix

    loads = load_matrix(routing)
    whole: dict[int | None, list[float]] = {None: loads.mean(0).tolist()}
    return whole | {block: each.tolist() for block, each in enumerate(loads)}


def change_rows(ablation: Ablation, pixel: PixelSize) -> tuple[TableRow, ...]:
    """Return lines that compare the mask of an intervention with the plain one."""
    colours = class_colours(ablation.plain.classes)
    rows = []
    for number, each in enumerate(ablation.comparison.classes, start=1):
        dice = "in neither" if math.isnan(each.dice) else f"Dice {each.dice:.3f}"
        span = f"{pixel.text(each.n_first)} → {pixel.text(each.n_second)} {pixel.unit}"
        cells = {
            "class": each.name,
            "pixels unchanged": str(each.n_first),
            "pixels what-if": str(each.n_second),
            "Dice": "" if math.isnan(each.dice) else f"{each.dice:.6g}",
        }
        rows.append(TableRow(each.name, dice, span, colours[number], cells))
    return tuple(rows)


def change_summary(ablation: Ablation, difference: str) -> str:
    """Say in a sentence how much an intervention changes, and which layer shows it."""
    n = ablation.comparison.n_different
    if not n:
        return "The mask does not change by a single pixel."
    share = n / max(ablation.comparison.difference.size, 1)
    what = pixels_or_voxels(ablation.plain)
    return f"{n} {what} change ({share:.2%}); “{difference}” shows where."


def difference_words(record: Provenance) -> tuple[str, ...]:
    """Say what each label of the difference to the plain mask means."""
    altered = altered_words(record)
    return ("the same", "unchanged model only", f"{altered} only", "another class")


def difference_legend(record: Provenance) -> tuple[TableRow, ...]:
    """Return a line for each colour of the difference to the plain mask."""
    words = difference_words(record)[1:]
    if len(record.classes) == _ONE_CLASS:
        words = words[:-1]  # there is no other class
    pairs = zip(words, DIFFERENCE_COLOURS, strict=False)
    return tuple(TableRow(word, "", colour=colour) for word, colour in pairs)


def effect_lines(ablation: Ablation, pixel: PixelSize) -> list[Line]:
    """Return the effects of all experts, the largest first, with their colours.

    Their cells are those of :meth:`Ablation.rows`, and what :func:`effect_columns`
    shows.
    """
    colours = expert_colours(len(ablation.effects))
    lines = []
    for row in sorted(ablation.rows(), key=lambda row: -row["pixels that change"]):
        n = row["pixels that change"]
        shown = {
            "load (%)": 100 * row["load"],
            f"changes ({pixel.unit})": n if pixel.is_count else n * pixel.size,
        }
        lines.append(Line(row | shown, colour=colours[int(row["muted expert"])]))
    return lines


def effect_columns(ablation: Ablation, pixel: PixelSize) -> list[Column]:
    """Return the columns of the effects that fit into the dock, with short names."""
    changes = "Where the class is another one without it."
    columns = [
        Column("muted expert", "expert", "The expert that is left out."),
        Column("load (%)", "share\n%", "Its share of the gates, in percent."),
        Column(f"changes ({pixel.unit})", f"changes\n{pixel.unit}", changes),
    ]
    for size in ablation.effects[0].sizes if ablation.effects else ():
        name, unit = size.name, pixel.unit if size.unit == "px" else size.unit
        grows = f"By how much {name} grows (+) or shrinks (-) without it."
        dice = f"Dice of {name} to the unchanged mask."
        columns += [
            Column(f"{name} change ({size.unit})", f"{name}\n± {unit}", grows),
            Column(f"{name} Dice", f"{name}\nDice", dice),
        ]
    return columns


def effects_summary(ablation: Ablation) -> str:
    """Say in a sentence which expert matters most, and which do nothing."""
    effects = ablation.effects
    if not effects:
        return ""
    unit = ablation.plain.provenance.unit
    where = f"all {unit}s" if ablation.block is None else f"{unit} {ablation.block}"
    most = max(effects, key=lambda effect: effect.n_different)
    idle = [str(effect.expert) for effect in effects if not effect.n_different]
    if not most.n_different:
        return f"Leaving out any one expert in {where} changes no pixel."
    share = most.n_different / max(ablation.plain.labels.size, 1)
    text = (
        f"Left out in {where}, expert {most.expert} changes the most: "
        f"{most.n_different} {pixels_or_voxels(ablation.plain)} ({share:.2%})."
    )
    if idle:
        text += f" No pixel changes without expert {', '.join(idle)}."
    return text
