"""One picture of the published claim: by how much dMoE differs, group by group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from claim_plan import ATTRIBUTES
from claim_words import BASELINE_TITLES, label

COLOURS: Mapping[str, str] = {
    "no-moe": "#999999",
    "single-router": "#56B4E9",
    "as-often": "#009E73",
    "another's": "#D55E00",
}
"""Okabe and Ito's, which people with any colour vision can tell apart."""

_APART = 0.18


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw a panel an attribute: dMoE minus each baseline with its 95 % interval."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    ratios = [len(attribute.values) + 1 for attribute in ATTRIBUTES.values()]
    figure, axes = plt.subplots(
        len(ATTRIBUTES),
        1,
        figsize=(8, 0.42 * sum(ratios) + 2),
        height_ratios=ratios,
        sharex=True,
    )
    for panel, name in zip(axes, ATTRIBUTES, strict=True):
        _panel(panel, found, name)
    axes[-1].set_xlabel("Dice of dMoE minus that of the other, with 95 % interval")
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="lower center", ncols=2, fontsize=8)
    figure.suptitle(
        f"HAM10000, {found['n_test']:,} test images, {found['n_done']} of "
        f"{found['n_asked']} trainings",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _panel(panel: Any, found: Mapping[str, Any], attribute: str) -> None:
    """Draw one attribute: all cases first, then its groups."""
    values = ATTRIBUTES[attribute].values
    rows = ["mean", *values]
    compared = found["exploratory"][attribute]
    arms = found["groups"][attribute]
    sizes = next(iter(arms.values()))["groups"] if arms else {}
    named = [f"{v} ({sizes[v]['n']})" if v in sizes else v for v in values]
    for place, (baseline, colour) in enumerate(COLOURS.items()):
        own = compared.get(baseline, {})
        shown = [(i, own[row]) for i, row in enumerate(rows) if row in own]
        if not shown:
            continue
        at = np.array([i for i, _ in shown]) + _APART * (place - 1.5)
        middle = np.array([each["value"] for _, each in shown])
        ends = np.array([each["interval"] for _, each in shown]).T
        panel.errorbar(
            middle,
            at,
            xerr=abs(ends - middle),
            fmt="o",
            markersize=3,
            color=colour,
            label=f"minus {BASELINE_TITLES[baseline]}",
        )
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set_yticks(range(len(rows)), ["all", *named], fontsize=8)
    panel.invert_yaxis()
    panel.set_title(f"dMoE by {label(attribute)}", fontsize=10)
    panel.grid(axis="x", alpha=0.3)
