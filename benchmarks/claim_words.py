"""The page of the published claim in words and tables, from its figures alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from claim_plan import ARMS, ATTRIBUTES

Summary = Mapping[str, Any]

BASELINE_TITLES: Mapping[str, str] = {
    "no-moe": "no MoE, wider",
    "single-router": "single-router MoE",
    "as-often": "single router, groups drawn as often",
    "another's": "itself, told another patient's value",
    "nothing": "itself, told nothing",
}
STATISTIC_TITLES: Mapping[str, str] = {
    "mean": "mean Dice",
    "worst": "worst group",
    "gap": "gap",
    "es_sum": "ES (sum)",
    "es_std": "ES (std)",
}


def label(attribute: str) -> str:
    """Return an attribute's name in a sentence."""
    return ATTRIBUTES[attribute].label.lower()


def first_line(found: Summary) -> str:
    """Say what was found, in the sentences that the page begins with."""
    n_done, n_asked = found["n_done"], found["n_asked"]
    if n_done < n_asked:
        return (
            f"**Not finished: {n_done} of {n_asked} trainings.** Nothing is judged "
            "before all of them are there, and no figure below is a result yet."
        )
    rows = found["named"]
    others = [row for row in rows if row["baseline"] != "another's"]
    swapped = [row for row in rows if row["baseline"] == "another's"]
    return f"{_against_others(others)} {_of_swaps(swapped)}"


def _against_others(rows: Sequence[Summary]) -> str:
    """Say in which of the named comparisons dMoE differs from who is told nothing."""
    higher, lower = (
        [_place(row) for row in rows if row["verdict"] == verdict]
        for verdict in ("higher", "lower")
    )
    who = "a small network that is told the patient's age, sex or site"
    others = "networks of its size that are told nothing"
    ends = [e for row in rows if row["statistic"] == "mean" for e in row["interval"]]
    reach = (
        f"In mean Dice the differences are between {min(ends):+.3f} and "
        f"{max(ends):+.3f}, intervals included."
    )
    if not higher and not lower:
        return (
            f"**On HAM10000 {who} is not found to segment lesions better or more "
            f"evenly than {others}: none of {len(rows)} comparisons, named before "
            f"looking, differs.** {reach}"
        )
    said = [
        f"{what} in {len(places)} ({'; '.join(places)})"
        for what, places in (("better", higher), ("worse", lower))
        if places
    ]
    n_same = len(rows) - len(higher) - len(lower)
    return (
        f"**On HAM10000, of {len(rows)} comparisons with {others}, named before "
        f"looking, {who} is {' and '.join(said)}; no difference was found in the "
        f"other {n_same}.** {reach}"
    )


def _place(row: Summary) -> str:
    return (
        f"{label(row['attribute'])} against {BASELINE_TITLES[row['baseline']]}, "
        f"{STATISTIC_TITLES[row['statistic']]} {row['value']:+.3f}"
    )


def _of_swaps(rows: Sequence[Summary]) -> str:
    """Say whether it matters whose value a network is told."""
    told = ", ".join(
        f"{-row['value']:+.4f} ({label(row['attribute'])})" for row in rows
    )
    helps, harms = (
        [label(row["attribute"]) for row in rows if row["verdict"] == verdict]
        for verdict in ("higher", "lower")
    )
    said = [
        f"the own {' and '.join(names)} {does}"
        for names, does in ((helps, "helps"), (harms, "harms"))
        if names
    ]
    matters = "; ".join(said) or "no difference was found"
    return (
        "Told another patient's value, the same network's mean Dice changes by "
        f"{told}: {matters}."
    )


def page_parts(found: Summary) -> dict[str, str]:
    """Return the parts of the page that are written, by the names of their marks."""
    return {
        "result": found["first_line"],
        "trainings": "\n".join(_trainings(found)),
        "comparisons": "\n".join(_named(found)),
        "groups": "\n".join(
            line for name in ATTRIBUTES for line in _groups(found, name)
        ),
    }


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _head(cells: Sequence[str]) -> list[str]:
    return [_line(cells), _line(["---"] * len(cells))]


def _trainings(found: Summary) -> Iterator[str]:
    yield (
        f"{found['n_training']:,} images to train on and {found['n_test']:,} of "
        f"{found['n_test_lesions']:,} other lesions to test on; {found['n_left_out']} "
        "images were left out, because their age, sex or site is not known to the "
        "published cards.\n"
    )
    yield from _head(["network", "trainings", "parameters", "mean Dice", "below 0.5"])
    for name, n in found["trainings"].items():
        own = found["arms"].get(name)
        cells = ["-"] * 3
        if own:
            each = own["dice_by_training"]
            cells = [
                f"{own['n_parameters']:,}",
                f"{sum(each) / n:.4f} ({min(each):.4f} to {max(each):.4f})",
                f"{own['below_half']:.1%}",
            ]
        yield _line([ARMS[name].title, str(n), *cells])


def _named(found: Summary) -> Iterator[str]:
    yield from _head(
        ["dMoE by", "against", "figure", "difference", "p", "p (Holm)", "verdict"]
    )
    for row in found["named"]:
        yield _line(
            [
                label(row["attribute"]),
                BASELINE_TITLES[row["baseline"]],
                STATISTIC_TITLES[row["statistic"]],
                _with_interval(row),
                _p(row["p"]),
                _p(row["p_holm"]),
                row["verdict"]
                if row["verdict"] not in ("higher", "lower")
                else f"**{'better' if row['verdict'] == 'higher' else 'worse'}**",
            ]
        )


def _with_interval(row: Summary) -> str:
    if row["value"] is None:
        return "-"
    low, high = row["interval"]
    return f"{row['value']:+.4f} [{low:+.4f}, {high:+.4f}]"


def _p(p: float | None) -> str:
    if p is None:
        return "-"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _groups(found: Summary, attribute: str) -> Iterator[str]:
    """Yield what is exploratory: every arm by group, and dMoE's other differences."""
    arms = found["groups"][attribute]
    yield f"### By {label(attribute)}\n"
    if not arms:
        yield "No training yet.\n"
        return
    first = next(iter(arms.values()))["groups"]
    sizes = [f"{name} ({own['n']})" for name, own in first.items()]
    yield from _head(["network", *STATISTIC_TITLES.values(), *sizes])
    for key, own in arms.items():
        name, _, told = key.partition(", ")
        title = ARMS[name].title + {
            "wrong": ", told another patient's",
            "nothing": ", told nothing",
        }.get(told, "")
        cells = [own[k] for k in STATISTIC_TITLES]
        cells += [own["groups"][name] for name in first]
        yield _line([title, *(f"{cell['value']:.3f}" for cell in cells)])
    yield ""
    compared = found["exploratory"][attribute]
    if compared:
        titles = [t for k, t in STATISTIC_TITLES.items() if k not in ("mean", "es_sum")]
        yield from _head(["dMoE minus (exploratory)", *titles])
        for baseline, own in compared.items():
            cells = [
                _with_interval(own[k])
                for k in STATISTIC_TITLES
                if k not in ("mean", "es_sum")
            ]
            yield _line([BASELINE_TITLES[baseline], *cells])
        yield ""
