"""Coarse to fine: a pass over whole planes that finds what a second one looks at.

It is asked of the model alone, whoever the patient is: one pass with the mean of all
routers, weighted as in training, without noise and with every expert as it is. So all
values of a driver, a mixture of them, noise samples, altered experts and places between
values see the same square, and what differs between their masks is theirs. It is what a
run for one value sees, too: in a sweep a value has the mask that it has alone.

The mean of the routers takes one pass, whatever drives the model; all values, mixed,
would take one each.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.parts import largest_part
from napari_dmoe.imaging.restoration import best_class
from napari_dmoe.inference.running.devices import Batches
from napari_dmoe.inference.running.drivers import RouterChoice
from napari_dmoe.inference.running.forward import Done, Forward, ignore
from napari_dmoe.inference.running.likeness import mean_loads
from napari_dmoe.inference.running.plane_inputs import PlaneInputs, of_picture
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel


class FirstPass:
    """Looks at the whole planes of one image, some at a time.

    Planes pass one by one, as other numbers of rows may decide the last bits: so an
    image gives the same square alone and among others.

    Parameters
    ----------
    loaded, settings
        As :func:`~napari_dmoe.inference.running.segment.segment` takes them.
    inputs : PlaneInputs
        The planes; what is found is told to them by :meth:`end`.
    batches : Batches
        Where the run computes.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        settings: InferenceSettings,
        inputs: PlaneInputs,
        batches: Batches,
    ) -> None:
        quiet = settings.model_copy(update={"noise": False, "samples": 1})
        self._forward = Forward(loaded, of_everybody(loaded), quiet, batch=1)
        self._forward.batches = Batches(batches.device, 1)
        self._inputs = inputs
        self._masks: list[NDArray[np.bool_]] = []
        self._loads: list[list[float]] = []
        self._unsure: set[int] = set()

    def look(self, chunk: range, tensors: Tensor, *, done: Done = ignore) -> None:
        """Look at some prepared planes (P, C, S, S); `done` as for :class:`Forward`."""
        done(0)
        answers = self._forward(tensors, chunk, done=done)
        done(len(chunk))
        placement = self._inputs.whole
        gates = [of_picture(each, placement) for each in answers.gates]
        self._loads += mean_loads(self._forward, [g.transpose(0, 1) for g in gates])
        shown = answers.logits[:, 0, 0][(..., *placement.picture)]
        for number, scores in zip(chunk, shown, strict=True):
            found = best_class(scores) != 0
            if number in self._inputs.constant:
                found[:] = False
            if self._inputs.preprocessing.keep == "largest":
                found = largest_part(found)
            if not self._is_sure(scores, found):
                self._unsure.add(number)
                found = np.zeros_like(found)
            self._masks.append(found)

    def _is_sure(self, scores: Tensor, found: NDArray[np.bool_]) -> bool:
        """Whether the surest pixel of what was found is as sure as the card asks."""
        focus = self._inputs.preprocessing.focus
        if focus is None or not focus.sure or not found.any():
            return True
        inside = scores[:, torch.from_numpy(found).to(scores.device)]
        background = float(inside.float().softmax(0)[0].min())
        return 1 - background >= focus.sure

    def end(self) -> None:
        """Let the runs go on with what was found in all planes."""
        self._inputs.focus(self._masks, self._loads, unsure=self._unsure)


def of_everybody(loaded: LoadedModel) -> RouterChoice:
    """Return the mean of a model's routers, weighted by its card's frequencies."""
    card, n = loaded.card, loaded.config.n_routers
    if not n:
        return RouterChoice((None,), ("",), (1.0,))
    if not card.attributes:
        return RouterChoice(((0,),), ("",), (1.0,))
    shares = [0.0] * n
    for attribute, first in zip(card.attributes, card.first_routers, strict=True):
        for place, share in enumerate(attribute.prior, first):
            shares[place] = share / len(card.attributes)
    return RouterChoice((tuple(shares),), ("",), (1.0,))
