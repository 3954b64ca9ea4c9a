"""How many masks a model's headline calls implausible, and how many of the failures.

Run it with ``python benchmarks/implausible.py MODEL [COHORT.csv ...]``: phantoms of the
model's kind that it never saw, and the images of tables with labels. A mask failed
where the Dice of its whole structure (disc, lesion, target) is below 0.3. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.inference.masks.headline import IMPLAUSIBLE, NOTHING, mask_headline
from napari_dmoe.inference.masks.pairs import dice
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.phantoms.kinds import KINDS

FAILED = 0.3
"""Dice below which a mask is of something else."""

Named = tuple[str, Case]


def phantoms(model: str, number: int, seed: int) -> Iterator[Named]:
    """Yield phantoms that the model never saw."""
    kind = model.removesuffix("-phantom")
    for i, case in enumerate(KINDS[kind].cohort(number, seed=seed)):
        yield f"{kind} {i}", case


def of_table(path: Path, every: int) -> Iterator[Named]:
    """Yield the cases of a table, or each of so many."""
    cohort = read_cohort(path)
    for place in range(0, len(cohort), every):
        case = cohort[place]
        yield case.id, case


def figures(loaded: LoadedModel, cases: Iterable[Named]) -> dict:
    """Return how many masks are called implausible, and of those that failed."""
    lines, scores = {}, {}
    for name, case in cases:
        result = segment(loaded, case.image, case.patient)
        lines[name] = mask_headline(result.labels, result.provenance, case.image)
        truth = np.zeros(0) if case.labels is None else np.asarray(case.labels.data)
        scores[name] = whole_dice(result.labels, truth)
    called = {name for name, line in lines.items() if line.startswith(IMPLAUSIBLE)}
    failed = {name for name, score in scores.items() if score < FAILED}
    good = set(lines) - failed
    return {
        "images": len(lines),
        "failed": len(failed),
        "failed and called so": len(failed & called),
        "others": len(good),
        "others called so": len(good & called),
        "Dice of these": sorted(round(scores[name], 2) for name in good & called),
        "nothing found": sum(line.startswith(NOTHING) for line in lines.values()),
        "said": {name: lines[name] for name in sorted(called)},
    }


def whole_dice(found: NDArray[np.uint8], truth: NDArray[np.integer]) -> float:
    """Return the Dice of all classes together; 1 where neither mask has any."""
    score = dice(found > 0, truth > 0)
    return 1.0 if np.isnan(score) else score


def measure(
    model: str, number: int, seed: int, tables: Iterable[Path] = (), every: int = 1
) -> dict:
    """Return a model's figures."""
    loaded = load_checkpoint(model)
    cases = phantoms(model, number, seed)
    found = {"phantoms": figures(loaded, cases)}
    for path in tables:
        found[path.parent.name] = figures(loaded, of_table(path, every))
    spans = loaded.card.training.class_spans or ()
    stated = [span.model_dump(mode="json", exclude_none=True) for span in spans]
    facts = {"model": model, "sha256": loaded.sha256, "seed": seed, "spans": stated}
    return {**facts, **found}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("tables", nargs="*", type=Path)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--every", type=int, default=1)
    asked = parser.parse_args()
    options = asked.number, asked.seed, asked.tables, asked.every
    found = measure(asked.model, *options)
    print(json.dumps(found, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
