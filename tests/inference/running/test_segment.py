"""Gated inference from an image and a patient to labels, routing and provenance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_dmoe.imaging.preprocessing import prepare
from napari_dmoe.imaging.restoration import restore_labels
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.running.devices import Batches, DeviceError, choose_device
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.progress import Cancelled, Progress

Checkpoint = Callable[..., Path]

GPU = {"cuda": "cuda", "mps": "mps"}.get(choose_device("auto").device.type)


@pytest.fixture
def race(tiny_checkpoint: Checkpoint) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)


def logits_of(loaded: LoadedModel, image: np.ndarray, category: int) -> torch.Tensor:
    tensor = prepare(SpatialImage.from_array(image), loaded.card.preprocessing).tensor[
        None
    ]
    with torch.inference_mode():
        return loaded.network(tensor, torch.tensor([category])).logits[0]


@pytest.mark.parametrize(
    ("card", "n_routers", "n_classes", "patient", "router", "value"),
    [
        ("fairseg-race", 3, 3, Patient(race="white"), 2, "White"),
        ("fairseg-sex", 2, 3, Patient(sex="M", race="Black"), 1, "male"),
        ("ham10000-age", 5, 2, Patient(age="63 y"), 3, "60-79"),
        ("ham10000-age", 5, 2, Patient(age=80), 4, "80 and over"),
        ("ham10000-site", 10, 2, Patient(others={"body_site": "Back"}), 2, "back"),
        ("fairseg-age", 5, 3, Patient(age=59.9), 0, "below 60"),
    ],
)
def test_the_driver_alone_chooses_the_router(
    tiny_checkpoint: Checkpoint,
    image: np.ndarray,
    card: str,
    n_routers: int,
    n_classes: int,
    patient: Patient,
    router: int,
    value: str,
) -> None:
    loaded = load_checkpoint(tiny_checkpoint(n_routers, n_classes), card=card)
    result = segment(loaded, image, patient)
    driver = result.provenance.drivers[0]
    assert (driver.value, driver.routers) == (value, (router,))
    source = SpatialImage.from_array(image)
    prepared = prepare(source, loaded.card.preprocessing)
    expected = restore_labels(
        logits_of(loaded, image, router),
        prepared.grid,
        image.shape,
        prepared.placement.seen,
    )
    np.testing.assert_array_equal(result.labels, expected)
    assert result.classes == read_card(card).classes


def test_an_unknown_driver_mixes_probabilities_of_all_values(
    race: LoadedModel, image: np.ndarray
) -> None:
    settings = InferenceSettings(scored_at="network", probabilities=True)
    result = segment(race, image, settings=settings)
    each = torch.stack([logits_of(race, image, c).softmax(0) for c in range(3)])
    np.testing.assert_allclose(result.probabilities, each.mean(0), atol=1e-6)
    np.testing.assert_array_equal(result.labels, each.mean(0).argmax(0))
    assert list(result.by_value) == ["Asian", "Black", "White"]
    for value, labels in zip(result.by_value.values(), each, strict=True):
        np.testing.assert_array_equal(value, labels.argmax(0))
    assert result.provenance.drivers[0].value is None
    assert result.provenance.drivers[0].weights == pytest.approx((1 / 3,) * 3)


def test_training_frequencies_weight_the_mixture(
    tiny_checkpoint: Checkpoint, image: np.ndarray
) -> None:
    card = read_card("fairseg-sex")
    attribute = card.attributes[0].model_copy(update={"frequencies": (3.0, 1.0)})
    stated = card.model_copy(update={"attributes": (attribute,)})
    loaded = load_checkpoint(tiny_checkpoint(2, 3), card=stated)
    settings = InferenceSettings(scored_at="network", probabilities=True)
    result = segment(loaded, image, settings=settings)
    female, male = (logits_of(loaded, image, c).softmax(0) for c in range(2))
    np.testing.assert_allclose(
        result.probabilities, 0.75 * female + 0.25 * male, atol=1e-6
    )


def test_an_unused_router_is_never_run(
    tiny_checkpoint: Checkpoint, image: np.ndarray
) -> None:
    loaded = load_checkpoint(tiny_checkpoint(5, 3), card="fairseg-age")
    assert segment(loaded, image).provenance.drivers[0].routers == (0, 1)


def test_unknown_is_refused_when_asked_to(race: LoadedModel, image: np.ndarray) -> None:
    with pytest.raises(PatientError, match=r"race is unknown.*Asian, Black, White"):
        segment(race, image, settings=InferenceSettings(unknown="refuse"))


def test_a_value_the_model_does_not_know_is_refused(
    race: LoadedModel, image: np.ndarray
) -> None:
    with pytest.raises(PatientError, match="it knows Asian, Black, White"):
        segment(race, image, Patient(race="Martian"))


def test_models_without_a_choice_need_no_patient(
    tiny_checkpoint: Checkpoint, image: np.ndarray
) -> None:
    single = load_checkpoint(tiny_checkpoint(1, 3, name="single.pth"))
    assert segment(single, image).routing.gates[0].shape[0] == 1
    without = load_checkpoint(tiny_checkpoint(0, 3, name="none.pth"))
    result = segment(without, image)
    assert result.routing is None
    assert result.provenance.drivers == ()


def test_stacks_and_series_run_plane_by_plane(race: LoadedModel) -> None:
    series = np.random.default_rng(1).integers(0, 256, (2, 3, 20, 24), dtype=np.uint8)
    image = SpatialImage(series, ("t", "z", "y", "x"))
    settings = InferenceSettings(batch=4)
    steps: list[Progress] = []
    result = segment(
        race, image, Patient(race="Asian"), settings=settings, progress=steps.append
    )
    assert result.axes == ("t", "z", "y", "x")
    assert result.labels.shape == series.shape
    assert [g.shape for g in result.routing.gates] == [(1, 2, 3, 2, 2, 4)] * 2
    assert result.routing.axes == ("t", "z")
    starts = [step.fraction for step in steps if step.phase == "preparing"]
    assert starts[0] == 0
    assert starts == sorted(starts)
    assert any(f == pytest.approx(4 / 6, abs=1e-3) for f in starts)  # another batch
    assert (steps[-1].message, steps[-1].fraction) == ("done", 1)
    alone = segment(race, series[1, 2], Patient(race="Asian"))
    np.testing.assert_array_equal(result.labels[1, 2], alone.labels)
    for several, one in zip(result.routing.gates, alone.routing.gates, strict=True):
        np.testing.assert_allclose(several[:, 1, 2], one, atol=1e-5)


def test_channels_may_stand_anywhere(race: LoadedModel) -> None:
    colour = np.random.default_rng(2).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    last = segment(race, colour, Patient(race="Asian"))
    first = segment(
        race,
        SpatialImage(np.moveaxis(colour, -1, 0), ("c", "y", "x")),
        Patient(race="Asian"),
    )
    np.testing.assert_array_equal(first.labels, last.labels)


def test_outside_the_centre_crop_is_background_and_said(
    tiny_checkpoint: Checkpoint,
) -> None:
    card = read_card("fairseg-race")
    small = card.preprocessing.model_copy(update={"crop": 20})
    loaded = load_checkpoint(
        tiny_checkpoint(3, 3), card=card.model_copy(update={"preprocessing": small})
    )
    image = np.random.default_rng(3).integers(0, 256, (30, 40), dtype=np.uint8)
    result = segment(loaded, image, Patient(race="Black"))
    inside = np.zeros(image.shape, bool)
    inside[5:25, 10:30] = True
    assert not result.labels[~inside].any()
    assert result.provenance.seen == ((5, 25), (10, 30))
    assert any("20 x 20" in notice for notice in result.provenance.notices)


def test_planes_that_are_unlike_the_card_are_said_once(race: LoadedModel) -> None:
    stack = np.arange(5 * 20 * 20, dtype=np.int16).reshape(5, 20, 20)
    notices = segment(race, stack, Patient(race="Asian")).provenance.notices
    assert notices == ("values reach 1999: 0 to 1999 was scaled to 0 to 255",)


def test_tokens_lie_at_the_centres_of_their_patches(race: LoadedModel) -> None:
    result = segment(race, np.zeros((32, 32), np.uint8), Patient(race="Asian"))
    # 32 pixels are the network's input: patches of 16, centred at 7.5 and 23.5.
    grid = result.routing.grids[0]
    assert grid.shape == (2, 2)
    np.testing.assert_allclose(grid.coordinates(0), [7.5, 23.5])


def test_noise_is_reproducible_and_independent_of_the_batch(
    race: LoadedModel,
) -> None:
    stack = np.random.default_rng(4).integers(0, 256, (5, 20, 20), dtype=np.uint8)

    def gates(**changes: object) -> np.ndarray:
        settings = InferenceSettings(noise=True, **changes)
        return np.stack(segment(race, stack, settings=settings).routing.gates)

    np.testing.assert_allclose(gates(seed=1), gates(seed=1, batch=1), atol=1e-5)
    assert not np.allclose(gates(seed=1), gates(seed=2), atol=1e-3)
    several = gates(seed=1, samples=3)
    np.testing.assert_allclose(several.sum(-1), 1, atol=1e-5)


def test_dropout_is_off_and_two_runs_are_equal(
    race: LoadedModel, image: np.ndarray
) -> None:
    race.module.train()
    first, second = (segment(race, image, Patient(race="Asian")) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.routing.gates, second.routing.gates)


def test_a_cancelled_run_stops_at_the_next_batch(race: LoadedModel) -> None:
    seen: list[int] = []

    def stop(step: Progress) -> None:
        seen.append(step.done)
        if step.phase == "running":
            raise Cancelled

    settings = InferenceSettings(batch=1)
    stack = np.zeros((50, 20, 20), np.uint8)
    with pytest.raises(Cancelled):
        segment(race, stack, Patient(race="Asian"), settings=settings, progress=stop)
    assert max(seen) < 100_000  # of 50 times that


def test_provenance_holds_no_age_and_no_unused_attribute(
    tiny_checkpoint: Checkpoint, image: np.ndarray
) -> None:
    loaded = load_checkpoint(tiny_checkpoint(5, 2), card="ham10000-age")
    patient = Patient(age=67.25, sex="female", race="Black", severity="T2")
    record = segment(loaded, image, patient).provenance
    text = record.model_dump_json(exclude={"created"})  # "T2" is in T22:00 o'clock too
    assert "60-79" in text
    for secret in ("67", "female", "Black", "T2"):
        assert f'"{secret}"' not in text


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 5), np.uint8), "empty"),
        (np.zeros((9, 9), complex), "complex"),
        (np.full((9, 9), np.nan), "no finite value"),
        (np.zeros((9, 9, 2), np.uint8), "ambiguous|channels"),
        (np.zeros((1, 1), np.uint8), "at least 2 x 2"),
        (np.zeros((3, 5, 5), np.uint8), "ambiguous"),
        (np.zeros(7, np.uint8), "ambiguous"),
    ],
)
def test_unusable_images_give_one_clear_message(
    race: LoadedModel, array: np.ndarray, message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        segment(race, array)


@pytest.mark.parametrize(
    ("array", "notice"),
    [
        (np.full((9, 9), 7, np.uint8), "constant"),
        (np.where(np.eye(9) > 0, np.inf, 1.0), "no finite numbers"),
        (np.eye(9).astype(bool), "mask"),
        (np.eye(9).astype(np.int16) * 300 - 100, "below 0"),
        (np.dstack([np.eye(9, dtype=np.uint8)] * 4) * 255, "opacity"),
    ],
)
def test_odd_images_give_a_defined_result_and_a_notice(
    race: LoadedModel, array: np.ndarray, notice: str
) -> None:
    result = segment(race, array, settings=InferenceSettings(probabilities=True))
    assert result.labels.shape == (9, 9)
    assert np.isfinite(result.probabilities).all()
    assert any(notice in text for text in result.provenance.notices)


def test_a_device_that_is_not_there_is_never_replaced() -> None:
    with pytest.raises(DeviceError, match="no device called 'abacus'"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="'cuda:3' is not there"):
            choose_device("cuda:3")
    assert choose_device("auto").reason


def test_memory_that_runs_out_halves_the_batch_then_moves_to_the_cpu() -> None:
    asked: list[tuple[int, str]] = []

    def forward(rows: range, device: torch.device) -> int:
        asked.append((len(rows), device.type))
        if device.type != "cpu":
            raise torch.OutOfMemoryError("full")
        return len(rows)

    batches = Batches(torch.device("meta"), batch=4)
    assert batches.run(range(8), forward) == 1
    assert asked == [(4, "meta"), (2, "meta"), (1, "meta"), (1, "cpu")]
    assert batches.notices[-1] == (
        "the device meta ran out of memory: the CPU took over"
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("full"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
    ],
)
def test_memory_that_runs_out_on_the_cpu_is_an_error(error: RuntimeError) -> None:
    asked: list[int] = []

    def forward(rows: range, device: torch.device) -> int:
        asked.append(len(rows))
        raise error

    with pytest.raises(MemoryError, match="does not fit"):
        Batches(torch.device("cpu"), batch=2).run(range(2), forward)
    assert asked == [2, 1]


def test_other_errors_of_the_network_are_not_taken_for_memory() -> None:
    def forward(rows: range, device: torch.device) -> int:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        Batches(torch.device("cpu"), batch=2).run(range(2), forward)


@pytest.mark.gpu
@pytest.mark.skipif(GPU is None, reason="no CUDA or MPS device")
def test_labels_on_a_gpu_equal_those_on_the_cpu(
    race: LoadedModel, image: np.ndarray
) -> None:
    on_cpu, on_gpu = (
        segment(race, image, settings=InferenceSettings(device=name)).labels
        for name in ("cpu", GPU)
    )
    assert (on_cpu == on_gpu).mean() >= 0.9999
