"""What a verdict says, in sentences: a headline, and what stands behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_dmoe.inference.what_if.verdict import StructureChange, Verdict, said

_MOST_TIMES = 100
_MOST_NAMES = 4


def headline(verdict: Verdict, titles: Sequence[str], pixel: str) -> str:
    """Say in one sentence whether what was swept matters here.

    Parameters
    ----------
    verdict : Verdict
        What was found.
    titles : sequence of str
        What was swept, for a person: one attribute or two.
    pixel : str
        ``"pixel"`` or ``"voxel"``.
    """
    what = " and ".join(title.lower() for title in titles)
    lead, n = verdict.lead, len(verdict.values)
    if verdict.says == "untold":
        only = verdict.values[0] if verdict.values else "no value"
        return f"Only {only} was ever trained: whether {what} matters cannot be told."
    if lead is None:
        return f"Nothing is found for any value of {what}: it cannot be told."
    if verdict.says == "none":
        values = "values" if len(titles) == 1 else "pairs"
        return f"All {n} {values} of {what} give the same mask: it does not matter."
    by = f"a shift by one {pixel}"
    if verdict.says == "unsure":
        share = percent(lead.yardstick)
        text = f"Whether {what} {_matter_of(titles)} cannot be told here: {by} alone "
        return f"{text}changes {share} of the {lead.name}.{_absent(verdict)}"
    change = "changes" if len(titles) == 1 else "change"
    it = "it" if len(titles) == 1 else "they"
    begin = f"{_capital(what)} {change} {percent(lead.share)} of the {lead.name}, "
    if verdict.says == "hardly":
        end = f"less than {by}: {it} hardly {_matter(it)} here"
    elif verdict.says == "alike":
        end = f"about as much as {by}: that does not show that {it} {_matter(it)}"
    else:
        end = f"{times(lead.times)} what {by} does: {it} {_matter(it)} here"
    return f"{begin}{end}.{_absent(verdict)}"


def details(verdict: Verdict, titles: Sequence[str], pixel: str) -> str:
    """Say between which values, by how much, and what it was held against."""
    lead = verdict.lead
    if lead is None or verdict.says in ("untold", "none"):
        return ""
    first, second = lead.between
    parts = [
        f"Most between {_quoted(first)} and {_quoted(second)}: Dice {lead.dice:.3f}."
    ]
    parts += [_other(each) for each in verdict.structures if each is not lead]
    parts += _alone(verdict, titles)
    parts.append(_yardstick(verdict, lead, pixel))
    if verdict.left_out:
        parts.append("Values never trained are left out of this.")
    return " ".join(filter(None, parts))


def percent(share: float) -> str:
    """Return a share in percent, with a decimal where it is small."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def times(ratio: float) -> str:
    """Say how many times something is."""
    if ratio >= _MOST_TIMES:
        return f"over {_MOST_TIMES} times"
    return f"{ratio:.1f} times" if ratio < 9.5 else f"{ratio:.0f} times"


def _matter_of(titles: Sequence[str]) -> str:
    return "matters" if len(titles) == 1 else "matter"


def _matter(it: str) -> str:
    return "matters" if it == "it" else "matter"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _quoted(name: str) -> str:
    return f"“{name}”" if ", " in name else name


def _absent(verdict: Verdict) -> str:
    """Name the values for which a class, or anything, is not found."""
    structures = [s for s in verdict.structures if not math.isnan(s.share)]
    empty = [v for v in verdict.values if all(v in s.absent for s in structures)]
    said_of = f" For {listed(empty)} nothing is found." if empty else ""
    for each in structures:
        without = [value for value in each.absent if value not in empty]
        if without:
            said_of += f" For {listed(without)} no {each.name} is found."
    return said_of


def listed(names: Sequence[str]) -> str:
    """List values, some of them where they are many."""
    shown = [_quoted(name) for name in names]
    if len(shown) > _MOST_NAMES:
        return f"{', '.join(shown[: _MOST_NAMES - 1])} and {len(shown) - 3} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _other(change: StructureChange) -> str:
    """Say how much of another class changes."""
    if math.isnan(change.share):
        return f"No value finds any {change.name}."
    if not change.share:
        return f"Of the {change.name} nothing changes."
    if change.is_unsure:
        return f"Of the {change.name} a shift changes {percent(change.yardstick)}."
    by = {
        "hardly": "less than a shift does",
        "alike": "about as much as a shift does",
    }.get(said(change.times), f"{times(change.times)} what a shift does")
    return f"Of the {change.name} {percent(change.share)}, {by}."


def _alone(verdict: Verdict, titles: Sequence[str]) -> list[str]:
    """Say what each of two attributes changes while the other stays."""
    parts = []
    for place, title in enumerate(titles if len(titles) == 2 else ()):
        found = [
            (each.by_attribute[place] / each.yardstick, each)
            for each in verdict.structures
            if each.by_attribute
            and not math.isnan(each.by_attribute[place])
            and each.yardstick > 0
        ]
        if found:
            ratio, most = max(found, key=lambda pair: pair[0])
            share = percent(most.by_attribute[place])
            parts.append(f"{title} alone: {share} of the {most.name}, {_word(ratio)}.")
    return parts


def _word(ratio: float) -> str:
    return {
        "none": "no change",
        "hardly": "which hardly matters",
        "alike": "about as much as a shift",
    }.get(said(ratio), "which matters")


def _yardstick(verdict: Verdict, lead: StructureChange, pixel: str) -> str:
    """Say what the change was held against."""
    found = verdict.yardstick
    place = verdict.structures.index(lead)
    shift = found.shift[place]
    if math.isnan(shift):
        return ""
    text = f"A shift by one {pixel} changes {percent(shift)} of the {lead.name}"
    if found.rerun:
        text += f", a run on the shifted image {percent(found.rerun[place])}"
    coarse = max(found.pixel)
    if coarse >= 1.05:
        text += f" (one {pixel} of the model is {coarse:.2g} of the image)"
    return f"{text}."
