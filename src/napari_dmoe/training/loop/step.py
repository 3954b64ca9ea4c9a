"""One step of the optimiser, for one process or a team of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NoReturn

import torch
from torch import Tensor, nn

from napari_dmoe.inference.running.devices import mixes_precision
from napari_dmoe.training.cases.unknown_drivers import drawn_routers, mixed_routers
from napari_dmoe.training.learning.optimisers import rate_at
from napari_dmoe.training.loop.history import Diverged
from napari_dmoe.training.loop.run import Run
from napari_dmoe.training.settings import TrainSettings


def take_step(
    run: Run, chosen: Tensor, loss_of: Callable[[Tensor, Tensor], Tensor]
) -> float:
    """Take one step of the optimiser; return the loss before it, the whole team's."""
    settings, team, total = run.settings, run.team, 0.0
    rate = rate_at(run.step, run.steps, settings)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    run.optimiser.zero_grad()
    parts = chosen.split(settings.batch)
    for number, whole in enumerate(parts, start=1):
        part, counted = team.share(whole)
        images, labels, category = _batch(run, part)
        with team.gathering(run.forward, is_last=number == len(parts)):
            with _precision(settings):
                out = run.forward(images, category, noise=run.generator)
            loss = loss_of(out.logits.float(), labels) * (counted / len(chosen))
            total += float(team.total(loss.detach()))
            if not math.isfinite(total):
                diverged(run, total, rate)
            _count_load(run, [block[:counted] for block in out.gates])
            del out  # the way back needs no routing, and most memory
            (loss * team.size).backward()  # the team's gradients are averaged
    if settings.clip is not None:
        learning = [p for p in run.network.parameters() if p.requires_grad]
        norm = nn.utils.clip_grad_norm_(learning, settings.clip)
        if not norm.isfinite():
            diverged(run, float(norm), rate)
    run.optimiser.step()
    run.fixed.restore()
    run.step += 1
    return total


def _batch(run: Run, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return images, labels (B, *S) and routers of some cases, varied."""
    pool, settings = run.pool, run.settings
    if settings.augmentation is None:
        images, labels = pool.plain(chosen)
    else:
        images, labels = pool.varied(chosen, settings.augmentation, run.generator)
    routers = _routers(run, pool.category[chosen]) if run.has_moe else None
    category = None if routers is None else routers.to(settings.device)
    return images.to(settings.device), labels.to(settings.device), category


def _routers(run: Run, category: Tensor) -> Tensor:
    """Return what cases are routed by, for the network: routers (B, A), or shares."""
    card, was_trained = run.counted_card, run.was_trained
    if run.settings.unknown_drivers == "draw":
        return drawn_routers(
            category, card, generator=run.generator, was_trained=was_trained
        )
    return mixed_routers(category, card, was_trained=was_trained)


def _precision(settings: TrainSettings) -> torch.autocast:
    kind = torch.device(settings.device).type
    is_on = settings.mixed_precision and mixes_precision(settings.device)
    return torch.autocast(kind, torch.bfloat16, enabled=is_on)


def _count_load(run: Run, gates: Sequence[Tensor]) -> None:
    """Add up the gates of every expert, block by block."""
    loads = [block.detach().sum((0, 1)) for block in gates]
    before = run.load or [torch.zeros_like(load) for load in loads]
    run.load = [a + b for a, b in zip(before, loads, strict=True)]


def diverged(run: Run, value: float, rate: float) -> NoReturn:
    """Stop, with the weights of the last epoch that went well."""
    kept = ""
    if run.good is not None:
        run.network.load_state_dict(run.good)
        kept = f", and the weights of epoch {len(run.history)} were restored"
    raise Diverged(
        f"the loss became {value} at step {run.step + 1} with the learning rate "
        f"{rate:.3g}: training stopped{kept}. Lower the learning rate, or look for "
        "images without contrast",
        run.fitted(keep="last") if run.good is not None else None,
    )
