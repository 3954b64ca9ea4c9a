"""Fit a network to labelled cases: one readable loop, the same for every model.

The cases are prepared once and kept in memory. The network that is passed in does not
change; the fitted copy is returned with the history of its training.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from monai.losses import DiceCELoss
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from napari_dmoe.cohorts.case import Case
from napari_dmoe.models.architectures import Network
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import LEFT_OUT
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.training.augment import AugmentSettings
from napari_dmoe.training.labelled import TrainingError
from napari_dmoe.training.pool import Pool, read_pool
from napari_dmoe.training.volume_augment import VolumeAugmentSettings


class TrainSettings(BaseModel):
    """How a network is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(
        30, gt=0, title="Epochs", description="times that every case is seen"
    )
    batch: int = Field(
        16, gt=0, title="Batch", description="cases per step of the optimiser"
    )
    learning_rate: float = Field(
        1e-3, gt=0, title="Learning rate", description="largest, after the warm-up"
    )
    weight_decay: float = Field(
        0.02, ge=0, title="Weight decay", description="AdamW's, on matrices only"
    )
    warm_up: float = Field(
        0.05, ge=0, lt=1, title="Warm-up", description="share of the steps that rise"
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, title="Dropout", description="share of features left out"
    )
    seed: int = Field(0, ge=0, title="Seed", description="decides every random draw")
    device: str = Field("cpu", title="Device", description="where torch computes")
    augmentation: AugmentSettings | VolumeAugmentSettings | None = Field(
        AugmentSettings(),
        title="Augmentation",
        description="none to train on cases as they are",
    )


@dataclass(frozen=True)
class Epoch:
    """What one pass over the cases gave.

    Parameters
    ----------
    number : int
        Which pass, counted from 0.
    loss : float
        Mean training loss.
    dice : mapping of str to float
        Mean Dice of each class but the background over the held-out cases, at the
        network's resolution; empty where none were held out.
    """

    number: int
    loss: float
    dice: Mapping[str, float]


@dataclass(frozen=True)
class Fitted:
    """A fitted model and how it came about.

    Parameters
    ----------
    loaded : LoadedModel
        The model, in evaluation mode, on the CPU.
    history : tuple of Epoch
        One entry per pass over the cases.
    cases_per_router : tuple of int
        How many cases each router was trained on, in router order.
    n_cases : int
        How many cases there were; each has a router of every attribute.
    """

    loaded: LoadedModel
    history: tuple[Epoch, ...]
    cases_per_router: tuple[int, ...]
    n_cases: int


def fit(
    loaded: LoadedModel,
    cases: Sequence[Case],
    *,
    settings: TrainSettings,
    held_out: Sequence[Case] = (),
    progress: ProgressHook = silent,
) -> Fitted:
    """Train a copy of a model on labelled cases.

    Parameters
    ----------
    loaded : LoadedModel
        Where to start from, with its card. It is not changed.
    cases : sequence of Case
        What to train on; each needs labels and a known value of the card's driver.
    settings : TrainSettings
        How to train. The seed decides every draw, dropout and gating noise included.
    held_out : sequence of Case
        Cases to measure after each epoch, not to train on.
    progress : callable
        Told after every case read, and after every step. It may raise ``Cancelled``.

    Returns
    -------
    Fitted
        The trained copy and its history.

    Raises
    ------
    TrainingError
        For no cases, a case without labels or without a known driver, labels that the
        card has no class for, and a loss that is no finite number.

    Notes
    -----
    The loss is 0.5 cross-entropy + 0.5 soft Dice over all classes; the optimiser is
    AdamW, its rate rising linearly at first and then falling as half a cosine.
    """
    pool = read_pool(cases, loaded.card, progress=progress)
    watched = read_pool(held_out, loaded.card, progress=progress) if held_out else None
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)  # dropout takes no generator
        network = copy.deepcopy(loaded.module).to(settings.device)
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = settings.dropout
        run = _Run(network, loaded.card, settings, pool, watched)
        history = tuple(_epochs(run, progress))
    fitted = cast("Network", network.eval().cpu())
    n_routers = max(1, loaded.config.n_routers)
    routers = pool.category[pool.category != LEFT_OUT]
    return Fitted(
        LoadedModel(fitted, loaded.card, loaded.architecture),
        history,
        cases_per_router=tuple(routers.bincount(minlength=n_routers).tolist()),
        n_cases=len(pool.category),
    )


