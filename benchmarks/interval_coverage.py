"""How often intervals by group hold the truth, from simulated cohorts, as JSON.

Run it with ``python benchmarks/interval_coverage.py --cohorts 2000``: an hour on one
core; ``--cohorts 100`` is a look. Every cohort is drawn anew from known distributions,
and its intervals are those that ``summarise`` gives. A share of 0.93 to 0.97 is what an
interval of 95 % should have; ``outside`` lists where it has not, by more than the
simulation's own noise.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.groups.intervals import bootstrap
from napari_dmoe.evaluation.groups.table import statistics

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

MEAN, SPREAD = 0.8, 0.12
"""Of a group's Dice, about as models have them."""

LEAST, MOST = 0.93, 0.97
LOOKED_AT = ("mean", "group", "worst", "gap", "es_sum", "es_std")


def even(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Return scores of mean 0 and spread 1, as likely above as below."""
    return rng.normal(0, 1, n)


def skewed(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Return the same with a tail of bad cases, as Dice has: Beta(8, 2)."""
    return (rng.beta(8, 2, n) - 0.8) / math.sqrt(0.16 / 11)


def missing(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Return the same where 3 of 100 cases are missed altogether, with a Dice of 0."""
    share, mean, spread = 0.03, 0.825, 0.08
    whole = (1 - share) * mean
    drawn = np.where(rng.random(n) < share, 0.0, rng.normal(mean, spread, n))
    squares = (1 - share) * (mean**2 + spread**2)
    return np.asarray((drawn - whole) / math.sqrt(squares - whole**2))


KINDS: Mapping[str, Draw] = {"even": even, "skewed": skewed, "misses": missing}
SIZES = ((20, 20), (60, 60), (200, 200), (20,) * 3, (60,) * 3, (200,) * 3)
MORE_SIZES = ((20,) * 5, (200, 60, 20))

APART: Mapping[str, float] = {"equal": 0.0, "slightly apart": 1.0, "clearly apart": 4.0}
"""How far the last group lies below the others, in its standard errors."""


class Scenario(NamedTuple):
    """Cohorts that are drawn."""

    kind: str
    sizes: tuple[int, ...]
    apart: str
    per_subject: int = 1

    def means(self) -> NDArray[np.float64]:
        """Return the groups' true means."""
        means = np.full(len(self.sizes), MEAN)
        n = self.sizes[-1]
        means[-1] -= APART[self.apart] * SPREAD / math.sqrt(n / self._alike)
        return means

    @property
    def _alike(self) -> float:
        return (1 + self.per_subject) / 2

    def cohort(self, rng: np.random.Generator) -> tuple[Any, ...]:
        """Return one cohort's scores, groups and subjects."""
        values, groups, subjects = [], [], []
        draw = KINDS[self.kind]
        for group, (n, mean) in enumerate(zip(self.sizes, self.means(), strict=True)):
            whose = np.arange(n) // self.per_subject
            own = draw(rng, n)
            if self.per_subject > 1:  # half of what varies is the subject's
                shared = draw(rng, int(whose.max()) + 1)[whose]
                own = (own + shared) / math.sqrt(2)
            values.append(mean + SPREAD * own)
            groups += [str(group)] * n
            subjects += [(group, each) for each in whose.tolist()]
        return np.concatenate(values), groups, subjects


def scenarios() -> Iterator[Scenario]:
    """Yield what is simulated."""
    for kind in KINDS:
        for sizes in (*SIZES, *MORE_SIZES):
            yield from (Scenario(kind, sizes, apart) for apart in APART)
    for apart in APART:
        yield Scenario("skewed", (120, 120, 120), apart, per_subject=3)


def truth(scenario: Scenario) -> dict[str, float]:
    """Return what the intervals should hold."""
    means, sizes = scenario.means(), np.array(scenario.sizes)
    found = statistics(sizes @ means / sizes.sum(), means)
    return {name: float(value) for name, value in found.items()} | {
        "group": float(means[-1])
    }


def coverage(scenario: Scenario, n_cohorts: int, seed: int) -> dict[str, Any]:
    """Return how often each interval held the truth, and how wide it was."""
    rng, wanted = np.random.default_rng(seed), truth(scenario)
    held, width = dict.fromkeys(LOOKED_AT, 0), dict.fromkeys(LOOKED_AT, 0.0)
    last = str(len(scenario.sizes) - 1)
    for number in range(n_cohorts):
        values, groups, subjects = scenario.cohort(rng)
        found = bootstrap(values, groups, subjects=subjects, seed=number)
        own = {**found.statistics, "group": found.groups[last]}
        for name in LOOKED_AT:
            low, high = own[name]
            held[name] += low - 1e-12 <= wanted[name] <= high + 1e-12
            width[name] += (high - low) / n_cohorts
    return {
        **scenario._asdict(),
        "cohorts": n_cohorts,
        "covered": {name: round(n / n_cohorts, 4) for name, n in held.items()},
        "width": {name: round(w, 4) for name, w in width.items()},
    }


def outside(rows: list[dict[str, Any]]) -> list[str]:
    """Name what covers less or more often than it should, beyond noise."""
    found = []
    for row in rows:
        for name, share in row["covered"].items():
            noise = 1.96 * math.sqrt(0.05 * 0.95 / row["cohorts"])
            if not LEAST - noise <= share <= MOST + noise:
                found.append(
                    f"{name}: {share:.3f} of {row['kind']}, {row['sizes']}, "
                    f"{row['apart']}, {row['per_subject']} a subject"
                )
    return found


def main() -> None:
    """Print how often intervals cover."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--most", type=int, default=10_000, help="cases of a cohort")
    asked = parser.parse_args()
    begun, rows = time.monotonic(), []
    for number, scenario in enumerate(scenarios()):
        is_asked = asked.kind is None or scenario.kind in asked.kind
        if is_asked and sum(scenario.sizes) <= asked.most:
            rows.append(coverage(scenario, asked.cohorts, asked.seed + number))
            print(rows[-1], file=sys.stderr, flush=True)
    report = {"rows": rows, "outside": outside(rows), "level": 0.95}
    report["seconds"] = round(time.monotonic() - begun, 1)
    json.dump(report, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
