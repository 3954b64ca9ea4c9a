"""How often a guard says what is true of a tuning, from simulated scores, as JSON.

Run it with ``python benchmarks/guard_verdicts.py``: a minute on one core. A guard has
40 women and some men. Nothing changes but that the men's Dice may truly fall by 0.05,
with noise from case to case, or by much for a few of them. Counted is the share of the
guards of which each verdict is said.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.models.card import CardAttribute
from napari_dmoe.training.guarding.changes import changes
from napari_dmoe.training.guarding.report import TuningReport
from napari_dmoe.training.guarding.scores import CaseScore

SEX = CardAttribute(name="sex", values=("female", "male"))
WOMEN, LOSS = 40, 0.05

Rises = Callable[[np.random.Generator, int], NDArray[np.float64]]


def noisy(mean: float, sd: float) -> Rises:
    """Return changes about a mean."""
    return lambda rng, n: rng.normal(mean, sd, n)


def rare(share: float) -> Rises:
    """Return changes of which a share carries all of the loss, and others are small."""

    def drawn(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        lost = np.where(rng.random(n) < share, LOSS / share, 0)
        return rng.normal(0, 0.005, n) - lost

    return drawn


SCENARIOS: Mapping[str, tuple[Rises, Rises]] = {
    "no change at all": (noisy(0, 0), noisy(0, 0)),
    **{
        f"no change, noise {sd:g}": (noisy(0, sd), noisy(0, sd))
        for sd in (0.005, 0.01, 0.02, 0.05)
    },
    **{
        f"men lose 0.05, noise {sd:g}": (noisy(0, sd), noisy(-LOSS, sd))
        for sd in (0.005, 0.02, 0.05, 0.1, 0.2)
    },
    **{
        f"{share:.0%} of the men lose {LOSS / share:g}": (noisy(0, 0.005), rare(share))
        for share in (0.5, 0.2, 0.1, 0.05)
    },
}


def verdict(rng: np.random.Generator, women: Rises, men: Rises, n_men: int) -> str:
    """Return what one simulated guard says."""
    rises = np.concatenate([women(rng, WOMEN), men(rng, n_men)])
    before = rng.normal(0.8, 0.08, len(rises))
    scores = [
        [
            CaseScore(
                str(i), (f"sex={SEX.values[int(i >= WOMEN)]}",), {"cup": float(dice)}
            )
            for i, dice in enumerate(values)
        ]
        for values in (before, before + rises)
    ]
    return TuningReport(cases=(), guard=changes(*scores, [SEX])).verdict


def main() -> None:
    """Print how often each verdict is said, by scenario and number of men."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guards", type=int, default=200, help="simulated of each")
    parser.add_argument("--men", type=int, nargs="+", default=[10, 20, 40])
    chosen = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, (women, men) in SCENARIOS.items():
        for n_men in chosen.men:
            rng = np.random.default_rng(n_men)
            said = Counter(
                verdict(rng, women, men, n_men) for _ in range(chosen.guards)
            )
            shares = {k: round(n / chosen.guards, 3) for k, n in sorted(said.items())}
            found.setdefault(name, {})[f"{n_men} men"] = shares
    json.dump({"guards": chosen.guards, "women": WOMEN, "said": found}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
