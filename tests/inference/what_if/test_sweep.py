"""Every value of a driver, side by side: equal to single runs, and what differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from places import DATA

from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.masks.agreement import LabelFrame, Votes, flipping_regions
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.running.devices import choose_device
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.interpolation import interpolate
from napari_dmoe.inference.what_if.sweep import MAJORITY, MIXTURE, sweep
from napari_dmoe.inference.what_if.sweep_result import BEHAVIOUR, SweepRecord
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.progress import Cancelled, Progress

Checkpoint = Callable[..., Path]
GPU = {"cuda": "cuda", "mps": "mps"}.get(choose_device("auto").device.type)
ONE = InferenceSettings(batch=1)
SEX = CardAttribute(name="sex", values=("female", "male"), frequencies=(0.25, 0.75))
AGE = CardAttribute(name="age", values=("below 50", "from 50"), edges=(50,))
CARD = ModelCard(
    name="two", title="Two", attributes=(SEX, AGE), classes=("background", "lesion")
)


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
def two(tiny_checkpoint: Checkpoint) -> LoadedModel:
    return lively(load_checkpoint(tiny_checkpoint(4, 2), card=CARD))


@pytest.fixture
def image() -> SpatialImage:
    data = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    return SpatialImage.from_array(data, spacing=(0.5, 0.5), unit="mm")


@pytest.fixture(scope="module")
def unet() -> LoadedModel:
    loaded = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage")
    plain = VolumePreprocessing(window=(0, 1), patch=(32, 32, 64))
    card = loaded.card.model_copy(update={"preprocessing": plain})
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=card)


@pytest.fixture(scope="module")
def volume() -> SpatialImage:
    data = np.random.default_rng(0).random((40, 32, 70), dtype=np.float32)
    return SpatialImage(data, ("z", "y", "x"), np.diag([4.0, 3, 3, 1]), "mm")


def test_a_sweep_equals_single_runs_bit_for_bit_at_equal_batch(
    race: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(race, image, attribute="race", settings=ONE)
    assert [value.name for value in swept.values] == ["Asian", "Black", "White"]
    for value in swept.values:
        alone = segment(race, image, Patient(race=value.name), settings=ONE)
        np.testing.assert_array_equal(value.labels, alone.labels)
        for ours, theirs in zip(value.routing.gates, alone.routing.gates, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert value.provenance.labels_sha256 == alone.provenance.labels_sha256
        assert value.provenance.drivers == alone.provenance.drivers
        assert value.provenance.image == alone.provenance.image


def test_values_in_one_batch_differ_from_single_runs_in_near_ties_only(
    race: LoadedModel,
) -> None:
    stack = np.random.default_rng(1).integers(0, 256, (5, 20, 24), dtype=np.uint8)
    swept = sweep(race, stack, attribute="race", settings=InferenceSettings(batch=7))
    for value in swept.values:
        alone = segment(race, stack, Patient(race=value.name))
        assert (value.labels == alone.labels).mean() >= 0.9999
        assert value.labels.shape == (5, 20, 24)
        for ours, theirs in zip(value.routing.gates, alone.routing.gates, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_values_are_compared_with_the_patients_own(
    race: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(race, image, attribute="race", patient=Patient(race="Black"))
    chosen = swept.values[1]
    assert (swept.reference.name, swept.reference.place) == ("Black", 1)
    assert [value.is_chosen for value in swept.values] == [False, True, False]
    assert chosen.n_different == 0
    assert all(d == 1 or np.isnan(d) for d in chosen.dice)
    assert swept.differs.any()
    differs = sum((v.labels != chosen.labels).astype(int) for v in swept.values)
    np.testing.assert_array_equal(swept.differs, differs)
    for value in swept.values:
        pixels = [np.count_nonzero(value.labels == k) for k in (1, 2)]
        assert [size.n_pixels for size in value.sizes] == pixels
        assert value.sizes[0].size == pytest.approx(pixels[0] / 4)
        assert (value.sizes[0].unit, value.ratio is not None) == ("mm²", True)


def test_an_unknown_value_is_compared_with_the_mixture(
    race: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(race, image, attribute="race", settings=ONE)
    mixture = segment(race, image, settings=ONE)
    assert (swept.reference.name, swept.reference.place) == (MIXTURE, None)
    np.testing.assert_array_equal(swept.reference.labels, mixture.labels)
    refusing = InferenceSettings(unknown="refuse")
    majority = sweep(race, image, attribute="race", settings=refusing)
    assert majority.reference.name == MAJORITY
    for found in (swept, majority):
        pixels = [np.count_nonzero(found.reference.labels == k) for k in (1, 2)]
        assert [size.n_pixels for size in found.reference.sizes] == pixels


def test_values_of_a_mixture_are_what_they_are_alone(
    race: LoadedModel, image: SpatialImage
) -> None:
    mixture = segment(race, image, settings=ONE)
    for name, labels in mixture.by_value.items():
        alone = segment(race, image, Patient(race=name), settings=ONE)
        np.testing.assert_array_equal(labels, alone.labels)


@pytest.mark.gpu
@pytest.mark.skipif(GPU is None, reason="no CUDA or MPS device")
def test_a_sweep_on_a_gpu_equals_one_on_the_cpu_and_is_replayed(
    race: LoadedModel, image: SpatialImage
) -> None:
    on_cpu, on_gpu = (
        sweep(race, image, attribute="race", settings=InferenceSettings(device=name))
        for name in ("cpu", GPU)
    )
    for ours, theirs in zip(on_gpu.values, on_cpu.values, strict=True):
        assert (ours.labels == theirs.labels).mean() >= 0.9999
        again = replay(ours.provenance, race, image, labels=ours.labels)
        assert again.verdict in ("equal", "near")


def test_other_unknown_drivers_stay_mixed(
    two: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(two, image, attribute="age", settings=ONE)
    for value in swept.values:
        alone = segment(two, image, Patient(age=value.name), settings=ONE)
        np.testing.assert_array_equal(value.labels, alone.labels)
        assert value.provenance.drivers[0].weights == (0.25, 0.75)
    refusing = InferenceSettings(unknown="refuse")
    with pytest.raises(PatientError, match="sex is unknown"):
        sweep(two, image, attribute="age", settings=refusing)


def test_two_drivers_make_a_grid(two: LoadedModel, image: SpatialImage) -> None:
    swept = sweep(two, image, attribute=("sex", "age"), settings=ONE)
    assert swept.shape == (2, 2)
    assert [v.values for v in swept.values] == [
        ("female", "below 50"),
        ("female", "from 50"),
        ("male", "below 50"),
        ("male", "from 50"),
    ]
    for value in swept.values:
        sex, age = value.values
        alone = segment(two, image, Patient(sex=sex, age=age), settings=ONE)
        np.testing.assert_array_equal(value.labels, alone.labels)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("age", "age does not drive this model.*drivers are race"),
        ((), "one attribute, or two"),
        (("race", "race"), "two that differ"),
    ],
)
def test_what_cannot_be_swept_is_refused(
    race: LoadedModel, image: SpatialImage, attribute: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sweep(race, image, attribute=attribute)


def test_every_sweep_is_said_to_be_the_models_behaviour(
    race: LoadedModel, two: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(race, image, attribute="race")
    assert swept.summary.endswith(BEHAVIOUR)
    assert all(row["note"].startswith(BEHAVIOUR) for row in swept.rows())
    assert sweep(two, image, attribute="age").summary.endswith(BEHAVIOUR)
    pair = sweep(two, image, attribute=("age", "sex"))
    assert pair.summary.endswith(BEHAVIOUR)


def test_the_record_of_a_sweep_holds_every_value(
    race: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(race, image, attribute="race", patient=Patient(race="White", age=7))
    record = json.loads(swept.record().model_dump_json())
    assert list(record["values"]) == ["Asian", "Black", "White"]
    assert record["reference"] == "White"
    assert all(each["swept"] == ["race"] for each in record["values"].values())
    assert '"age"' not in swept.record().model_dump_json()


def test_a_record_says_whether_the_attribute_matters(
    race: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(race, image, attribute="race", patient=Patient(race="White"))
    record = swept.record()
    assert SweepRecord.model_validate_json(record.model_dump_json()) == record
    assert (record.schema_version, record.says) == (2, swept.verdict.says)
    assert record.verdict == swept.headline
    assert (record.yardstick_of, record.reruns) == ("White", 3)
    for found, each in zip(record.structures, swept.verdict.structures, strict=True):
        assert (found.name, found.share) == (each.name, each.share)
        assert max(found.shift, found.rerun) == each.yardstick
    # Records of earlier versions, which held no verdict, are read as well.
    known = {"attributes", "reference", "summary", "values", "statement"}
    older = record.model_dump(mode="json", include=known) | {"schema_version": 1}
    assert SweepRecord.model_validate(older).verdict == ""
    with pytest.raises(ValueError, match="schema_version"):
        SweepRecord.model_validate(older | {"schema_version": 3})


def test_the_table_tells_shares_of_the_structure_and_the_verdict(
    race: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(race, image, attribute="race", patient=Patient(race="White"))
    name = swept.classes[1]
    for row, value in zip(swept.rows(), swept.values, strict=True):
        ours, theirs = value.labels == 1, swept.reference.labels == 1
        share = (ours ^ theirs).sum() / (ours | theirs).sum()
        assert row[f"{name} share that differs"] == pytest.approx(share)
        assert row[f"{name} yardstick"] == swept.verdict.structures[0].yardstick
        assert row["verdict"] == swept.headline
        either = np.count_nonzero(value.labels | swept.reference.labels)
        assert value.share == pytest.approx(value.n_different / either)


def test_a_sweep_can_be_stopped_between_batches(
    race: LoadedModel, image: SpatialImage
) -> None:
    seen: list[Progress] = []

    def stop(step: Progress) -> None:
        seen.append(step)
        if len(seen) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        sweep(race, image, attribute="race", settings=ONE, progress=stop)
    assert len(seen) == 2

    def stop_at_moved(step: Progress) -> None:
        seen.append(step)
        if "moved" in step.message:
            raise Cancelled

    with pytest.raises(Cancelled):
        sweep(race, image, attribute="race", settings=ONE, progress=stop_at_moved)
    assert seen[-1].message == "image moved by one pixel"
    steps: list[Progress] = []
    sweep(race, image, attribute="race", progress=steps.append)
    assert [step.fraction for step in steps] == sorted(s.fraction for s in steps)
    assert steps[-1].fraction == 1
    assert steps[0].message == "values 1 to 3 of 3"


def test_the_progress_names_the_values_and_the_images(
    race: LoadedModel, image: SpatialImage
) -> None:
    steps: list[Progress] = []
    sweep(race, image, attribute="race", settings=ONE, progress=steps.append)
    values = ["value 1 of 3: Asian", "value 2 of 3: Black", "value 3 of 3: White"]
    drawn, moved = ["drawing the mask", "done"], "image moved by one pixel"
    assert list(dict.fromkeys(s.message for s in steps)) == [*values, *drawn, moved]
    stack = np.zeros((5, 20, 24), np.uint8)
    steps = []
    sweep(race, stack, attribute="race", settings=ONE, progress=steps.append)
    said = [f"{value}, image {i} of 5" for i in range(1, 6) for value in values]
    told = list(dict.fromkeys(s.message for s in steps))
    assert [message for message in told if message != drawn[0]] == [
        *said,
        "done",
        moved,
    ]


def test_the_values_of_a_volume_go_through_it_together(
    unet: LoadedModel, volume: SpatialImage
) -> None:
    steps: list[Progress] = []
    swept = sweep(unet, volume, attribute="severity", progress=steps.append)
    windows = {s.message for s in steps if "window" in s.message}
    assert "values 1 to 4 of 4, window 1 of 4" in windows, windows
    assert swept.summary.count("one voxel") == 2
    assert "voxels that differ" in swept.rows()[0]
    assert [value.name for value in swept.values] == ["T1", "T2", "T3", "T4"]
    alone = segment(unet, volume, Patient(severity="T3"))
    np.testing.assert_array_equal(swept.values[2].labels, alone.labels)
    assert swept.reference.name == MAJORITY
    assert (swept.votes.dtype, swept.votes.shape) == (np.uint8, (2, 40, 32, 70))
    np.testing.assert_array_equal(swept.votes.sum(0), 4)
    assert steps[-1].fraction == 1
    assert swept.values[0].sizes[0].unit == "mL"


def test_a_given_prior_weights_the_mixture_and_is_recorded(
    race: LoadedModel, image: SpatialImage
) -> None:
    settings = InferenceSettings(probabilities=True, batch=1, scored_at="network")
    priors = {"race": (0, 3, 1)}
    mixed = segment(race, image, settings=settings, priors=priors)
    black, white = (
        segment(race, image, Patient(race=r), settings=settings).probabilities
        for r in ("Black", "White")
    )
    np.testing.assert_allclose(
        mixed.probabilities, 0.75 * black + 0.25 * white, atol=1e-6
    )
    (driver,) = mixed.provenance.drivers
    assert (driver.prior, driver.weights) == ("given", (0, 0.75, 0.25))
    assert segment(race, image).provenance.drivers[0].prior == "uniform"
    assert mixed.provenance.is_plain


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"race": (1, 1)}, "needs 3 shares"),
        ({"race": (1, -1, 1)}, "none below 0"),
        ({"race": (0, 0, 0)}, "one above it"),
        ({"race": (1, float("nan"), 1)}, "needs 3 shares"),
        ({"age": (1, 1)}, "age does not drive this model"),
    ],
)
def test_priors_that_fit_nothing_are_refused(
    race: LoadedModel, image: SpatialImage, priors: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        segment(race, image, priors=priors)


def test_between_trained_values_routers_are_interpolated_and_marked(
    two: LoadedModel, image: SpatialImage
) -> None:
    patient = Patient(sex="male")
    made = interpolate(
        two,
        image,
        attribute="age",
        positions=(1, 0.25, 0),
        patient=patient,
        settings=ONE,
    )
    for place, value in ((0, "from 50"), (2, "below 50")):
        alone = segment(two, image, patient.with_value("age", value), settings=ONE)
        np.testing.assert_array_equal(made[place].labels, alone.labels)
        assert made[place].provenance.is_plain
    record = made[1].provenance
    assert record.departures == (
        "age between trained values: below 50 to from 50, t = 0.25",
    )
    assert not record.is_plain
    assert record.drivers[1].between == 0.25
    np.testing.assert_allclose(made[1].routing.gates[0].sum(-1), 1, atol=1e-5)


def test_only_ordered_drivers_have_something_between(
    two: LoadedModel, image: SpatialImage
) -> None:
    with pytest.raises(ValueError, match="nothing between the values of sex"):
        interpolate(two, image, attribute="sex", positions=(0.5,))
    with pytest.raises(ValueError, match=r"lie in 0\.\.1: found 1\.5"):
        interpolate(two, image, attribute="age", positions=(1.5,))


masks = st.lists(
    arrays(np.uint8, (4, 5), elements=st.integers(0, 2)), min_size=1, max_size=6
)


@given(masks)
def test_votes_and_entropy_are_those_of_the_masks(found: list[np.ndarray]) -> None:
    votes = Votes(3)
    for mask in found:
        votes.add(mask)
    stack = np.stack(found)
    counts = np.stack([(stack == k).sum(0) for k in range(3)])
    np.testing.assert_array_equal(votes.counts, counts)
    p = counts / len(found)
    expected = -(p * np.log2(np.where(p > 0, p, 1))).sum(0)
    np.testing.assert_allclose(votes.entropy(), expected, atol=1e-6)
    np.testing.assert_array_equal(votes.entropy() > 0, votes.is_split)
    np.testing.assert_array_equal(votes.majority, counts.argmax(0))


@given(masks)
def test_regions_cover_exactly_the_pixels_that_flip(found: list[np.ndarray]) -> None:
    votes = Votes(3)
    for mask in found:
        votes.add(mask)
    frame = LabelFrame(("y", "x"), Grid.identity((4, 5)), ("a", "b", "c"), 2.0, "mm²")
    named = [(str(i), mask) for i, mask in enumerate(found)]
    regions, n = flipping_regions(votes, named, found[0], frame)
    assert len(regions) == n
    assert sum(r.n_pixels for r in regions) == np.count_nonzero(votes.is_split)
    sizes = [r.size for r in regions]
    assert sizes == sorted(sizes, reverse=True)
    for region in regions:
        assert region.size == 2 * region.n_pixels
        assert len(region.classes) >= 2


def test_a_region_knows_its_place_classes_and_values() -> None:
    first = np.zeros((2, 6, 8), np.uint8)
    second = first.copy()
    second[1, 1:4, 2:7] = 2
    votes = Votes(3)
    votes.add(first)
    votes.add(second)
    grid = Grid((6, 8), (10.0, 20.0), (2.0, 2.0))
    frame = LabelFrame(("t", "y", "x"), grid, ("background", "rim", "cup"), 0.5, "mm²")
    (region,), n = flipping_regions(votes, [("A", first), ("B", second)], first, frame)
    assert (n, region.n_pixels, region.size) == (1, 15, 7.5)
    assert region.box == (slice(1, 2), slice(1, 4), slice(2, 7))
    assert region.centroid == (1, 14, 28)
    assert (region.classes, region.masks) == (("background", "cup"), ("B",))
    assert (region.commonest, region.n_apart) == (("background", "cup"), (0, 15))
    second[1, 2, 3:6] = 0  # a ring, whose middle lies outside of it
    votes = Votes(3)
    votes.add(first)
    votes.add(second)
    (ring,), _ = flipping_regions(votes, [("A", first), ("B", second)], first, frame)
    t, y, x = ring.point
    assert votes.is_split[int(t), round((y - 10) / 2), round((x - 20) / 2)]
    assert ring.centroid == (1, 14, 28)
    second[1, 2, 3:6] = 2
    second[0, 1:4, 2:7] = 2  # time is no space: two regions
    votes = Votes(3)
    votes.add(first)
    votes.add(second)
    assert flipping_regions(votes, [], first, frame)[1] == 2


def test_more_masks_than_a_byte_counts_are_refused() -> None:
    votes = Votes(1)
    mask = np.zeros((1, 1), np.uint8)
    for _ in range(255):
        votes.add(mask)
    with pytest.raises(ValueError, match="at most 255"):
        votes.add(mask)
