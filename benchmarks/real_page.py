"""The tables of ``docs/real-images.md``, made of what ``real_images.py`` measured.

Only what stands between two marks is written, so that the words around it stay.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN = "<!-- figures of benchmarks/real_images.py begin here -->"
END = "<!-- and end here -->"
PAGE, FIGURES = "real-images.md", "real-images.json"

Row = Mapping[str, Any]


def write(docs: Path, found: Row) -> None:
    """Write the figures into the page, and beside it as JSON.

    Raises
    ------
    ValueError
        When the page is there and has no marks.
    """
    page = docs / PAGE
    empty = f"# Real images\n\n{BEGIN}\n{END}\n"
    text = page.read_text("utf-8") if page.is_file() else empty
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has no marks between which figures stand: {BEGIN}")
    docs.mkdir(parents=True, exist_ok=True)
    tables = "\n".join(lines_of(found))
    page.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}", "utf-8")
    text = json.dumps(in_json(found), indent=1, allow_nan=False)
    (docs / FIGURES).write_text(text + "\n", "utf-8")


def with_earlier(docs: Path, found: Row) -> Row:
    """Return new figures, and after them those that stand there of anything else.

    Figures of the same model, and of the same set where they are of one, are replaced.
    """
    path = docs / FIGURES
    if not path.is_file():
        return found
    there = _from_json(json.loads(path.read_text("utf-8")))
    kept = {}
    for part in _PARTS:
        new = {_of_what(row) for row in found[part]}
        old = [row for row in there[part] if _of_what(row) not in new]
        kept[part] = [*old, *found[part]]
    commands = [*there["commands"], *found["commands"]]
    return {**found, **kept, "commands": list(dict.fromkeys(commands))}


def _of_what(row: Row) -> tuple[str, str]:
    return row["model"], row.get("set") or row.get("of", "")


def _from_json(found: Any) -> Any:
    """Return figures of JSON: what is null there is not a number."""
    if isinstance(found, dict):
        return {name: _from_json(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_from_json(value) for value in found]
    return math.nan if found is None else found


def in_json(found: Any) -> Any:
    """Return figures as JSON has them: what is not a number is null."""
    if isinstance(found, Mapping):
        return {name: in_json(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [in_json(value) for value in found]
    return None if isinstance(found, float) and math.isnan(found) else found


def lines_of(found: Row) -> Iterator[str]:
    """Yield the page's lines: how it was made, and a table of each kind of figure."""
    yield ""
    commands = ", ".join(f"`{each}`" for each in found["commands"])
    yield f"Made by {commands}. All figures: [{FIGURES}]({FIGURES})."
    yield ""
    for name, lines in _PARTS.items():
        if found[name]:
            yield from lines(found[name])
            yield ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def _reached(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what was reached, what models were trained on, and groups."""
    yield "## Dice"
    yield ""
    yield (
        "With the patient's values as recorded, what is not known left unknown; 95 % "
        "intervals, images of one lesion drawn together. *Lost*: Dice below 0.5. "
        "*Unlike*: images with the notice that they are unlike those of the training."
    )
    yield ""
    head = ("set", "model", "region", "n", "mean", "median", "lost", "unlike")
    yield from _table(head, [(*_who(row), *_figures(row)) for row in rows])
    yield ""
    for line in dict.fromkeys(map(_terms, rows)):
        yield f"- {line}"
    for model, data in dict.fromkeys((r["model"], r["trained_on"]) for r in rows):
        if data:
            yield f"- {model} was trained on: {data}."
    if any(row["part"] for row in rows):
        yield (
            "- *Held out*: of the set that a model was trained on, the cases that its "
            "training never saw; they told which settings were kept."
        )
    yield from _groups(rows)


def _terms(row: Row) -> str:
    return f"{row['set']}: {row['source']}; {row['licence']}."


def _who(row: Row) -> tuple[str, str, str]:
    part = f" ({row['part']})" if row["part"] else ""
    return f"{row['set']}{part}", row["model"], row["region"]


def _figures(row: Row) -> tuple[str, ...]:
    unlike = _percent(row["unlike"])
    middle = f"{row['median']:.3f}", _percent(row["lost"])
    return f"{row['n']:,}", _with_interval(row), *middle, unlike


def _groups(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table of groups, where there are any; small ones are not shown."""
    cells = [
        (*_who(row), name, group["name"], f"{group['n']:,}", *_of_group(group))
        for row in rows
        for name, groups in row["groups"].items()
        for group in groups
        if group["n"] >= _FEWEST
    ]
    if not cells:
        return
    yield ""
    yield f"By group, of {_FEWEST} cases or more:"
    yield ""
    head = ("set", "model", "region", "by", "group", "n", "mean", "lost")
    yield from _table(head, cells)


_FEWEST = 5


def _of_group(group: Row) -> tuple[str, str]:
    return _with_interval(group), _percent(group["lost"])


def _sensitivity(rows: Sequence[Row]) -> Iterator[str]:
    yield "## What attributes change"
    yield ""
    yield (
        "Cases of whom the attribute is known, told the right value, a wrong one (that "
        "of another case at random, among those that differ) and none. *Loss*: of the "
        "mean Dice against the right value, with its paired 95 % interval. *Changed*: "
        "of the pixels that either mask gives the region, and of all of the image's."
    )
    yield ""
    head = ("set", "model", "region", "of", "n", "told", "Dice", "loss", "changed")
    cells = []
    for row in rows:
        first = (*_who(row), row["driver"], f"{row['n']:,}")
        cells.append((*first, "right", f"{row['right']:.3f}", "", ""))
        for told in ("wrong", "unknown"):
            own = row[told]
            loss = f"{own['loss']:+.3f} ({own['low']:+.3f} to {own['high']:+.3f})"
            changed = f"{_percent(own['of_mask'])}; {_percent(own['pixels'])}"
            cells.append((*first, told, f"{own['mean']:.3f}", loss, changed))
    yield from _table(head, cells)


def _others(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Pictures of something else"
    yield ""
    yield "How many of them get the notice that they are unlike those of the training."
    yield ""
    cells = [(r["model"], r["of"], f"{r['n']:,}", _percent(r["unlike"])) for r in rows]
    yield from _table(("model", "pictures", "n", "unlike"), cells)


def _first_mask(rows: Sequence[Row]) -> Iterator[str]:
    yield "## The first mask of a large photograph"
    yield ""
    yield (
        "From the import of the package to the mask, in a process of its own; both "
        "checkouts in turns, medians."
    )
    yield ""
    head = ("model", "megapixels", "CPUs", "now", "before", "ratio", "of CPU seconds")
    cells = []
    for row in rows:
        own, cpu = row["median_s"], row.get("cpu_ratio")
        before = f"{own['before']:.1f} s ({row['before']})" if "before" in own else "-"
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else "-"
        parts = f"{row['megapixels']:.0f}", f"{row['cpus']}", f"{own['now']:.1f} s"
        share = "-" if cpu is None else f"{cpu:.2f}"
        cells.append((row["model"], *parts, before, ratio, share))
    yield from _table(head, cells)


_PARTS: Mapping[str, Callable[[Sequence[Row]], Iterator[str]]] = {
    "figures": _reached,
    "sensitivity": _sensitivity,
    "others": _others,
    "first_mask": _first_mask,
}
"""What is measured, and what writes its table."""


def _with_interval(row: Row) -> str:
    if math.isnan(row["low"]):
        return f"{row['mean']:.3f}"
    return f"{row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"
