"""The network on inputs x combinations of values x noise samples, in batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from napari_dmoe.imaging.orientations import OURS, tokens_back, turned, turned_back
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.running.devices import (
    Batches,
    choose_device,
    is_out_of_memory,
)
from napari_dmoe.inference.running.drivers import Category, RouterChoice
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.waiting import computing
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl, SegmentationOutput
from napari_dmoe.models.sharing import Row, Said, SharedStart, Shares
from napari_dmoe.progress import Pulse

Done = Callable[[int], None]
"""Takes the number of rows that are done; may raise ``Cancelled``."""

SECONDS_BETWEEN_CALLS = 0.1
"""Time between two calls of `Done` within a pass."""

NOT_SHARED = (
    "memory did not suffice to compute once what all values have in common: it was "
    "computed for each"
)


def ignore(_: int) -> None:
    """Do nothing; the default for `Done`."""


class Stoppable(TorchFunctionMode):
    """Lets Stop act between a network's operations: one pass may take many seconds."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._pulse, self._last = pulse, time.monotonic()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Do one operation of torch."""
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_CALLS:
            self._last = now
            self._pulse()
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Answers:
    """What the network says of some inputs, on the CPU."""

    logits: Tensor
    """(P, V, S, K, *size) tensor: class scores of P inputs, V combinations of values
    and S noise samples."""
    gates: tuple[Tensor, ...]
    """tuple of (P, V, T, E) tensors: one a block, averaged over the noise samples."""

    def of(self, places: Sequence[int]) -> Answers:
        """Return what is said of some of the combinations."""
        gates = tuple(block[:, places] for block in self.gates)
        return Answers(self.logits[:, places], gates)


