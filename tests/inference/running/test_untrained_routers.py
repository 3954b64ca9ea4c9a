"""A router that nothing trained is named wherever it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.results.provenance import DriverRecord, Provenance
from napari_dmoe.inference.running.drivers import choose_routers, combined
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.inference.what_if.interpolation import interpolate
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.card import CardAttribute, ModelCard, TrainingFacts
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import silent

Checkpoint = Callable[..., Path]
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
NEVER = "no training case of this model had sex male: its router was never trained"
LEFT_OUT = (
    "sex is unknown, and male left out of what is mixed: no training case of this "
    "model had it"
)


def card_of(n: Sequence[int], frequencies: Sequence[float] | None = None) -> ModelCard:
    values = ("female", "male", "other")[: len(n)]
    sex = CardAttribute(name="sex", values=values, frequencies=frequencies)
    counts = {"sex": dict(zip(values, n, strict=True))}
    return ModelCard(
        name="of-some",
        title="Of some",
        attributes=(sex,),
        classes=("background", "lesion"),
        training=TrainingFacts(n_per_value=counts),
    )


@pytest.fixture
def loaded(tiny_checkpoint: Checkpoint) -> Callable[[ModelCard], LoadedModel]:
    def load(card: ModelCard) -> LoadedModel:
        n = len(card.attributes[0].values)
        loaded = load_checkpoint(tiny_checkpoint(n, 2), card=card)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in loaded.module.named_parameters():
                if name.startswith(("moe.expert_out", "decoder", "head")):
                    parameter.normal_(generator=generator)
        return loaded

    return load


@pytest.fixture
def women(loaded: Callable[[ModelCard], LoadedModel]) -> LoadedModel:
    """A model that was trained on women only."""
    return loaded(card_of((40, 0), (1.0, 0.0)))


def test_a_run_for_a_value_that_nobody_had_says_so(women: LoadedModel) -> None:
    record = segment(women, IMAGE, Patient(sex="male")).provenance
    assert NEVER in record.notices
    (driver,) = record.drivers
    assert driver.untrained == ("male",)
    assert driver.words == "sex male (never trained)"
    assert Provenance.model_validate_json(record.model_dump_json()) == record
    female = segment(women, IMAGE, Patient(sex="female")).provenance
    assert female.notices == ()
    assert female.drivers[0].untrained == ()


def test_it_is_known_before_the_run(women: LoadedModel) -> None:
    def of(patient: Patient) -> tuple[str, ...]:
        return choose_routers(women, patient, InferenceSettings()).notices

    assert of(Patient(sex="male")) == (NEVER,)
    assert of(Patient()) == (LEFT_OUT,)
    assert of(Patient(sex="female")) == ()


def test_a_mixture_leaves_out_what_has_no_share_and_says_so(
    women: LoadedModel,
) -> None:
    mixed = segment(women, IMAGE, Patient())
    (driver,) = mixed.provenance.drivers
    assert (driver.value, driver.values, driver.weights) == (None, ("female",), (1.0,))
    assert driver.left_out == ("male",)
    assert LEFT_OUT in mixed.provenance.notices
    assert driver.words == (
        "sex unknown: female alone, weighted as in training; left out: male"
    )
    female = segment(women, IMAGE, Patient(sex="female"))
    np.testing.assert_array_equal(mixed.labels, female.labels)


def test_a_mixture_says_what_it_mixed_and_by_which_weights(
    loaded: Callable[[ModelCard], LoadedModel],
) -> None:
    model = loaded(card_of((52, 48, 0), (0.52, 0.48, 0.0)))
    record = segment(model, IMAGE).provenance
    assert record.drivers[0].words == (
        "sex unknown (2 values mixed): female 0.52, male 0.48, weighted as in "
        "training; left out: other"
    )


def test_shares_that_nobody_states_give_nothing_to_untrained_values(
    loaded: Callable[[ModelCard], LoadedModel],
) -> None:
    (driver,) = segment(loaded(card_of((9, 0, 1))), IMAGE).provenance.drivers
    assert driver.weights == (0.5, 0.5)
    assert driver.values == ("female", "other")
    assert driver.left_out == ("male",)
    assert "alike, as the card states no weights" in driver.words


def test_shares_that_a_person_gives_are_run_and_named(women: LoadedModel) -> None:
    record = segment(women, IMAGE, priors={"sex": (3, 1)}).provenance
    (driver,) = record.drivers
    assert driver.weights == (0.75, 0.25)
    assert driver.untrained == ("male",)
    assert record.notices == (f"{NEVER} and has a weight of 0.25 here",)
    assert driver.words == (
        "sex unknown (2 values mixed): female 0.75, male 0.25, weights as given; never "
        "trained: male"
    )
    own = segment(women, IMAGE, priors={"sex": (1, 0)}).provenance
    assert own.notices == ()
    assert own.drivers[0].words == "sex unknown: female alone, weights as given"


def test_small_shares_are_not_said_to_be_none() -> None:
    driver = DriverRecord(
        attribute="body_site",
        value=None,
        values=("back", "scalp"),
        routers=(0, 1),
        weights=(0.999, 0.001),
        prior="card",
    )
    assert driver.words == (
        "body site unknown (2 values mixed): back 1.00, scalp 0.001, weighted as in "
        "training"
    )


def test_a_sweep_says_which_values_nobody_had(women: LoadedModel) -> None:
    swept = sweep(women, IMAGE, attribute="sex", patient=Patient(sex="female"))
    assert swept.untrained == ("male",)
    assert "Never trained, as no training case had it: male" in swept.summary
    assert "Never trained: no training case had male." in str(swept.rows()[1]["note"])
    assert "Never trained" not in str(swept.rows()[0]["note"])
    assert NEVER in swept.values[1].provenance.notices
    made = replay(swept.values[1].provenance, women, IMAGE)
    assert made.verdict == "equal"
    unknown = sweep(women, IMAGE, attribute="sex")
    assert unknown.reference.name == "the mixture of all values but male"
    assert unknown.reference.place is None


def test_a_sweep_of_pairs_keeps_them_apart(tiny_checkpoint: Checkpoint) -> None:
    card = card_of((3, 0))
    age = CardAttribute(name="age", values=("below 50", "from 50"), edges=(50,))
    update = {"attributes": (*card.attributes, age)}
    model = load_checkpoint(tiny_checkpoint(4, 2), card=card.model_copy(update=update))
    swept = sweep(model, IMAGE, attribute=("sex", "age"))
    assert "had it: male, below 50; male, from 50; their masks" in swept.summary


def test_noise_samples_say_so_too(women: LoadedModel) -> None:
    found = uncertainty(women, IMAGE, Patient(sex="male"), samples=2)
    assert NEVER in found.provenance.notices


def test_between_values_says_which_end_nobody_had(
    tiny_checkpoint: Checkpoint,
) -> None:
    age = CardAttribute(name="age", values=("below 50", "from 50"), edges=(50,))
    facts = TrainingFacts(n_per_value={"age": {"below 50": 3, "from 50": 0}})
    card = card_of((1, 1)).model_copy(update={"attributes": (age,), "training": facts})
    model = load_checkpoint(tiny_checkpoint(2, 2), card=card)
    young, between = interpolate(model, IMAGE, attribute="age", positions=(0, 0.25))
    assert young.provenance.drivers[0].untrained == ()
    assert between.provenance.drivers[0].untrained == ("from 50",)
    (notice,) = between.provenance.notices
    assert "from 50: its router was never trained and has a weight of 0.25" in notice


def test_older_records_are_replayed_as_they_were_and_say_what_is_known_now(
    women: LoadedModel,
) -> None:
    facts = segment(women, IMAGE, Patient(sex="male")).provenance.model_dump(
        mode="json"
    )
    del facts["drivers"][0]["untrained"], facts["drivers"][0]["left_out"]
    record = Provenance.model_validate(facts | {"notices": []})
    assert record.drivers[0].untrained == ()
    made = replay(record, women, IMAGE)
    assert made.verdict == "equal"
    assert made.differences == ()
    assert NEVER in made.result.provenance.notices


def test_an_older_mixture_with_a_share_of_0_is_replayed_with_it(
    women: LoadedModel,
) -> None:
    both = DriverRecord(
        attribute="sex",
        value=None,
        values=("female", "male"),
        routers=(0, 1),
        weights=(1.0, 0.0),
        prior="card",
    )
    # What segment() made of an unknown sex before such values were left out.
    image, settings = SpatialImage.of(IMAGE), InferenceSettings()
    choices = [combined((both,), 2)]
    (earlier,) = segment_variants(women, image, choices, settings, silent)
    record = earlier.provenance.model_copy(update={"notices": ()})
    made = replay(record, women, IMAGE)
    assert made.verdict == "equal"
    (driver,) = made.result.provenance.drivers
    assert driver.weights == (1.0, 0.0)
    assert driver.words.startswith("sex unknown: female alone")


def test_a_card_that_states_nothing_says_nothing(
    tiny_checkpoint: Checkpoint,
) -> None:
    model = load_checkpoint(tiny_checkpoint(2, 2), card="ham10000-sex")
    record = segment(model, IMAGE, Patient(sex="male")).provenance
    assert record.drivers[0].untrained == ()
    assert not any("trained" in notice for notice in record.notices)