@dataclass(frozen=True)
class _Run:
    """What one training is made of; only the network changes."""

    network: nn.Module
    card: ModelCard
    settings: TrainSettings
    pool: Pool
    held_out: Pool | None


def _epochs(run: _Run, progress: ProgressHook) -> Iterator[Epoch]:
    """Train, one pass over the cases after the other."""
    network, settings = run.network, run.settings
    generator = torch.Generator().manual_seed(settings.seed)
    loss_of = _loss()
    optimiser = torch.optim.AdamW(_parameter_groups(network, settings))
    steps = settings.epochs * math.ceil(len(run.pool.category) / settings.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: _rate(step, steps, warm_up=settings.warm_up)
    )
    done = 0
    for number in range(settings.epochs):
        losses = []
        network.train()
        for images, labels, category in _batches(run, generator):
            out = network(images, category, noise=generator)
            loss = loss_of(out.logits, labels)
            done += 1
            losses.append(_finite(loss, done))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            message = f"epoch {number + 1} of {settings.epochs}, loss {losses[-1]:.3f}"
            progress(Progress(done, steps, message))
        yield Epoch(number, float(np.mean(losses)), _held_out_dice(run))


def _batches(
    run: _Run, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield every case once, varied: images, labels (B, 1, *S) and routers (B, A)."""
    pool, settings = run.pool, run.settings
    order = torch.randperm(len(pool.category), generator=generator)
    for chosen in order.split(settings.batch):
        if settings.augmentation is None:
            images, labels = pool.plain(chosen)
        else:
            images, labels = pool.varied(chosen, settings.augmentation, generator)
        yield (
            images.to(settings.device),
            labels[:, None].to(settings.device),
            pool.category[chosen].to(settings.device),
        )


def _loss() -> DiceCELoss:
    """Return the published loss: the denominators squared, the background counted."""
    return DiceCELoss(
        to_onehot_y=True,
        softmax=True,
        squared_pred=True,
        smooth_nr=1e-5,
        smooth_dr=1e-5,
        lambda_ce=0.5,
        lambda_dice=0.5,
    )


def _rate(step: int, steps: int, *, warm_up: float) -> float:
    """Return the share of the largest learning rate at a step."""
    rising = max(1, round(warm_up * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 + 0.5 * math.cos(math.pi * (step - rising) / max(1, steps - rising))


def _parameter_groups(
    network: nn.Module, settings: TrainSettings
) -> list[dict[str, Any]]:
    """Keep weight decay off biases, norms and positions, which it only harms."""
    named = list(network.named_parameters())
    decayed = [
        p for n, p in named if p.ndim > 1 and "bias" not in n and "position" not in n
    ]
    kept = {id(p) for p in decayed}
    rest = [p for _, p in named if id(p) not in kept]
    rate = settings.learning_rate
    return [
        {"params": decayed, "lr": rate, "weight_decay": settings.weight_decay},
        {"params": rest, "lr": rate, "weight_decay": 0.0},
    ]


def _finite(loss: Tensor, step: int) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingError(
            f"the loss became {value} at step {step}: training stopped. Lower the "
            "learning rate, or look for images without contrast"
        )
    return value


@torch.inference_mode()
def _held_out_dice(run: _Run) -> dict[str, float]:
    """Return the mean Dice per class; cases where both masks are empty do not count."""
    if run.held_out is None:
        return {}
    pool, device = run.held_out, run.settings.device
    run.network.eval()
    scores: dict[str, list[float]] = {name: [] for name in run.card.classes[1:]}
    for chosen in torch.arange(len(pool.category)).split(run.settings.batch):
        images, truth = pool.plain(chosen)
        category = pool.category[chosen].to(device)
        logits = run.network(images.to(device), category).logits
        found = logits.argmax(1).cpu()
        for index, name in enumerate(scores, start=1):
            both = ((found == index) & (truth == index)).flatten(1).sum(1)
            sizes = (found == index).flatten(1).sum(1)
            sizes = sizes + (truth == index).flatten(1).sum(1)
            scores[name] += (2 * both[sizes > 0] / sizes[sizes > 0]).tolist()
    return {name: float(np.mean(v)) if v else math.nan for name, v in scores.items()}