class Forward:
    """Runs a model for a choice of routers, `batch` rows at a time to begin with.

    Its network is moved to the device and put in evaluation mode.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        choice: RouterChoice,
        settings: InferenceSettings,
        *,
        batch: int,
    ) -> None:
        self.loaded, self.choice, self.settings = loaded, choice, settings
        self.n_samples = settings.samples if settings.noise else 1
        self.device = choose_device(settings.device)
        self.batches = Batches(self.device.device, batch)
        how = loaded.preprocessing
        self._orientation = OURS
        if isinstance(how, VolumePreprocessing):
            self._orientation = how.orientation
        loaded.module.eval()

    def of_choice(self, choice: RouterChoice) -> Forward:
        """Return the same for another choice, on the same device."""
        own = Forward(self.loaded, choice, self.settings, batch=self.batches.batch)
        own.batches = self.batches
        return own

    @property
    def rows_per_input(self) -> int:
        """Rows that every input needs: combinations of values x noise samples."""
        return len(self.choice.categories) * self.n_samples

    @property
    def inputs_at_once(self) -> int:
        """Inputs whose rows fill a batch."""
        return max(1, self.batches.batch // self.rows_per_input)

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person should know of the device."""
        said = (self.device.notice, *self.batches.notices)
        return tuple(notice for notice in said if notice)

    def __call__(
        self, inputs: Tensor, numbers: Sequence[int], *, done: Done = ignore
    ) -> Answers:
        """Run some inputs.

        Parameters
        ----------
        inputs : (P, C, *size) float32 tensor
            What the network sees; of volumes along z, y and x, and turned for it here.
        numbers : sequence of int
            Place of each input in the run; the gating noise depends on it.
        done : callable
            Called with the number of rows that are done: between batches, and now and
            then within one.
        """
        patch, inputs = inputs.shape[2:], turned(inputs, self._orientation)
        shape = (len(inputs), len(self.choice.categories), self.n_samples)
        n_rows, outputs, n_done = math.prod(shape), list[Said](), 0
        with torch.inference_mode():
            shared = self._shared(inputs, numbers, partial(done, 0))
            run_rows = shared or partial(self._rows, inputs, numbers)
            while n_done < n_rows:
                if n_done:
                    done(n_done)
                with (
                    computing(self.batches.device.type),
                    Stoppable(partial(done, n_done)),
                ):
                    outputs.append(self.batches.run(range(n_done, n_rows), run_rows))
                n_done += len(outputs[-1].logits)
            logits = torch.cat([out.logits for out in outputs]).unflatten(0, shape)
            blocks = zip(*(out.gates for out in outputs), strict=True)
            gates = (torch.cat(parts).unflatten(0, shape).mean(2) for parts in blocks)
            code = self._orientation
            logits = turned_back(logits, code)
            return Answers(logits, tuple(tokens_back(g, patch, code) for g in gates))

    def _rows(
        self, inputs: Tensor, numbers: Sequence[int], part: range, device: torch.device
    ) -> Said:
        """Run some of the rows, each from its input on."""
        rows = [self._row(number, numbers) for number in part]
        noise = [row.noise for row in rows if row.noise is not None]
        experts = [row.experts for row in rows]
        out = one_pass(
            self.loaded,
            inputs[[row.place for row in rows]],
            [row.category for row in rows],
            device=device,
            noise=noise or None,
            experts=experts if any(experts) else None,
        )
        return Said(out.logits, out.gates)

    def _row(self, row: int, numbers: Sequence[int]) -> Row:
        """Return a row; its number is (input * V + combination) * S + sample."""
        n_values, n_samples = len(self.choice.categories), self.n_samples
        place, which = row // (n_values * n_samples), row // n_samples % n_values
        noise = None
        if self.settings.noise:
            first = self.choice.samples[which] if self.choice.samples else 0
            sample = first + row % n_samples
            noise = noise_generator(self.settings.seed, numbers[place], sample)
        experts = self.choice.experts[which] if self.choice.experts else None
        return Row(place, self.choice.categories[which], noise, experts)

    def _shared(
        self, inputs: Tensor, numbers: Sequence[int], pulse: Pulse
    ) -> Callable[[range, torch.device], Said] | None:
        """Compute what the rows of an input have in common, and return what goes on.

        None where they have nothing, or memory runs out. With a batch of one row every
        row keeps the bits that it has alone.
        """
        network, device = self.loaded.module, self.batches.device
        is_shared = self.rows_per_input > 1 and self.choice.categories[0] is not None
        if not is_shared or not isinstance(network, Shares):
            return None
        n_rows = len(inputs) * self.rows_per_input
        rows = [self._row(number, numbers) for number in range(n_rows)]
        asks_once = self.settings.batch > 1
        network.to(device)
        try:
            with computing(device.type), Stoppable(pulse):
                seen = inputs.to(device)
                start = SharedStart(network, seen, rows, asks_once=asks_once)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if NOT_SHARED not in self.batches.notices:
                self.batches.notices.append(NOT_SHARED)
            return None

        def run(part: range, device: torch.device) -> Said:
            network.to(device)
            return start.run(part, device).cpu()

        return run

    @property
    def is_plain(self) -> bool:
        """Whether windows' logits are blended, as published, and not probabilities."""
        return self.rows_per_input == 1

    def scores(self, logits: Tensor) -> Tensor:
        """Return what is blended of a window (V, K, *size), from (V, S, K, *size)."""
        return logits[:, 0] if self.is_plain else logits.softmax(2).mean(1)

    def mixed(self, scores: Tensor) -> Tensor:
        """Return blended scores (V, K, *size) averaged by the combinations' shares."""
        if self.is_plain:
            return scores[0]
        weights = torch.tensor(self.choice.weights)
        mixed: Tensor = torch.tensordot(weights, scores, ([0], [0]))
        return mixed

    def as_probabilities(self, mixed: Tensor) -> Tensor:
        """Return the probabilities (K, *size) that mixed scores are."""
        return mixed.softmax(0) if self.is_plain else mixed


def one_pass(
    loaded: LoadedModel,
    inputs: Tensor,
    categories: Sequence[Category],
    *,
    device: torch.device,
    noise: Sequence[torch.Generator] | None = None,
    experts: Sequence[ExpertControl | None] | None = None,
) -> SegmentationOutput:
    """Run a network once on inputs (B, C, *size), each with what it is told.

    All of the categories are routers, or all are shares of them, or none is given.
    """
    category = None if categories[0] is None else torch.tensor(categories)
    loaded.module.to(device)
    rows = inputs.to(device)
    return loaded.network(rows, category, noise=noise, experts=experts).cpu()


def noise_generator(seed: int, number: int, sample: int) -> torch.Generator:
    """Return the source of the gating noise of one input and sample.

    It depends on nothing else, so results do not depend on the batch or its order,
    and all values of a driver meet the same noise.
    """
    state = np.random.SeedSequence([seed, number, sample]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
