"""Time of a training step against one written by hand with the plain layer, as JSON.

Run it with ``python benchmarks/train_step.py`` on a quiet machine. Both sides train
networks of the bundled models' sizes, and the published 2D one, on the same batches in
one process, in turns; the ratio of medians is what counts, by the clock and in seconds
of the processor, and the first losses must agree. The hand-written step is the least
that a training needs: the plain dMoE layer, MONAI's loss, AdamW; no schedule, groups or
bookkeeping. Memory is the peak of a fresh process that takes a few steps of one side,
less what it had before the first, as Linux states it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn

from napari_dmoe.models.gating import Routing
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.progress import silent
from napari_dmoe.training.learning.losses import loss_named
from napari_dmoe.training.loop.preparing import prepare_run
from napari_dmoe.training.loop.run import Run
from napari_dmoe.training.loop.step import take_step
from napari_dmoe.training.starting.new_model import untrained
from napari_dmoe.training.starting.recipes import RECIPES, Recipe
from network2d import ratios
from plain import plain_gates, plain_mixture


class Trained(NamedTuple):
    """What is trained on what."""

    recipe: Recipe
    phantoms: str
    batch: int


def _published() -> Recipe:
    """Return the published 2D network, on three values of an attribute."""
    small, config = RECIPES["fundus-phantom"], ViTConfig()
    sized = small.card.preprocessing.model_copy(update={"side": config.side})
    card = small.card.model_copy(update={"preprocessing": sized})
    return replace(small, config=config, card=card)


MODELS = {
    "fundus-phantom": Trained(RECIPES["fundus-phantom"], "fundus", 16),
    "skin-isic2017": Trained(RECIPES["skin-isic2017"], "skin", 16),
    "pelvis-phantom": Trained(RECIPES["pelvis-phantom"], "pelvis", 4),
    "published 2D": Trained(_published(), "fundus", 4),
}


class PlainMoE(nn.Module):
    """The dMoE layer as its formulas read, with its own parameters and noise."""

    def __init__(self, layer: SparseMoE) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, x: Tensor, category: Tensor, *, noise: torch.Generator, **_: object
    ) -> tuple[Tensor, Routing]:
        """Route and mix tokens (B, T, C)."""
        epsilon = torch.randn(*x.shape[:2], self.layer.n_experts, generator=noise)
        gates = plain_gates(self.layer, x, category, epsilon=epsilon)
        return plain_mixture(self.layer, x, gates), Routing(gates, gates, gates)


def with_plain_layers(network: nn.Module) -> nn.Module:
    """Put plain layers in the place of the fast ones, in place."""
    if isinstance(getattr(network, "moe", None), SparseMoE):
        network.moe = PlainMoE(network.moe)
    for index, layer in enumerate(getattr(network, "moes", [])):
        network.moes[index] = PlainMoE(layer)
    return network


def hand_written(run: Run, learning_rate: float) -> Callable[[Tensor], float]:
    """Return a training step as one would write it in a script."""
    network = with_plain_layers(run.network).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    loss_of = DiceCELoss(
        to_onehot_y=True,
        softmax=True,
        squared_pred=True,
        lambda_ce=0.5,
        lambda_dice=0.5,
    )
    generator = torch.Generator().manual_seed(0)

    def step(chosen: Tensor) -> float:
        images, labels = run.pool.plain(chosen)
        out = network(images, run.pool.category[chosen], noise=generator)
        loss = loss_of(out.logits, labels[:, None])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        return loss.item()

    return step


def sides(model: str) -> dict[str, Callable[[], Callable[[Tensor], float]]]:
    """Return how both sides begin; each begins with a step that takes places."""
    recipe, kind, batch = MODELS[model]
    settings = recipe.settings.model_copy(
        update={"augmentation": None, "batch": batch, "hold_out": "none"}
    )
    cases = list(KINDS[kind].cohort(2 * batch, seed=1))

    def prepared() -> Run:
        return prepare_run(
            untrained(recipe),
            cases,
            settings,
            held_out=(),
            watch=None,
            progress=silent,
            are_classes=True,
        )

    def engine() -> Callable[[Tensor], float]:
        run, loss_of = prepared(), loss_named(settings.loss)
        run.network.train()
        return lambda chosen: take_step(run, chosen, loss_of)

    def by_hand() -> Callable[[Tensor], float]:
        return hand_written(prepared(), settings.learning_rate)

    return {"engine": engine, "by_hand": by_hand}


def measure(model: str, repeats: int) -> dict[str, float]:
    """Return the median seconds of both steps, and their ratio."""
    steps = {name: begin() for name, begin in sides(model).items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    generator = torch.Generator().manual_seed(0)
    batch = MODELS[model].batch
    for repeat in range(repeats + 2):  # the first two warm up
        chosen = torch.randperm(2 * batch, generator=generator)[:batch]
        losses = []
        for name, step in steps.items():
            begin = time.perf_counter(), time.process_time()
            losses.append(step(chosen))
            took = time.perf_counter() - begin[0], time.process_time() - begin[1]
            if repeat >= 2:
                times[name].append(took)
        if repeat == 0 and abs(losses[0] - losses[1]) > 1e-3:
            raise RuntimeError(f"the two steps do not compute the same: {losses}")
    return ratios(times, "engine", "by_hand")


def peaks(model: str) -> dict[str, float]:
    """Return the megabytes that each side adds to a fresh process."""
    fresh = multiprocessing.get_context("spawn")
    found = {}
    for name in ("engine", "by_hand"):
        with fresh.Pool(1) as pool:
            found[f"{name}_mb"] = pool.apply(_peak, (model, name))
    return found


def _peak(model: str, name: str) -> float:
    step = sides(model)[name]()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak until now
    for _ in range(3):
        step(torch.arange(MODELS[model].batch))
    return round((_resident("VmHWM") - before) / 1024, 1)


def _resident(field: str) -> int:
    """Return kilobytes that Linux states of this process."""
    stated = Path("/proc/self/status").read_text().split(f"{field}:")[1]
    return int(stated.split()[0])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    print(
        json.dumps(
            {
                "figures": {
                    model: {**measure(model, arguments.repeats), **peaks(model)}
                    for model in arguments.models
                },
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "processor": platform.processor() or platform.machine(),
                "load_before": load_before,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
