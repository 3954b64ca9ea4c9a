"""Values and noise samples that go through a volume together are as they are alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.results.routing import NO_ROUTING, KeptRouting
from napari_dmoe.inference.running import forward, variants
from napari_dmoe.inference.running.drivers import RouterChoice, choose_routers
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.slab_inputs import SlabInputs
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.unet import DMoEUNet, UNetConfig
from napari_dmoe.patient import Patient
from napari_dmoe.progress import silent

ALONE = InferenceSettings(device="cpu", batch=1)
SHAPE = (90, 40, 32)
PATCH = (64, 32, 32)


@pytest.fixture(scope="module")
def unet() -> LoadedModel:
    torch.manual_seed(4)
    stated = VolumePreprocessing(window=(0, 1), patch=PATCH)
    card = read_card("prostate-tstage").model_copy(update={"preprocessing": stated})
    n_routers, n_classes = card.n_routers, len(card.classes)
    config = UNetConfig(feature_size=4, n_routers=n_routers, n_classes=n_classes)
    return LoadedModel(DMoEUNet(config).eval(), card, "dmoe-unet3d")


@pytest.fixture(scope="module")
def volume() -> NDArray[np.float32]:
    smooth = np.random.default_rng(5).random((12, 6, 5), np.float32)
    return np.kron(smooth, np.ones((8, 8, 8), np.float32))[: SHAPE[0], : SHAPE[1], :32]


def values_of(loaded: LoadedModel) -> tuple[str, ...]:
    return loaded.card.attributes[0].values


def test_a_value_of_a_sweep_is_what_it_is_alone(
    unet: LoadedModel, volume: NDArray[np.float32]
) -> None:
    values = values_of(unet)
    swept = sweep(unet, volume, attribute="severity", settings=ALONE)
    together = sweep(
        unet, volume, attribute="severity", settings=InferenceSettings(device="cpu")
    )
    assert [each.name for each in swept.values] == list(values)
    for value, same, near in zip(values, swept.values, together.values, strict=True):
        alone = segment(unet, volume, Patient(severity=value), settings=ALONE)
        np.testing.assert_array_equal(same.labels, alone.labels)
        assert (near.labels == alone.labels).mean() >= 0.9999
        assert same.provenance.image == alone.provenance.image
        assert same.provenance.is_plain
        for ours, own in zip(same.routing.gates, alone.routing.gates, strict=True):
            np.testing.assert_array_equal(ours, own)
    assert swept.values[0].labels.any()
    assert (swept.values[0].labels != swept.values[-1].labels).any()


def test_a_sweep_reads_a_volume_once(
    unet: LoadedModel, volume: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, real = list[tuple[int, ...]](), SlabInputs.cut

    def counted(self: SlabInputs, numbers: Sequence[int], **how: Any) -> Any:
        cut.append(tuple(numbers))
        return real(self, numbers, **how)

    monkeypatch.setattr(SlabInputs, "cut", counted)
    choices = [
        choose_routers(unet, Patient(severity=value), ALONE)
        for value in values_of(unet)
    ]
    image = SpatialImage.of(volume)

    def masks() -> list[NDArray[np.uint8]]:
        cut.clear()
        found = variants.segment_variants(unet, image, choices, ALONE, silent)
        return [each.labels for each in found]

    together = masks()
    n = len(cut)
    assert len(set(cut)) == n
    # Of a volume whose scores would not fit, one value follows another.
    monkeypatch.setattr(variants, "SUM_BYTES", 1)
    for one, other in zip(masks(), together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(cut) == n * len(choices)


def test_an_unknown_driver_beside_a_known_one_is_mixed_as_alone(
    unet: LoadedModel, volume: NDArray[np.float32]
) -> None:
    """Probabilities are mixed, where the logits of a value on its own are blended."""
    patients = [Patient(severity=values_of(unet)[1]), Patient()]
    choices = [choose_routers(unet, each, ALONE) for each in patients]
    image = SpatialImage.of(volume)
    found = variants.segment_variants(unet, image, choices, ALONE, silent)
    for result, patient in zip(found, patients, strict=True):
        alone = segment(unet, image, patient, settings=ALONE)
        np.testing.assert_array_equal(result.labels, alone.labels)
        assert result.by_value.keys() == alone.by_value.keys()
        for name, labels in alone.by_value.items():
            np.testing.assert_array_equal(result.by_value[name], labels)


NOISY = ALONE.model_copy(update={"noise": True, "seed": 9})


def gates_of(
    loaded: LoadedModel, choice: RouterChoice, numbers: Sequence[int], batch: int
) -> dict[tuple[int, int], tuple[Any, ...]]:
    """Return the gates by window and sample, of windows that come in some order."""
    drawn = torch.Generator().manual_seed(1)
    windows = torch.rand(5, 1, *PATCH, generator=drawn)
    settings = NOISY.model_copy(update={"batch": batch})
    run = Forward(loaded, choice, settings, batch=batch)
    found = {}
    for begin in range(0, len(numbers), run.inputs_at_once):
        some = list(numbers[begin : begin + run.inputs_at_once])
        answers = run(windows[some], some)
        for place, number in enumerate(some):
            for at, sample in enumerate(choice.samples):
                own = tuple(block[place, at].numpy() for block in answers.gates)
                found[number, sample] = own
    return found


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_noise_is_of_seed_window_block_and_sample_alone(
    unet: LoadedModel, batch: int
) -> None:
    """Whatever comes before, and whatever shares a batch, the draw is the same."""
    own = choose_routers(unet, Patient(severity=values_of(unet)[0]), NOISY)
    choice, _ = variants.joined([own.with_sample(sample) for sample in (0, 1, 2)])
    turned, _ = variants.joined([own.with_sample(sample) for sample in (2, 0)])
    first = gates_of(unet, choice, [0, 1, 2, 3, 4], 1)
    again = gates_of(unet, choice, [3, 0, 4, 2, 1], batch)
    fewer = gates_of(unet, turned, [4, 1], batch)
    for found in (again, fewer):
        for key, blocks in found.items():
            for ours, expected in zip(blocks, first[key], strict=True):
                # Near ties apart, where the last bit decides for another expert.
                assert (np.abs(ours - expected).max(-1) < 1e-3).mean() > 0.999
    same_window, same_sample = first[0, 1], first[1, 0]
    for block in range(5):
        assert np.abs(first[0, 0][block] - same_window[block]).max() > 0.05
        assert np.abs(first[0, 0][block] - same_sample[block]).max() > 0.05


def test_the_blocks_of_a_window_have_draws_of_their_own(unet: LoadedModel) -> None:
    """One stream a window and sample: what a block draws follows on the one before."""
    one, other = (forward.noise_generator(9, 3, 1) for _ in range(2))
    first, second = torch.randn(20, generator=one), torch.randn(20, generator=one)
    whole = torch.cat([torch.randn(20, generator=other) for _ in range(2)])
    assert torch.equal(torch.cat([first, second]), whole)
    assert not torch.equal(first, second)
    sources = [(9, 3, 1), (8, 3, 1), (9, 2, 1), (9, 3, 0)]
    draws = [torch.randn(8, generator=forward.noise_generator(*s)) for s in sources]
    assert len({tuple(draw.tolist()) for draw in draws}) == len(sources)


def test_samples_do_not_depend_on_how_many_there_are(
    unet: LoadedModel, volume: NDArray[np.float32]
) -> None:
    patient = Patient(severity=values_of(unet)[2])
    few, more = (
        uncertainty(unet, volume, patient, samples=n, seed=2, settings=ALONE)
        for n in (2, 3)
    )
    assert few.n_samples == 2
    added = more.votes.astype(int) - few.votes
    assert added.min() == 0
    assert (added.sum(0) == 1).all()
    bare = uncertainty(
        unet, volume, patient, samples=2, seed=2, settings=ALONE, experts=False
    )
    np.testing.assert_array_equal(bare.votes, few.votes)
    assert bare.expert_votes == ()
    assert len(few.expert_votes) == 5


def test_memory_that_does_not_suffice_for_sharing_is_said(
    unet: LoadedModel, volume: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object, **__: object) -> None:
        raise MemoryError

    image, patient = SpatialImage.of(volume), Patient()
    expected = segment(unet, image, patient, settings=ALONE)
    monkeypatch.setattr(forward, "SharedStart", none_left)
    found = segment(unet, image, patient, settings=ALONE)
    np.testing.assert_array_equal(found.labels, expected.labels)
    said = [n for n in found.provenance.notices if n == forward.NOT_SHARED]
    assert said == [forward.NOT_SHARED]
    assert forward.NOT_SHARED not in expected.provenance.notices


def test_routing_is_kept_as_it_is_asked_for(
    unet: LoadedModel, volume: NDArray[np.float32]
) -> None:
    whole = segment(unet, volume, Patient(), settings=ALONE)
    small = KeptRouting((0, 3), each_value=False, precision="float16")
    less = segment(unet, volume, Patient(), settings=ALONE, routing=small)
    np.testing.assert_array_equal(less.labels, whole.labels)
    assert less.routing.blocks == (0, 3)
    assert less.routing.mixed == whole.routing.values
    for block in (0, 3):
        gates = less.routing.gates[less.routing.blocks.index(block)]
        assert gates.dtype == np.float16
        assert gates.shape == (1, *whole.routing.gates[block].shape[1:])
        mean = less.routing.mean(block)
        assert mean.dtype == np.float32
        np.testing.assert_allclose(mean, whole.routing.mean(block), atol=5e-4)
    with pytest.raises(ValueError, match="the routing of block 1 was not kept"):
        less.routing.mean(1)
    none = segment(unet, volume, Patient(), settings=ALONE, routing=NO_ROUTING)
    assert none.routing is None
    np.testing.assert_array_equal(none.labels, whole.labels)
    assert none.provenance.notices == whole.provenance.notices
    with pytest.raises(ValueError, match="block 5 cannot be kept: the network has 5"):
        segment(unet, volume, routing=KeptRouting((5,)))
