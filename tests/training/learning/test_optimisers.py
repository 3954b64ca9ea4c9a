"""The optimisers step as torch's own do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_dmoe.training.learning.optimisers import optimiser_of
from napari_dmoe.training.settings import TrainSettings

SETTINGS = TrainSettings(learning_rate=0.1, weight_decay=0.5, momentum=0.9)


def stepped(network: nn.Module, optimiser: torch.optim.Optimizer) -> nn.Module:
    for number in range(1, 4):
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, 0.1 * number) + parameter
        optimiser.step()
    return network


def layer() -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(5, 3)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_step_in_one_piece_is_that_of_many(name: str) -> None:
    ours, plain = layer(), layer()
    settings = SETTINGS.model_copy(update={"optimiser": name})
    if name == "sgd":
        usual: torch.optim.Optimizer = torch.optim.SGD(
            plain.parameters(), 0.1, momentum=0.9, weight_decay=0.5, foreach=False
        )
    else:
        decayed = {"params": [plain.weight], "weight_decay": 0.5}
        bare = {"params": [plain.bias], "weight_decay": 0.0}
        usual = torch.optim.AdamW([decayed, bare], 0.1, foreach=False)
    made = optimiser_of(ours, settings)
    assert all(group["fused"] for group in made.param_groups)
    stepped(ours, made)
    stepped(plain, usual)
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_a_device_without_such_a_step_takes_the_usual_one() -> None:
    made = optimiser_of(layer().to("meta"), SETTINGS)
    assert not any(group["fused"] for group in made.param_groups)
