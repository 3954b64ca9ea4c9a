"""Time and memory of a training step against one written by hand, as JSON.

Run it with ``python benchmarks/train_step.py`` on a quiet machine. All sides train
networks of the bundled models' sizes, and the published 2D one, on the same batches,
varied by the same augmentation, in one process, in turns; the ratio of medians is what
counts, and the first losses must agree. The step written by hand is the least that a
training needs: MONAI's loss, AdamW; no schedule, groups or bookkeeping. It trains the
network *as published*, of torch's own layers and the plain dMoE layer, and once more
this package's network in which the *layer* alone is plain. Memory is the peak of a
fresh process that takes a few steps of one side, less what it had before the first, as
Linux states it; and what its tensors of a later step take at most, which no allocator
changes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import torch
from monai.losses import DiceCELoss
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from measuring import in_fresh_process, ratios, report, timed
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
from plain_networks import PlainMoE, as_published

AGREED = 1e-3
"""By how much the first losses may differ, which are about 1."""


class Trained(NamedTuple):
    """What is trained on what."""

    recipe: Recipe
    phantoms: str
    batch: int


def _published() -> Recipe:
    """Return the published 2D network, driven as a bundled one is."""
    small = RECIPES["fundus-race-phantom"]
    config = ViTConfig(n_routers=small.config.n_routers)
    sized = small.card.preprocessing.model_copy(update={"side": config.side})
    card = small.card.model_copy(update={"preprocessing": sized})
    return replace(small, config=config, card=card)


MODELS = {
    "fundus-phantom": Trained(RECIPES["fundus-phantom"], "fundus", 16),
    "skin-isic2017": Trained(RECIPES["skin-isic2017"], "skin", 16),
    "pelvis-phantom": Trained(RECIPES["pelvis-phantom"], "pelvis", 4),
    "published-2D": Trained(_published(), "fundus-race", 2),
}


def plain_layers_only(network: nn.Module) -> nn.Module:
    """Put plain dMoE layers in the place of the fast ones, in place."""
    if isinstance(getattr(network, "moe", None), SparseMoE):
        network.moe = PlainMoE(network.moe)
    for index, layer in enumerate(getattr(network, "moes", [])):
        network.moes[index] = PlainMoE(layer)
    return network


PLAIN = {"as_published": as_published, "layer": plain_layers_only}


def hand_written(run: Run, network: nn.Module) -> Callable[[Tensor], float]:
    """Return a training step as one would write it in a script."""
    rate, augmentation = run.settings.learning_rate, run.settings.augmentation
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    loss_of = DiceCELoss(
        to_onehot_y=True,
        softmax=True,
        squared_pred=True,
        lambda_ce=0.5,
        lambda_dice=0.5,
    )

    def step(chosen: Tensor) -> float:
        images, labels = run.pool.varied(chosen, augmentation, run.generator)
        out = network(images, run.pool.category[chosen], noise=run.generator)
        loss = loss_of(out.logits, labels[:, None])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        return loss.item()

    return step


def sides(model: str) -> dict[str, Callable[[], Callable[[Tensor], float]]]:
    """Return how each side begins: with a step that takes places of cases."""
    recipe, kind, batch = MODELS[model]
    settings = recipe.settings.model_copy(
        update={"batch": batch, "hold_out": "none", "device": "cpu"}
    )
    cases = list(KINDS[kind].cohort(2 * batch, seed=1))

    def prepared() -> Run:
        torch.manual_seed(0)
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

    def by_hand(plain: Callable[[nn.Module], nn.Module]) -> Callable[[Tensor], float]:
        run = prepared()
        return hand_written(run, plain(run.network).train())

    plains = {name: partial(by_hand, plain) for name, plain in PLAIN.items()}
    return {"engine": engine, **plains}


def measure(model: str, repeats: int) -> dict[str, dict[str, float]]:
    """Return the median seconds of the steps, and how the engine's compares."""
    steps = {name: begin() for name, begin in sides(model).items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    generator = torch.Generator().manual_seed(0)
    batch = MODELS[model].batch
    for repeat in range(repeats + 2):  # the first two warm up
        chosen = torch.randperm(2 * batch, generator=generator)[:batch]
        losses = []
        for name, step in steps.items():
            loss, took = timed(partial(step, chosen))
            losses.append(loss)
            if repeat >= 2:
                times[name].append(took)
        if repeat == 0 and max(losses) - min(losses) > AGREED:
            raise RuntimeError(f"the steps do not compute the same: {losses}")
    return {name: ratios(times, "engine", name) for name in PLAIN}


def peaks(model: str) -> dict[str, float]:
    """Return the megabytes that each side adds to a fresh process, and its tensors'."""
    asked, found = ["--models", model, "--peak"], {}
    for name in ("engine", *PLAIN):
        one = in_fresh_process(__file__, [*asked, name])
        found |= {f"{name}_{key}": value for key, value in one.items()}
    return found


def peak(model: str, name: str) -> dict[str, float]:
    """Return the megabytes that a few steps of one side add to this process."""
    step, places = sides(model)[name](), torch.arange(MODELS[model].batch)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak until now
    for _ in range(3):
        step(places)
    resident = (_resident("VmHWM") - before) / 1024
    tensors = _tensors(lambda: step(places)) / 2**20
    return {"mb": round(resident, 1), "tensors_mb": round(tensors, 1)}


def _tensors(work: Callable[[], object]) -> int:
    """Return the most bytes of tensors that a work makes and has at a time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    changes = [
        (event.start_ns(), event.nbytes())
        for event in seen.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    return max(accumulate(n for _, n in sorted(changes)), default=0)


def _resident(field: str) -> int:
    """Return kilobytes that Linux states of this process."""
    stated = Path("/proc/self/status").read_text().split(f"{field}:")[1]
    return int(stated.split()[0])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--peak", choices=("engine", *PLAIN), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        print(json.dumps(peak(asked.models[0], asked.peak)))
        return
    report(
        {
            model: {**measure(model, asked.repeats), "memory": peaks(model)}
            for model in asked.models
        }
    )


if __name__ == "__main__":
    main()
