"""The page of a report: one HTML file with all that it shows, and no script.

The template stands beside; everything in it is escaped by itself.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2

from napari_dmoe.evaluation.reporting.caveats import caveats
from napari_dmoe.evaluation.reporting.content import Composition, Content, ModelContent
from napari_dmoe.evaluation.reporting.exporting import RESEARCH_USE, headlines, in_words
from napari_dmoe.evaluation.reporting.figures import (
    DARK_COLOURS,
    MODEL_COLOURS,
    GroupMark,
    Series,
)
from napari_dmoe.evaluation.reporting.measured import ByAttribute, Estimate, Measured
from napari_dmoe.evaluation.reporting.methods import FORMULAS, methods
from napari_dmoe.evaluation.reporting.plot import Plot, plot_of
from napari_dmoe.evaluation.reporting.published_figures import CITATION, PublishedFigure
from napari_dmoe.evaluation.reporting.worst import PREDICTION_COLOUR, TRUTH_COLOUR
from napari_dmoe.evaluation.scoring.metrics import METRICS
from napari_dmoe.inference.pictures.colours import hex_of
from napari_dmoe.inference.results.provenance import versions

_TEMPLATES = "templates"
_PAGE = "report.html.j2"

_MOST_COLUMNS = 8
"""Groups that stand beside each other in a table; more stand below each other."""


@dataclass(frozen=True)
class Row:
    """One model in a table of models."""

    model: str
    score: Measured
    by: ByAttribute

    def cell(self, group: str) -> Any:
        """Return one group; None where the model has none of that name."""
        return next((c for c in self.by.cells if c.value == group), None)


@dataclass(frozen=True)
class Table:
    """One region by one attribute: a row a model, beside what was published."""

    region: str
    attribute: str
    score: str
    rows: tuple[Row, ...]
    groups: tuple[str, ...]
    published: tuple[PublishedFigure, ...]
    plot: Plot | None
    """The figure; None where nothing can be drawn."""

    @property
    def is_wide(self) -> bool:
        """Whether the groups have no room beside each other."""
        return len(self.groups) > _MOST_COLUMNS

    @property
    def alternative(self) -> str:
        """What the figure shows, in words."""
        said = [
            f"{row.model}, {c.value}: {in_words(c.mean)}, n {c.n}"
            for row in self.rows
            for c in row.by.cells
            if not c.is_hidden
        ]
        return f"{self.score} of the {self.region} by {self.attribute}. " + "; ".join(
            said
        )


@dataclass(frozen=True)
class Cohort:
    """How one cohort is made up, and which models were evaluated on it."""

    models: tuple[str, ...]
    n: int
    n_subjects: int
    statuses: tuple[tuple[str, int], ...]
    parts: tuple[Composition, ...]


def page_of(content: Content, *, title: str, date: str) -> str:
    """Return the page as HTML; the same each time but for its date."""
    page = _page()
    own = versions()
    return page.render(
        title=title,
        date=date,
        use=RESEARCH_USE,
        headlines=headlines(content),
        models=content.models,
        options=content.options,
        tables=tuple(_tables(content)),
        comparisons=content.comparisons,
        cohorts=_cohorts(content.models),
        methods=methods(
            content.evaluated,
            [model.groupings for model in content.models],
            content.options,
            content.comparisons,
        ),
        caveats=caveats(content),
        citation=CITATION,
        formulas=FORMULAS,
        metrics=METRICS,
        versions=own,
        colours=MODEL_COLOURS,
        dark_colours=DARK_COLOURS,
        truth_colour=hex_of(TRUTH_COLOUR),
        prediction_colour=hex_of(PREDICTION_COLOUR),
    )


@cache
def _page() -> jinja2.Template:
    """Return the template, read once: to compile it takes as long as all the rest."""
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FunctionLoader(_source),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=_number,
        ends=_ends,
        estimate=in_words,
        plain=_plain,
        base64=_base64,
        percentage=_percentage,
    )
    return environment.get_template(_PAGE)


def _source(name: str) -> str:
    folder = resources.files("napari_dmoe.evaluation.reporting") / _TEMPLATES
    return (folder / name).read_text("utf-8")


def _tables(content: Content) -> Iterator[Table]:
    """Yield one table for each region and attribute, of each region's first metric."""
    regions = dict.fromkeys(m.region for each in content.models for m in each.measured)
    for region in regions:
        shown: list[tuple[ModelContent, Measured]] = []
        for model in content.models:
            own = next((m for m in model.measured if m.region == region), None)
            if own is not None and (not shown or own.metric == shown[0][1].metric):
                shown.append((model, own))
        names = dict.fromkeys(by.attribute for _, own in shown for by in own.by)
        for place, attribute in enumerate(names or ("",)):
            yield _table(shown, attribute, is_first=place == 0)


def _table(
    shown: Sequence[tuple[ModelContent, Measured]], attribute: str, *, is_first: bool
) -> Table:
    score = shown[0][1]
    rows = [
        Row(model.name, own, by)
        for model, own in shown
        for by in own.by
        if by.attribute == attribute
    ]
    groups = dict.fromkeys(cell.value for row in rows for cell in row.by.cells)
    # By which attribute the figures were published, nobody says: they stand once.
    published = dict.fromkeys(
        figure
        for model, _ in shown
        for figure in model.published
        if is_first and score.metric == "dice" and figure.region == score.region
    )
    series = [_series(model, own, attribute) for model, own in shown]
    return Table(
        score.region,
        attribute,
        score.title,
        tuple(rows),
        tuple(groups),
        tuple(published),
        plot_of(series, score=f"{score.title}, {score.region}"),
    )


def _series(model: ModelContent, own: Measured, attribute: str) -> Series:
    by = next((by for by in own.by if by.attribute == attribute), None)
    marks = [
        GroupMark(
            cell.value,
            cell.n,
            *cell.mean,
            model.points.get((own.region, own.metric, attribute, cell.value), ()),
        )
        for cell in (by.cells if by else ())
        if not cell.is_hidden and cell.n
    ]
    return Series(model.name, tuple(marks), own.mean.value)


def _cohorts(models: Sequence[ModelContent]) -> tuple[Cohort, ...]:
    """Return each cohort once, with the models that were evaluated on it."""
    found: dict[Any, list[str]] = {}
    for model in models:
        key = model.n_cases, model.n_subjects, model.statuses, model.composition
        found.setdefault(key, []).append(model.name)
    return tuple(Cohort(tuple(names), *key) for key, names in found.items())


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _percentage(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _ends(estimate: Estimate) -> str:
    _, low, high = estimate
    return "" if math.isnan(low) or math.isnan(high) else f"{low:.3f}–{high:.3f}"


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(" x ", " × ")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
