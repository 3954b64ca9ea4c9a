"""Experts muted and pinned, gating noise sampled: what changes, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from places import DATA

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.ablation import ablate
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress

Checkpoint = Callable[..., Path]
BLACK = Patient(race="Black")
ONE = InferenceSettings(batch=1)


def lively(loaded: LoadedModel) -> LoadedModel:
    """Return a random model whose experts and values matter to its masks."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in loaded.module.named_parameters():
            if name.startswith(("moe.expert_out", "decoder", "head")):
                parameter.normal_(generator=generator)
    return loaded


@pytest.fixture
def race(tiny_checkpoint: Checkpoint) -> LoadedModel:
    return lively(load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race"))


@pytest.fixture
def lonely(race: LoadedModel) -> LoadedModel:
    """A model whose expert 2 no token ever chooses."""
    with torch.no_grad():
        race.network.moe.router_bias[:, 2] = -1e6
    return race


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)


@pytest.fixture(scope="module")
def unet() -> LoadedModel:
    loaded = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage")
    plain = VolumePreprocessing(window=(0, 1), patch=(32, 32, 64))
    card = loaded.card.model_copy(update={"preprocessing": plain})
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=card)


@pytest.fixture(scope="module")
def volume() -> SpatialImage:
    data = np.random.default_rng(0).random((32, 32, 80), dtype=np.float32)
    return SpatialImage(data, ("z", "y", "x"), np.diag([4.0, 3, 3, 1]), "mm")


