"""Cohorts of phantoms in which patient groups are rare, and the models compared.

Training cohorts are unbalanced as stated here; test cohorts hold every group as often.
What the attributes change is invented: it shows what a model makes of an attribute that
decides something, or nothing, and says nothing about people.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from napari_dmoe.cohorts.case import Case
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import ATTRIBUTES
from napari_dmoe.phantoms.fundus.cohort import fundus_race_case
from napari_dmoe.phantoms.pelvis.cohort import pelvis_case
from napari_dmoe.training.starting.modes import Mode
from napari_dmoe.training.starting.recipes import RECIPES, Recipe

Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Arm:
    """One model of a comparison: its mode, what drives it, how cases are drawn."""

    title: str
    mode: Mode
    drivers: tuple[str, ...] = ()
    sampling: str = "uniform"


@dataclass(frozen=True)
class Budget:
    """What every arm of a scenario gets alike; `side` shrinks phantoms for tests."""

    n_train: int
    epochs: int
    batch: int
    n_test_per_cell: int
    learning_rate: float
    side: int


@dataclass(frozen=True)
class Scenario:
    """A kind of phantom, the shares of its groups in training, and its arms.

    `views` are the tables: a region and the attributes that group its cases.
    """

    title: str
    draw: Callable[[int, int, int], Case]
    smallest: int
    recipe: Recipe
    shares: Shares
    arms: Mapping[str, Arm]
    views: tuple[tuple[str, tuple[str, ...]], ...]
    budget: Budget

    def attributes(self, drivers: tuple[str, ...]) -> tuple[CardAttribute, ...]:
        """Return attributes by name, each with its values in order."""
        return tuple(
            CardAttribute(
                name=name,
                values=tuple(self.shares.get(name) or ATTRIBUTES[name].values),
            )
            for name in drivers
        )


def cells(shares: Shares) -> dict[tuple[str, ...], float]:
    """Return the share of every combination of values; attributes are independent."""
    found = {}
    for values in itertools.product(*(group.items() for group in shares.values())):
        share = 1.0
        for _, part in values:
            share *= part
        found[tuple(name for name, _ in values)] = share
    return found


def quotas(shares: Shares, n: int) -> dict[tuple[str, ...], int]:
    """Return how many cases each combination gets; at least one, `n` in all."""
    wanted = {cell: share * n for cell, share in cells(shares).items()}
    found = {cell: max(1, int(count)) for cell, count in wanted.items()}
    by_rest = sorted(wanted, key=lambda cell: found[cell] - wanted[cell])
    for cell in itertools.islice(
        itertools.cycle(by_rest), max(0, n - sum(found.values()))
    ):
        found[cell] += 1
    return found


def balanced(shares: Shares) -> Shares:
    """Return the same groups, each as frequent as the others."""
    return {name: {v: 1 / len(g) for v in g} for name, g in shares.items()}


def draw_cohort(
    scenario: Scenario, shares: Shares, n: int, *, seed: int, side: int
) -> list[Case]:
    """Draw cases in order, and keep those of combinations that still miss some.

    Patients are drawn before their pictures, whatever the size, so that a small picture
    tells whom a large one would show.
    """
    left, cases, numbers = quotas(shares, n), [], itertools.count()
    while any(left.values()):
        number = next(numbers)
        patient = scenario.draw(seed, number, scenario.smallest).patient
        cell = tuple(str(patient.value(name)) for name in shares)
        if left[cell]:
            left[cell] -= 1
            cases.append(scenario.draw(seed, number, side))
    return cases


def _fundus(seed: int, number: int, side: int) -> Case:
    return fundus_race_case(seed, number, size=(side, side))


def _pelvis(seed: int, number: int, side: int) -> Case:
    return pelvis_case(seed, number, shape=(max(8, side * 3 // 8), side * 3 // 4, side))


def _small_fundus() -> Recipe:
    base = RECIPES["fundus-race-phantom"]
    config = base.config.model_copy(
        update={
            "grid": 4,
            "width": 64,
            "depth": 3,
            "n_heads": 1,
            "mlp_width": 128,
            "expert_width": 128,
            "decoder_entry": 48,
            "decoder_widths": (32, 16, 8, 8),
        }
    )
    prepared = base.card.preprocessing.model_copy(update={"side": 64})
    card = base.card.model_copy(update={"preprocessing": prepared, "n_heads": 1})
    return Recipe(base.architecture, config, card, base.settings)


def _small_pelvis() -> Recipe:
    base = RECIPES["pelvis-phantom"]
    prepared = base.card.preprocessing.model_copy(
        update={"spacing": (3.0, 4.5, 3.0), "patch": (32, 32, 64)}
    )
    card = base.card.model_copy(update={"preprocessing": prepared})
    return Recipe(base.architecture, base.config, card, base.settings)


FUNDUS_SHARES: Shares = {
    "race": {"Asian": 0.08, "Black": 0.32, "White": 0.60},
    "severity": {"healthy": 0.60, "suspect": 0.32, "glaucoma": 0.08},
}
FUNDUS_BUDGET = Budget(800, 16, 16, 16, 1e-3, 96)
FUNDUS_VIEWS = (
    ("cup", ("severity",)),
    ("disc", ("race",)),
    ("rim", ("severity",)),
    ("rim", ("race", "severity")),
)

ONE_ROUTER = Arm("single-router MoE", "single-router")
BALANCED = Arm("single-router MoE, groups drawn as often", "single-router", (), "group")
BY_SEVERITY = Arm("dMoE by severity", "dmoe", ("severity",))

SCENARIOS: Mapping[str, Scenario] = {
    "fundus": Scenario(
        title="Fundus: race decides the disc's border, severity the cup's",
        draw=_fundus,
        smallest=32,
        recipe=_small_fundus(),
        shares=FUNDUS_SHARES,
        arms={
            "single-router": ONE_ROUTER,
            "dmoe": BY_SEVERITY,
            "dmoe-two": Arm("dMoE by race and severity", "dmoe", ("race", "severity")),
            "dmoe-sex": Arm("dMoE by sex, which decides nothing", "dmoe", ("sex",)),
            "balanced": BALANCED,
        },
        views=FUNDUS_VIEWS,
        budget=FUNDUS_BUDGET,
    ),
    "pelvis": Scenario(
        title="Pelvis CT: the T stage decides the target's margin",
        draw=_pelvis,
        smallest=12,
        recipe=_small_pelvis(),
        shares={"severity": {"T1": 0.40, "T2": 0.34, "T3": 0.18, "T4": 0.08}},
        arms={
            "single-router": ONE_ROUTER,
            "dmoe": Arm("dMoE by T stage", "dmoe", ("severity",)),
            "balanced": BALANCED,
        },
        views=(("target", ("severity",)),),
        budget=Budget(120, 15, 2, 16, 2e-3, 64),
    ),
}
"""What is compared, by name."""
