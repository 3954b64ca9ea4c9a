"""Several attributes: their routers stand one after another and are averaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.moe import SparseMoE
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.patient import Patient, PatientError

SEX = CardAttribute(name="sex", values=("female", "male"), frequencies=(0.25, 0.75))
AGE = CardAttribute(
    name="age", values=("young", "old"), edges=(50,), unit="years", n_routers=3
)
CARD = ModelCard(
    name="two", title="Two", attributes=(SEX, AGE), classes=("background", "lesion")
)


@pytest.fixture
def two(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(5, 2), card=CARD)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint8)


@pytest.fixture
def layer() -> SparseMoE:
    torch.manual_seed(0)
    return SparseMoE(8, n_routers=5, n_experts=4).eval()


def test_routers_of_the_attributes_stand_one_after_another() -> None:
    assert CARD.n_routers == 5
    assert CARD.first_routers == (0, 2)
    assert CARD.categories(Patient(sex="male", age=49)) == (1, 2)
    assert CARD.categories(Patient(age=50)) == (None, 3)
    assert CARD.categories(Patient()) == (None, None)


def test_logits_are_the_mean_of_the_chosen_routers(layer: SparseMoE) -> None:
    x = torch.randn(2, 6, 8)
    composed = layer(x, torch.tensor([[0, 3], [1, 4]]))[1]
    alone = [layer(x, torch.tensor(pair))[1].logits for pair in ([0, 1], [3, 4])]
    expected = (alone[0] + alone[1]) / 2
    torch.testing.assert_close(composed.logits, expected, atol=1e-6, rtol=1e-5)


def test_a_left_out_attribute_changes_nothing(layer: SparseMoE) -> None:
    x = torch.randn(2, 6, 8)
    alone = layer(x, torch.tensor([4, 1]))
    composed = layer(x, torch.tensor([[-1, 4], [1, -1]]))
    assert torch.equal(alone[0], composed[0])
    assert torch.equal(alone[1].gates, composed[1].gates)
    assert torch.equal(alone[1].noise_std, composed[1].noise_std)


def test_one_attribute_is_the_published_network_bit_for_bit(two: LoadedModel) -> None:
    x = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        published = two.network(x, torch.tensor([0, 4, 2]))
        column = two.network(x, torch.tensor([[0], [4], [2]]))
    assert torch.equal(published.logits, column.logits)
    for ours, theirs in zip(column.routing, published.routing, strict=True):
        assert torch.equal(ours.gates, theirs.gates)
        assert torch.equal(ours.noise_std, theirs.noise_std)


def test_known_values_are_fixed_and_unknown_ones_mixed(
    two: LoadedModel, image: np.ndarray
) -> None:
    known = segment(two, image, Patient(sex="male", age=70))
    assert known.by_value == {}
    assert known.routing.values == ("male, old",)
    assert [d.routers for d in known.provenance.drivers] == [(1,), (3,)]
    half = segment(two, image, Patient(age=70))
    assert tuple(half.by_value) == ("female, old", "male, old")
    assert half.routing.weights == (0.25, 0.75)
    np.testing.assert_array_equal(half.by_value["male, old"], known.labels)
    mixed = segment(two, image, Patient())
    assert tuple(mixed.by_value) == (
        "female, young",
        "female, old",
        "male, young",
        "male, old",
    )
    assert mixed.routing.weights == (0.125, 0.125, 0.375, 0.375)
    assert [d.value for d in mixed.provenance.drivers] == [None, None]


def test_probabilities_of_an_unknown_value_are_the_weighted_mean(
    two: LoadedModel, image: np.ndarray
) -> None:
    settings = InferenceSettings(probabilities=True, scored_at="network")

    def of(**values: object) -> np.ndarray:
        found = segment(two, image, Patient(**values), settings=settings)
        return found.probabilities

    expected = 0.25 * of(sex="female", age=20) + 0.75 * of(sex="male", age=20)
    np.testing.assert_allclose(of(age=20), expected, atol=1e-6)


def test_unused_routers_cannot_be_chosen(two: LoadedModel, image: np.ndarray) -> None:
    result = segment(two, image, Patient())
    used = {r for driver in result.provenance.drivers for r in driver.routers}
    assert used == {0, 1, 2, 3}  # router 4 has no value
    with pytest.raises(PatientError, match="it knows young, old"):
        AGE.category("2")


def test_refusing_unknown_values_names_the_one_that_is_missing(
    two: LoadedModel, image: np.ndarray
) -> None:
    settings = InferenceSettings(unknown="refuse")
    with pytest.raises(PatientError, match=r"age is unknown.*young, old"):
        segment(two, image, Patient(sex="male"), settings=settings)


def test_two_drivers_survive_saving(two: LoadedModel, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "two.safetensors", two)
    again = load_checkpoint(tmp_path / "two.safetensors")
    assert again.card.attributes == (SEX, AGE)
