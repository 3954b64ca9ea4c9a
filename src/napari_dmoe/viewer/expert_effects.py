"""What every expert does, each muted alone, as a table. Knows no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_dmoe.inference.pictures.colours import expert_colours
from napari_dmoe.inference.results.routing import unit_of
from napari_dmoe.viewer.pixel_sizes import PIXELS, PixelSize, pixels_or_voxels
from napari_dmoe.viewer.rows import Column

if TYPE_CHECKING:
    from napari_dmoe.inference.what_if.ablation import Ablation

EFFECTS_HELP = (
    "Every expert muted alone, in the place that is chosen above. Point at a column's "
    "name to see what it is; a click sorts by it."
)


def effect_rows(ablation: Ablation, pixel: PixelSize = PIXELS) -> list[dict[str, Any]]:
    """Return the effects of all experts, the largest first, with their colours.

    Returns
    -------
    list of dict
        As :meth:`Ablation.rows`, with ``colour`` for the swatch, and what
        :func:`effect_columns` shows.
    """
    colours = expert_colours(len(ablation.effects))
    rows = []
    for row in ablation.rows():
        n = row["pixels that change"]
        shown = {
            "load (%)": 100 * row["load"],
            f"changes ({pixel.unit})": n if pixel.is_count else n * pixel.size,
        }
        rows.append(row | shown | {"colour": colours[int(row["muted expert"])]})
    return sorted(rows, key=lambda row: -row["pixels that change"])


def effect_columns(ablation: Ablation, pixel: PixelSize = PIXELS) -> list[Column]:
    """Return the columns of the effects that fit into the dock, with short names."""
    columns = [
        Column("muted expert", "expert", "The expert that is muted."),
        Column("load (%)", "load\n%", "Its share of the gates, in percent."),
        Column(
            f"changes ({pixel.unit})",
            f"flips\n{pixel.unit}",
            "Where the label is another one without it.",
        ),
    ]
    for size in ablation.effects[0].sizes if ablation.effects else ():
        unit = pixel.unit if size.unit == "px" else size.unit
        columns += [
            Column(
                f"{size.name} change ({size.unit})",
                f"{size.name}\n± {unit}",
                f"By how much {size.name} grows (+) or shrinks (-) without it.",
            ),
            Column(
                f"{size.name} Dice",
                f"{size.name}\nDice",
                f"Dice of {size.name} to the plain mask.",
            ),
        ]
    return columns


def effects_summary(ablation: Ablation) -> str:
    """Say in a sentence which expert matters most, and which do nothing."""
    effects = ablation.effects
    if not effects:
        return ""
    unit = unit_of(len(ablation.plain.grid.shape))
    where = f"all {unit}s" if ablation.block is None else f"{unit} {ablation.block}"
    most = max(effects, key=lambda effect: effect.n_different)
    idle = [str(effect.expert) for effect in effects if not effect.n_different]
    if not most.n_different:
        return f"No expert changes a pixel when it alone is muted in {where}."
    share = most.n_different / max(ablation.plain.labels.size, 1)
    text = (
        f"Muted alone in {where}, expert {most.expert} changes the most: "
        f"{most.n_different} {pixels_or_voxels(ablation.plain)} ({share:.2%})."
    )
    if idle:
        text += f" No pixel changes without expert {', '.join(idle)}."
    return text
