"""An audit drawn on figures of matplotlib: the routing atlas, and who is helped.

Knows no Qt: reports and docks draw on figures of their own. Loads are told by light and
dark (viridis), groups by place and name, so that nobody needs to tell hues apart.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from napari_dmoe.evaluation.counterfactual.atlas import (
    AS_RUN,
    EVERYBODY,
    Atlas,
    DivergenceRow,
)
from napari_dmoe.evaluation.counterfactual.audited import AuditFacts, SweptDriver
from napari_dmoe.evaluation.counterfactual.dependence import SAID
from napari_dmoe.evaluation.groups.membership import SMALL_GROUP
from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.inference.pictures.colours import MARK_COLOUR, hex_of
from napari_dmoe.inference.results.provenance import RESEARCH_ONLY
from napari_dmoe.inference.what_if.sweep_result import BEHAVIOUR

DPI = 150
"""Of files."""

_SMALL, _TINY = 8, 7
_LOADS = "viridis"
_PANEL, _STRIP, _HEAD, _FOOT = 1.7, 2.2, 0.3, 0.45  # inches
_WIDTH = 10.0
_MOST_PANELS = 6
_MOST_LINES = 6
"""Pairs whose divergence is drawn: those that differ most."""
_STYLES = ("-", "--", "-.", ":")
_MARKERS = "osD^vPX*"
_SHADES = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
"""Black and colours of Okabe and Ito; lines differ in style and marker, too."""
_GREYS = {"matters": "#08306b", "alike": "#4292c6", "hardly": "#c6dbef", "none": "#eee"}


def save_atlas(path: Path, atlas: Atlas, facts: AuditFacts) -> None:
    """Write the routing atlas as a PNG.

    Raises
    ------
    OSError
        When it cannot be written; nothing is left half-written.
    """
    figure = draw_atlas(atlas, facts)
    with atomic_path(path) as partial:
        # No date and no version in it: the same audit gives the same bytes.
        figure.savefig(partial, format="png", dpi=DPI, metadata={"Software": None})


def draw_atlas(atlas: Atlas, facts: AuditFacts, attribute: str | None = None) -> Figure:
    """Draw the routing atlas of a cohort.

    Parameters
    ----------
    atlas : Atlas
        The atlas.
    facts : AuditFacts
        Of the same audit.
    attribute : str, optional
        Which driver; all of them below each other by default.

    Returns
    -------
    Figure
        For each driver a row of heat maps, (blocks, experts), one a value, all images
        routed by it; and below how much the routing of values and groups diverges,
        block by block. Draw on another figure by :func:`draw_loads` and
        :func:`draw_divergence`.
    """
    drivers = [d for d in facts.drivers if attribute in (None, d.name)]
    per_driver = _HEAD + _PANEL + _STRIP
    height = len(drivers) * per_driver + _FOOT
    figure = Figure(figsize=(_WIDTH, height), facecolor="white", layout="constrained")
    ratios = [ratio for _ in drivers for ratio in (_HEAD, _PANEL, _STRIP)] + [_FOOT]
    strips = figure.subfigures(len(ratios), 1, height_ratios=ratios, squeeze=False)
    for number, driver in enumerate(drivers):
        head, loads, lines = strips[3 * number : 3 * number + 3, 0]
        n = _n_of(atlas, driver.name)
        title = (
            f"{driver.label}: load of each expert, {n:,} images routed by each value"
        )
        head.text(0.01, 0.2, title, fontsize=_SMALL + 1, weight="bold")
        draw_loads(loads, atlas, facts, driver.name)
        draw_divergence(lines, atlas, facts, driver.name)
    said = textwrap.fill(f"{facts.title}. {BEHAVIOUR} {RESEARCH_ONLY}", 150)
    strips[-1, 0].text(0.01, 0.4, said, fontsize=_TINY)
    return figure


def draw_loads(
    figure: Any, atlas: Atlas, facts: AuditFacts, attribute: str, grouping: str = ""
) -> None:
    """Draw heat maps of the experts' loads side by side.

    Parameters
    ----------
    figure : Figure or SubFigure
        An empty one.
    atlas, facts
        As for :func:`draw_atlas`.
    attribute : str
        A driver.
    grouping : str
        Empty: one map a value, all images routed by it. Else one a group of this
        grouping, each image routed by its own value.
    """
    driver = facts.driver(attribute)
    panels = _panels(atlas, driver, grouping)[:_MOST_PANELS]
    axes = figure.subplots(1, max(len(panels), 1), sharey=True, squeeze=False)[0]
    for place, (own, (name, loads)) in enumerate(zip(axes, panels, strict=False)):
        shown = own.imshow(loads, cmap=_LOADS, vmin=0, vmax=1, aspect="auto")
        own.set_title(textwrap.shorten(name, 24, placeholder="..."), fontsize=_SMALL)
        own.set_xticks(range(loads.shape[1]))
        own.tick_params(labelsize=_TINY)
        own.set_xlabel("expert", fontsize=_TINY)
        if not place:
            own.set_ylabel(facts.unit, fontsize=_TINY)
    if panels:
        bar = figure.colorbar(shown, ax=list(axes), pad=0.01, aspect=12)
        bar.set_label("load", fontsize=_TINY)
        bar.ax.tick_params(labelsize=_TINY)


def draw_divergence(
    figure: Any, atlas: Atlas, facts: AuditFacts, attribute: str
) -> None:
    """Draw how much values, and groups, diverge in their routing, block by block.

    Parameters
    ----------
    figure : Figure or SubFigure
        An empty one. On its left pairs of values on the same images, on its right pairs
        of groups as they are run; the thin line of each is the same where both are
        routed by the same values: what their pictures, and other drivers, make.
    atlas, facts, attribute
        As for :func:`draw_loads`.
    """
    rows = [row for row in atlas.divergence if row.attribute == attribute]
    left, right = figure.subplots(1, 2)
    unit = facts.unit
    _lines(left, [row for row in rows if not row.grouping], unit)
    left.set_title("two values, the same images", fontsize=_SMALL)
    _lines(right, _most_apart(rows), unit)
    right.set_title("two groups as run (thin: by the same values)", fontsize=_SMALL)
    left.set_ylabel("divergence (bits)", fontsize=_TINY)


def _lines(axes: Axes, rows: Sequence[DivergenceRow], unit: str) -> None:
    pairs = _by_pair(rows)
    most = sorted(pairs, key=lambda pair: -max(r.divergence for r in pairs[pair]))
    for place, pair in enumerate(most[:_MOST_LINES]):
        own, (grouping, first, second) = pairs[pair], pair
        blocks = [row.block for row in own]
        look: dict[str, Any] = {
            "color": _SHADES[place % len(_SHADES)],
            "linestyle": _STYLES[place % len(_STYLES)],
        }
        name = f"{first} / {second}"
        label = f"{grouping}: {name}" if grouping else name
        axes.plot(
            blocks,
            [row.divergence for row in own],
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=3.5,
            linewidth=1.4,
            label=textwrap.shorten(label, 44, placeholder="..."),
            **look,
        )
        if not math.isnan(own[0].same_values):
            axes.plot(blocks, [r.same_values for r in own], linewidth=0.6, **look)
    axes.set_xlabel(unit, fontsize=_TINY)
    axes.tick_params(labelsize=_TINY)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    # Room for the names above the lines.
    axes.set_ylim(0, 1.5 * max((row.divergence for row in rows), default=0) or 1)
    if most:
        axes.legend(fontsize=_TINY - 1, frameon=False, loc="upper left", ncols=2)
    else:
        axes.text(0.5, 0.5, "nothing to compare", ha="center", fontsize=_SMALL)


def _by_pair(
    rows: Sequence[DivergenceRow],
) -> dict[tuple[str, str, str], list[DivergenceRow]]:
    pairs: dict[tuple[str, str, str], list[DivergenceRow]] = {}
    for row in rows:
        pairs.setdefault((row.grouping, row.first, row.second), []).append(row)
    return pairs


def _most_apart(rows: Sequence[DivergenceRow]) -> list[DivergenceRow]:
    """Return of each grouping the pair of groups that diverges most.

    Few cases differ by chance, so that larger groups come first.
    """
    best: dict[str, list[DivergenceRow]] = {}
    for (grouping, _, _), own in _by_pair(rows).items():
        if grouping and min(own[0].n) > 1:
            best[grouping] = max(best.get(grouping, own), own, key=_rank)
    return [row for own in best.values() for row in own]


def _rank(rows: Sequence[DivergenceRow]) -> tuple[bool, float]:
    is_large = min(rows[0].n) >= SMALL_GROUP
    return is_large, max(row.divergence for row in rows)


def draw_dependence(
    figure: Any, summary: Mapping[str, Any], attribute: str, region: str
) -> None:
    """Draw in what share of each group's cases the attribute matters, and how much.

    Parameters
    ----------
    figure : Figure or SubFigure
        An empty one, whose layout is ``constrained``: names of groups may be long.
    summary : mapping
        What ``audit.json`` tells, as
        :func:`~napari_dmoe.evaluation.counterfactual.audit_files.audit_summary` or
        ``Audited.summary`` has it.
    attribute, region : str
        A driver, and what was measured.
    """
    rows = _rows_of(summary["dependence"], attribute, region)
    axes = figure.subplots(1, 1)
    places, left = np.arange(len(rows)), np.zeros(len(rows))
    for word in SAID:
        shares = np.array([r["counts"][word] / max(r["n_counted"], 1) for r in rows])
        axes.barh(
            places,
            shares,
            left=left,
            color=_GREYS[word],
            edgecolor="#444",
            linewidth=0.5,
            height=0.7,
            label=word,
        )
        left += shares
    axes.set_yticks(places, [_row_name(row) for row in rows], fontsize=_TINY)
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_xlabel("share of the cases of which it can be told", fontsize=_TINY)
    axes.tick_params(labelsize=_TINY)
    axes.legend(
        ncols=4, fontsize=_TINY, frameon=False, loc="lower left", bbox_to_anchor=(0, 1)
    )


def draw_help(
    figure: Any, summary: Mapping[str, Any], attribute: str, region: str
) -> None:
    """Draw what the right value is worth in each group, with 95 % intervals.

    The arguments are those of :func:`draw_dependence`. Dots are the Dice with the own
    value minus that with the unknown mixture, squares minus that with the others;
    groups of few cases are hollow.
    """
    rows = _rows_of(summary["help"], attribute, region)
    axes = figure.subplots(1, 1)
    mark = hex_of(MARK_COLOUR)
    looks = (("mixture", "o", "#000000", -0.14), ("others", "s", mark, 0.14))
    words = {"mixture": "minus the unknown mixture", "others": "minus other values"}
    for against, marker, colour, offset in looks:
        for place, row in enumerate(rows):
            found = next(e for e in row["compared"] if e["against"] == against)
            if found["mean"] is None:
                continue
            ends = [found["low"], found["high"]]
            mean, y = found["mean"], place + offset
            if None not in ends:
                axes.plot(ends, [y, y], color=colour, linewidth=1.2)
            face = "white" if row["is_small"] else colour
            label = words[against] if not place else None
            axes.plot(
                [mean], [y], marker, color=colour, mfc=face, markersize=5, label=label
            )
    axes.axvline(0, color="#888", linewidth=0.8)
    axes.set_yticks(
        np.arange(len(rows)), [_row_name(row) for row in rows], fontsize=_TINY
    )
    axes.invert_yaxis()
    axes.set_xlabel("Dice with the own value ...", fontsize=_TINY)
    axes.tick_params(labelsize=_TINY)
    if rows:
        axes.legend(
            ncols=2,
            fontsize=_TINY,
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(0, 1),
        )


def _rows_of(
    found: Sequence[Mapping[str, Any]], attribute: str, region: str
) -> list[Mapping[str, Any]]:
    return [e for e in found if (e["attribute"], e["region"]) == (attribute, region)]


def _row_name(row: Mapping[str, Any]) -> str:
    name = f"{row['grouping']}: {row['group']}" if row["grouping"] else "all"
    n = row.get("n_counted", row["n"])
    return f"{textwrap.shorten(name, 30, placeholder='...')} (n = {n:,})"


def _panels(atlas: Atlas, driver: SweptDriver, grouping: str) -> list[tuple[str, Any]]:
    """Return names and loads (L, E) of the maps to draw."""
    if not grouping:
        found = [(v, atlas.load_matrix(driver.name, v)) for v in driver.trained]
        return [(name, loads) for name, loads in found if loads.size]
    own = [r for r in atlas.loads if (r.attribute, r.value) == (driver.name, AS_RUN)]
    groups = {row.group: row.n for row in own if row.grouping == grouping}
    return [
        (f"{g} (n = {n:,})", atlas.load_matrix(driver.name, AS_RUN, grouping, g))
        for g, n in groups.items()
    ]


def _n_of(atlas: Atlas, attribute: str) -> int:
    rows = (r for r in atlas.loads if (r.attribute, r.group) == (attribute, EVERYBODY))
    return next((row.n for row in rows), 0)