def test_muting_an_unused_expert_changes_nothing(
    lonely: LoadedModel, image: np.ndarray
) -> None:
    ablated = ablate(lonely, image, BLACK, mute=[(None, 2)])
    plain = segment(lonely, image, BLACK)
    np.testing.assert_array_equal(ablated.plain.labels, plain.labels)
    np.testing.assert_array_equal(ablated.result.labels, plain.labels)
    for ours, theirs in zip(
        ablated.result.routing.gates, plain.routing.gates, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    effect = ablated.effects[2]
    assert (effect.load, effect.n_different) == (0, 0)
    assert all(change == 0 for change in effect.changes)
    # It was muted nevertheless, and says so.
    assert not ablated.result.provenance.is_plain


def test_muting_an_unused_expert_in_the_network_itself_changes_no_bit(
    lonely: LoadedModel, image: np.ndarray
) -> None:
    muted = segment(lonely, image, BLACK, experts=ExpertControl(frozenset({(None, 2)})))
    plain = segment(lonely, image, BLACK)
    np.testing.assert_array_equal(muted.labels, plain.labels)
    for ours, theirs in zip(muted.routing.gates, plain.routing.gates, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_muting_an_unused_expert_of_a_volume_changes_nothing(
    unet: LoadedModel, volume: SpatialImage
) -> None:
    with torch.no_grad():
        kept = unet.network.moes[1].router_bias[:, 5].clone()
        unet.network.moes[1].router_bias[:, 5] = -1e6
    try:
        patient = Patient(severity="T2")
        ablated = ablate(unet, volume, patient, mute=[(1, 5)], effects=False)
    finally:
        with torch.no_grad():
            unet.network.moes[1].router_bias[:, 5] = kept
    assert ablated.comparison.n_different == 0
    assert ablated.result.provenance.departures == ("expert 5 muted in stage 1",)


def test_effects_are_those_of_muting_each_expert_alone(
    race: LoadedModel, image: np.ndarray
) -> None:
    ablated = ablate(race, image, BLACK, settings=ONE)
    assert ablated.result is ablated.plain
    assert [effect.expert for effect in ablated.effects] == [0, 1, 2, 3]
    assert sum(effect.load for effect in ablated.effects) == pytest.approx(1)
    for effect in ablated.effects:
        control = ExpertControl(frozenset({(None, effect.expert)}))
        muted = segment(race, image, BLACK, experts=control, settings=ONE)
        different = muted.labels != ablated.plain.labels
        assert effect.n_different == np.count_nonzero(different)
        pixels = [np.count_nonzero(muted.labels == k) for k in (1, 2)]
        before = [np.count_nonzero(ablated.plain.labels == k) for k in (1, 2)]
        assert effect.changes == tuple(np.subtract(pixels, before))
    assert any(effect.n_different for effect in ablated.effects)
    assert ablated.rows()[1]["muted expert"] == 1


def test_effects_can_be_those_of_one_block(
    race: LoadedModel, image: np.ndarray
) -> None:
    plain = segment(race, image, BLACK, settings=ONE)
    ablated = ablate(race, image, BLACK, block=1, plain=plain, settings=ONE)
    assert ablated.plain is plain
    control = ExpertControl(frozenset({(1, 0)}))
    muted = segment(race, image, BLACK, experts=control, settings=ONE)
    expected = np.count_nonzero(muted.labels != plain.labels)
    assert ablated.effects[0].n_different == expected


def test_a_result_of_somebody_else_is_not_compared_with(
    race: LoadedModel, image: np.ndarray
) -> None:
    other = segment(race, image, Patient(race="Asian"))
    control = ExpertControl(frozenset({(None, 0)}))
    muted = segment(race, image, BLACK, experts=control)
    for wrong in (other, muted):
        with pytest.raises(ValueError, match="another model or patient"):
            ablate(race, image, BLACK, plain=wrong)


@pytest.mark.parametrize("effects", [True, False])
def test_a_result_of_another_image_is_not_compared_with(
    race: LoadedModel, image: np.ndarray, effects: bool
) -> None:
    plain = segment(race, image, BLACK, settings=ONE)
    spaced = SpatialImage.from_array(image, spacing=(2, 2), unit="mm")
    for other in (255 - image, image[:-1], image.astype(np.uint16), spaced):
        with pytest.raises(ValueError, match=r"\(another image\)"):
            ablate(race, other, BLACK, plain=plain, settings=ONE, effects=effects)
    odd = ONE.model_copy(update={"scored_at": "network"})
    with pytest.raises(ValueError, match=r"\(other settings\)"):
        ablate(race, image, BLACK, plain=plain, settings=odd, effects=effects)
    kept = ONE.model_copy(update={"probabilities": True, "batch": 3})
    ablate(race, image, BLACK, plain=plain, settings=kept, effects=effects)


def test_a_pinned_expert_has_every_gate(race: LoadedModel, image: np.ndarray) -> None:
    ablated = ablate(race, image, BLACK, pin={None: 3, 0: 1}, effects=False)
    gates = ablated.result.routing.gates
    assert (gates[0][..., 1] == 1).all()
    assert (gates[1][..., 3] == 1).all()
    assert ablated.result.provenance.departures == (
        "expert 3 pinned in all blocks",
        "expert 1 pinned in block 0",
    )
    assert ablated.comparison.n_different == np.count_nonzero(
        ablated.result.labels != ablated.plain.labels
    )


def test_controls_of_rows_in_one_batch_do_not_mix(
    race: LoadedModel, image: np.ndarray
) -> None:
    x, category = torch.rand(3, 3, 32, 32), torch.tensor([0, 1, 2])
    controls = [None, ExpertControl(frozenset({(0, 1)})), ExpertControl(pin={None: 2})]
    with torch.inference_mode():
        together = race.network(x, category, experts=controls)
        for row, control in enumerate(controls):
            alone = race.network(
                x[row : row + 1], category[row : row + 1], experts=control
            )
            for ours, theirs in zip(together.gates, alone.gates, strict=True):
                torch.testing.assert_close(ours[row], theirs[0], atol=1e-5, rtol=1e-4)
        with pytest.raises(ValueError, match="one a sample: found 2 for 3"):
            race.network(x, category, experts=controls[:2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mute": [(None, e) for e in range(4)]}, "all 4 experts of block 0 are muted"),
        ({"mute": [(1, e) for e in range(4)]}, "all 4 experts of block 1 are muted"),
        ({"mute": [(2, 0)]}, "block 2 does not exist: there are 2"),
        ({"mute": [(0, 4)]}, "expert 4 does not exist: there are 4"),
        ({"pin": {0: -1}}, "expert -1 does not exist"),
        ({"pin": {None: 1}, "mute": [(1, 1)]}, "all 4 experts of block 1"),
        ({"block": 7}, "block 7 does not exist"),
    ],
)
def test_interventions_that_cannot_be_are_refused(
    race: LoadedModel, image: np.ndarray, arguments: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ablate(race, image, BLACK, **arguments)


def test_a_network_without_experts_has_none_to_mute(
    tiny_checkpoint: Checkpoint, image: np.ndarray
) -> None:
    without = load_checkpoint(tiny_checkpoint(0, 3))
    with pytest.raises(ValueError, match="no experts"):
        ablate(without, image, mute=[(None, 0)])
    with pytest.raises(ValueError, match="no gating noise"):
        uncertainty(without, image)


def test_noise_samples_are_those_of_single_runs(
    race: LoadedModel, image: np.ndarray
) -> None:
    counted = uncertainty(race, image, BLACK, samples=3, seed=5, settings=ONE)
    np.testing.assert_array_equal(counted.votes.sum(0), 3)
    first = segment(
        race,
        image,
        BLACK,
        settings=InferenceSettings(noise=True, seed=5, batch=1),
    )
    alone = uncertainty(race, image, BLACK, samples=1, seed=5, settings=ONE)
    np.testing.assert_array_equal(alone.labels, first.labels)
    assert (counted.votes[first.labels, *np.indices(first.labels.shape)] > 0).all()
    assert counted.provenance.made_by == "uncertainty"
    assert counted.provenance.settings["samples"] == 3


def test_noise_samples_are_reproducible_whatever_the_batch(
    race: LoadedModel, image: np.ndarray
) -> None:
    def votes(**changes: int) -> np.ndarray:
        batch = changes.pop("batch", 8)
        settings = InferenceSettings(batch=batch)
        arguments = {"samples": 6, "seed": 1, "settings": settings} | changes
        return uncertainty(race, image, BLACK, **arguments).votes

    np.testing.assert_array_equal(votes(), votes())
    assert (votes() == votes(batch=2)).mean() > 0.999
    assert not np.array_equal(votes(), votes(seed=2))
    more = votes(samples=9).astype(int) - votes()
    assert (more >= 0).mean() > 0.999  # the first six are the same


def test_intervals_and_entropies_follow_from_the_samples(
    race: LoadedModel, image: np.ndarray
) -> None:
    counted = uncertainty(race, image, samples=5)
    for interval in counted.intervals:
        assert len(interval.sizes) == 5
        assert min(interval.sizes) <= interval.low <= interval.median
        assert interval.median <= interval.high <= max(interval.sizes)
    assert counted.entropy.max() <= np.log2(3) + 1e-6
    for votes, entropy in zip(
        counted.expert_votes, counted.expert_entropy, strict=True
    ):
        np.testing.assert_array_equal(votes.sum(0), 5)
        assert votes.shape == (4, 2, 2)
        assert entropy.shape == (2, 2)


def test_volumes_are_sampled_with_votes_only(
    unet: LoadedModel, volume: SpatialImage
) -> None:
    counted = uncertainty(unet, volume, Patient(severity="T1"), samples=2)
    assert (counted.votes.dtype, counted.votes.shape) == (np.uint8, (2, 32, 32, 80))
    assert [votes.shape[0] for votes in counted.expert_votes] == [8] * 5
    assert counted.intervals[0].unit == "mL"


@pytest.mark.parametrize("samples", [0, 65])
def test_samples_out_of_range_are_refused(
    race: LoadedModel, image: np.ndarray, samples: int
) -> None:
    with pytest.raises(ValueError, match=r"1\.\.64"):
        uncertainty(race, image, samples=samples)


def test_the_progress_names_samples_and_muted_experts(
    race: LoadedModel, image: np.ndarray
) -> None:
    steps: list[Progress] = []
    told = {"settings": ONE, "progress": steps.append}
    uncertainty(race, image, BLACK, samples=3, **told)
    said = list(dict.fromkeys(step.message for step in steps))
    drawn = ["drawing the mask", "done"]  # each time
    assert said == ["sample 1 of 3", *drawn, "sample 2 of 3", "sample 3 of 3"]
    steps.clear()
    uncertainty(race, image, BLACK, samples=16, progress=steps.append)
    assert steps[0].message.startswith("samples 1 to ")
    steps.clear()
    ablate(race, image, BLACK, mute=[(None, 1)], **told)
    said = list(dict.fromkeys(step.message for step in steps))
    assert said[:4] == ["the plain mask", *drawn, "expert 1 muted"]
    runs = [text for text in said if text.startswith("run ")]
    n = len(runs)
    assert runs[-1] == f"run {n} of {n}: expert 3 muted"
