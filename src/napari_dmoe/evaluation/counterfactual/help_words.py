"""Whether the right value helps, and whom, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_dmoe.evaluation.counterfactual.audited import SweptDriver
from napari_dmoe.evaluation.counterfactual.helping import GroupHelp, Helped
from napari_dmoe.inference.what_if.verdict_words import listed, percent


def sentences(found: Sequence[GroupHelp], driver: SweptDriver) -> list[str]:
    """Say whether the right value of a driver helps, and whom, region by region.

    Parameters
    ----------
    found : sequence of GroupHelp
        As :func:`~napari_dmoe.evaluation.counterfactual.helping.helps` returns them.
    driver : SweptDriver
        The driver.
    """
    said = []
    for whole in found:
        if whole.attribute != driver.name or whole.grouping:
            continue
        said += _of_everybody(whole, driver)
        own = [
            e for e in found if (e.attribute, e.region) == (driver.name, whole.region)
        ]
        for grouping in dict.fromkeys(e.grouping for e in own if e.grouping):
            groups = [each for each in own if each.grouping == grouping]
            said += _by_group(groups, grouping, driver)
    return said


def _of_everybody(found: GroupHelp, driver: SweptDriver) -> list[str]:
    what = driver.label.lower()
    cases = f"{found.n:,} case{'s' * (found.n != 1)}"
    if found.is_small:
        return [
            f"Whether the right {what} helps the {found.region} cannot be told: only "
            f"{cases} have a truth and a known {what}."
        ]
    mixture, others = found.compared
    begin = {
        "helps": f"The right {what} helps the {found.region}",
        "hurts": f"The right {what} makes the {found.region} worse",
    }.get(mixture.says, f"No difference is shown for the {found.region}")
    first = (
        f"{begin}: Dice {found.own:.3f} with the right {what}, {found.mixture:.3f} "
        f"with the unknown mixture ({_change(mixture)}; {cases})."
    )
    second = f"{_wrong(others, what)} ({found.others:.3f}; {_change(others)})."
    third = (
        f"The right {what} is the best of {len(found.by_value)} in "
        f"{percent(found.own_is_best)} of the cases, "
        f"{percent(1 / len(found.by_value))} by chance; the best of every case, chosen "
        f"with the truth in hand, would reach {found.best:.3f}."
    )
    return [first, second, third]


def _wrong(others: Helped, what: str) -> str:
    return {
        "helps": f"A wrong {what} costs Dice",
        "hurts": f"A wrong {what} does better than the right one",
    }.get(others.says, f"That a wrong {what} costs anything is not shown")


def _by_group(
    groups: Sequence[GroupHelp], grouping: str, driver: SweptDriver
) -> list[str]:
    """Say whom the right value helps; of the driver's own groups, against both."""
    region, what = groups[0].region, grouping.replace("_", " ")
    begin = f"The right {driver.label.lower()} and the {region}, by {what}"
    mixture = _whom([(each.group, each.compared[0]) for each in groups])
    if grouping != driver.name:
        return [f"{begin}: {mixture}."] if mixture else []
    others = _whom([(each.group, each.compared[1]) for each in groups])
    pairs = (mixture, "the unknown mixture"), (others, "the other values")
    return [f"{begin}, against {which}: {said}." for said, which in pairs if said]


def _whom(compared: Sequence[tuple[str, Helped]]) -> str:
    """Say which groups are helped, and which not; empty where none can be told."""
    by_word: dict[str, list[str]] = {}
    for group, helped in compared:
        is_told = helped.says in ("helps", "hurts")
        name = f"{group} ({helped.mean:+.3f})" if is_told else group
        by_word.setdefault(helped.says, []).append(name)
    if set(by_word) <= {"untold"}:
        return ""
    words = {
        "helps": "it helps {}",
        "hurts": "it hurts {}",
        "no difference shown": "no difference is shown for {}",
        "untold": "too few cases to tell for {}",
    }
    parts = [t.format(listed(by_word[w])) for w, t in words.items() if w in by_word]
    return "; ".join(parts)


def _change(helped: Helped) -> str:
    low, high = helped.interval
    said = f"{helped.mean:+.3f}"
    if not math.isnan(low):
        said += f", 95 % interval {low:+.3f} to {high:+.3f}"
    if math.isnan(helped.p_holm):
        return said
    p = "p < 0.001" if helped.p_holm < 0.001 else f"p = {helped.p_holm:.3f}"
    return f"{said}, {p} by Holm"
