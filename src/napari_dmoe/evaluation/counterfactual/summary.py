"""What an audit tells together: numbers for ``audit.json``, and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from napari_dmoe.evaluation.counterfactual import dependence, help_words
from napari_dmoe.evaluation.counterfactual.atlas import Atlas, DivergenceRow
from napari_dmoe.evaluation.counterfactual.audited import (
    AuditedCase,
    AuditFacts,
    SweptDriver,
)
from napari_dmoe.evaluation.counterfactual.dependence import known
from napari_dmoe.evaluation.counterfactual.helping import GroupHelp, helps
from napari_dmoe.evaluation.groups.groupings import Grouping, groupings
from napari_dmoe.evaluation.groups.membership import SMALL_GROUP
from napari_dmoe.inference.results.provenance import RESEARCH_ONLY
from napari_dmoe.inference.what_if.sweep_result import BEHAVIOUR

SCHEMA_VERSION = 1

_T = TypeVar("_T", dependence.GroupDependence, GroupHelp)


def parted(
    cases: Sequence[AuditedCase],
    facts: AuditFacts,
    by: Mapping[str, Sequence[float] | None] | None = None,
) -> tuple[Grouping, ...]:
    """Return how the cases of an audit are parted.

    Parameters
    ----------
    cases : sequence of AuditedCase
        The cases.
    facts : AuditFacts
        Their attributes' values and bands are those of the card.
    by : mapping of str to sequence of float or None, optional
        What to group by, and the edges of the bands of a number; by default whatever
        the cohort records. The drivers that were swept always part the cases, too.

    Raises
    ------
    MetricError
        For an attribute that no case states, and for bands that do not rise.
    """
    whom = [case.whom for case in cases]
    names = None
    if by is not None:
        stated = [
            driver.name
            for driver in facts.drivers
            if any(each.patient.value(driver.name) is not None for each in whom)
        ]
        names = list(dict.fromkeys([*stated, *by]))
    return groupings(
        whom,
        attributes=facts.attributes,
        bands={name: edges for name, edges in (by or {}).items() if edges},
        by=names,
    )


def summarised(
    cases: Sequence[AuditedCase],
    facts: AuditFacts,
    parts: Sequence[Grouping],
    atlas: Atlas,
) -> dict[str, Any]:
    """Return everything that ``audit.json`` tells beside the facts.

    Parameters
    ----------
    cases : sequence of AuditedCase
        All cases, those that failed among them.
    facts : AuditFacts
        How they were audited.
    parts : sequence of Grouping
        As :func:`parted` returns them.
    atlas : Atlas
        Their routing.

    Returns
    -------
    dict
        ``sentences``, ``told``, ``dependence``, ``help``, ``groupings``,
        ``divergence``.
    """
    depends = dependence.dependences(cases, facts.drivers, facts.regions, parts)
    helped = helps(cases, facts.drivers, facts.regions, parts)
    said: list[str] = []
    for driver in facts.drivers:
        said += dependence.sentences(depends, driver)
        said += _of_truth(cases, driver)
        said += help_words.sentences(helped, driver)
        said += _of_routing(atlas, driver, facts.unit)
    return {
        "sentences": [*said, BEHAVIOUR, RESEARCH_ONLY],
        "told": [
            {
                "attribute": driver.name,
                "label": driver.label,
                "region": region,
                "sentences": [
                    *dependence.sentences(_of_region(depends, region), driver),
                    *_of_truth(cases, driver),
                    *help_words.sentences(_of_region(helped, region), driver),
                ],
            }
            for driver in facts.drivers
            for region in facts.regions
        ],
        "dependence": [each.facts() for each in depends],
        "help": [each.facts() for each in helped],
        "groupings": [_grouping(each) for each in parts],
        "divergence": [_divergence(each) for each in atlas.divergence],
    }


def _of_region(found: Sequence[_T], region: str) -> list[_T]:
    return [each for each in found if each.region == region]


def _of_truth(cases: Sequence[AuditedCase], driver: SweptDriver) -> list[str]:
    """Say what is missing for telling whether the right value helps."""
    with_truth = [case for case in cases if case.has_truth and case.sweeps]
    what = driver.label.lower()
    if not with_truth:
        return [f"Whether the right {what} helps takes a truth, and no case has one."]
    own = [s.own for c in with_truth if (s := c.sweep(driver.name)) is not None]
    n_unknown = sum(each is None for each in own)
    n_untrained = sum(each in driver.untrained for each in own if each is not None)
    said = []
    if n_unknown:
        said.append(
            f"{n_unknown:,} of {len(own):,} cases with a truth have no known {what}, "
            "and no right value."
        )
    if n_untrained:
        said.append(
            f"{n_untrained:,} of {len(own):,} cases with a truth have a {what} that no "
            "training case had: they do not count."
        )
    return said


def _of_routing(atlas: Atlas, driver: SweptDriver, unit: str) -> list[str]:
    """Say where values, and groups, are routed most differently."""
    own = [row for row in atlas.divergence if row.attribute == driver.name]
    said = []
    values = [row for row in own if not row.grouping]
    if values:
        most = max(values, key=lambda row: row.divergence)
        said.append(
            f"{driver.label}: the same images are routed most differently in {unit} "
            f"{most.block}, for {most.first} and {most.second} "
            f"({most.divergence:.2f} of 1 bit)."
        )
    for grouping in dict.fromkeys(row.grouping for row in own if row.grouping):
        rows = [row for row in own if row.grouping == grouping and min(row.n) > 1]
        if rows:
            # Few cases differ by chance, so that larger groups come first.
            most = max(rows, key=lambda r: (min(r.n) >= SMALL_GROUP, r.divergence))
            said.append(
                f"{driver.label}, groups by {grouping.replace('_', ' ')}: loads differ "
                f"most in {unit} {most.block}, between {most.first} (n = {most.n[0]}) "
                f"and {most.second} (n = {most.n[1]}): {most.divergence:.3f} of 1 bit, "
                f"and {most.same_values:.3f} where both have the same "
                f"{driver.label.lower()}."
            )
    return said


def _grouping(each: Grouping) -> dict[str, Any]:
    return {
        "name": each.name,
        "groups": [
            {"value": value, "n": sum(own == value for own in each.of_case)}
            for value in each.values
        ],
        "n_unknown": each.n_unknown,
        "notices": list(each.notices),
    }


def _divergence(row: DivergenceRow) -> dict[str, Any]:
    return {
        "attribute": row.attribute,
        "grouping": row.grouping,
        "first": row.first,
        "second": row.second,
        "n": list(row.n),
        "block": row.block,
        "bits": known(row.divergence),
        "same_values": known(row.same_values),
    }
