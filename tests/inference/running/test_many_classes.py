"""More classes or experts than a byte can tell apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from napari_dmoe.imaging.restoration import best_class
from napari_dmoe.imaging.spatial import ImageError
from napari_dmoe.inference.maps.measures import expert_pair
from napari_dmoe.inference.results.routing import dominant_expert
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.cases.pool import read_pool


def scores(n: int) -> torch.Tensor:
    """Return scores of n classes, the last of which is the best at one pixel."""
    made = torch.zeros(n, 1, 2)
    made[-1, 0, 1] = 1
    return made


def test_the_256th_class_is_its_number_and_a_257th_is_refused() -> None:
    assert best_class(scores(256)).tolist() == [[0, 255]]
    with pytest.raises(ImageError, match="257 classes, and masks hold 256"):
        best_class(scores(257))


def named(n: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(n))


def test_cards_and_networks_of_more_classes_are_refused() -> None:
    facts = read_card("fairseg-race").model_dump()
    assert len(ModelCard.model_validate(facts | {"classes": named(256)}).classes) == 256
    with pytest.raises(ValidationError, match="256"):
        ModelCard.model_validate(facts | {"classes": named(257)})
    for config in (ViTConfig, UNetConfig):
        assert config(n_classes=256).n_classes == 256
        with pytest.raises(ValidationError, match="256"):
            config(n_classes=257)


def test_the_label_of_what_is_not_annotated_is_no_class_to_train() -> None:
    facts = read_card("fairseg-race").model_dump()
    card = ModelCard.model_validate(facts | {"classes": named(256)})
    with pytest.raises(TrainingError, match="256 classes, and 255 can be trained"):
        read_pool([object()], card)  # said before any case is read


@pytest.mark.parametrize("n", [256, 257, 300, 70000])
def test_the_strongest_of_many_experts_keeps_its_number(n: int) -> None:
    gates = np.zeros((2, n), np.float32)
    gates[0, n - 1] = gates[1, 1] = 1
    found = dominant_expert(gates)
    assert found.tolist() == [n - 1, 1]
    assert found.dtype == (np.uint8 if n <= 256 else np.min_scalar_type(n - 1))


@pytest.mark.parametrize("n", [8, 23, 24, 40])
def test_pairs_of_many_experts_keep_their_number(n: int) -> None:
    gates = np.zeros((1, n), np.float32)
    gates[0, n - 2 :] = 0.5
    assert expert_pair(gates).tolist() == [n * (n - 1) // 2 - 1]
