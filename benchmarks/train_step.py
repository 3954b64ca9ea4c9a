"""Time of a training step against one written by hand with the plain layer, as JSON.

Run it with ``python benchmarks/train_step.py`` on a quiet machine. Both sides train
networks of the bundled models' sizes on the same batches in one process, in turns; the
ratio of medians is what counts, and the first losses must agree. The hand-written step
is the least that a training needs: the plain dMoE layer, MONAI's loss, AdamW; no
schedule, groups or bookkeeping.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn

from napari_dmoe.models.gating import Routing
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.progress import silent
from napari_dmoe.training.learning.losses import loss_named
from napari_dmoe.training.loop.preparing import prepare_run
from napari_dmoe.training.loop.run import Run
from napari_dmoe.training.loop.step import take_step
from napari_dmoe.training.starting.new_model import untrained
from napari_dmoe.training.starting.recipes import RECIPES
from plain import plain_gates, plain_mixture

MODELS = {"fundus-phantom": ("fundus", 16), "pelvis-phantom": ("pelvis", 4)}
"""Bundled models, with a kind of phantom and a batch."""


class PlainMoE(nn.Module):
    """The dMoE layer as its formulas read, with its own parameters and noise."""

    def __init__(self, layer: SparseMoE) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, x: Tensor, category: Tensor, *, noise: torch.Generator, **_: object
    ) -> tuple[Tensor, Routing]:
        """Route and mix tokens (B, T, C)."""
        rows = category.view(len(x), -1)[:, 0]
        epsilon = torch.randn(*x.shape[:2], self.layer.n_experts, generator=noise)
        gates = plain_gates(self.layer, x, rows, epsilon=epsilon)
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


def measure(model: str, repeats: int) -> dict[str, float]:
    """Return the median seconds of both steps, and their ratio."""
    kind, batch = MODELS[model]
    recipe = RECIPES[model]
    settings = recipe.settings.model_copy(
        update={"augmentation": None, "batch": batch, "hold_out": "none"}
    )
    cases = list(KINDS[kind].cohort(2 * batch, seed=1))

    def prepared() -> Run:
        return prepare_run(
            untrained(recipe), cases, settings, held_out=(), watch=None, progress=silent
        )

    ours, theirs = prepared(), prepared()
    ours.network.train()
    loss_of = loss_named(settings.loss)
    by_hand = hand_written(theirs, settings.learning_rate)
    sides: dict[str, Callable[[Tensor], float]] = {
        "engine": lambda chosen: take_step(ours, chosen, loss_of),
        "by_hand": by_hand,
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    generator = torch.Generator().manual_seed(0)
    for repeat in range(repeats + 2):  # the first two warm up
        chosen = torch.randperm(len(cases), generator=generator)[:batch]
        losses = []
        for name, step in sides.items():
            begin = time.perf_counter()
            losses.append(step(chosen))
            if repeat >= 2:
                times[name].append(time.perf_counter() - begin)
        if repeat == 0 and abs(losses[0] - losses[1]) > 1e-3:
            raise RuntimeError(f"the two steps do not compute the same: {losses}")
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "engine_s": round(medians["engine"], 4),
        "by_hand_s": round(medians["by_hand"], 4),
        "ratio": round(medians["engine"] / medians["by_hand"], 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    print(
        json.dumps(
            {
                "figures": {
                    model: measure(model, arguments.repeats) for model in MODELS
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
