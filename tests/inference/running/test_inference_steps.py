"""Steps of a run: Stop acts at each of them, and none changes a result.

Cases 7-9 and 12-14 of ROBUSTNESS.md list E; the table stands in test_inference_faults.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from places import DATA
from stub_networks import assert_same_result, thresholding_model

from napari_dmoe.imaging import lazy, resampling, restoration
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results import provenance
from napari_dmoe.inference.running import forward
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Progress

ON_CPU = InferenceSettings(device="cpu", batch=4)


@pytest.fixture
def race(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")


@pytest.fixture(scope="module")
def unet() -> LoadedModel:
    stated = thresholding_model(window=(0, 255)).card
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=stated)


@pytest.fixture
def series() -> SpatialImage:
    data = np.random.default_rng(0).integers(0, 256, (4, 20, 24), dtype=np.uint8)
    return SpatialImage(data, ("t", "y", "x"))


def scan(shape: tuple[int, ...] = (32, 32, 70)) -> SpatialImage:
    data = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    return SpatialImage(data, ("z", "y", "x"), np.eye(4), "mm")


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every step so small that tiny images take many of them."""
    monkeypatch.setattr(lazy, "BYTES_AT_ONCE", 1)
    monkeypatch.setattr(resampling, "PIXELS_AT_ONCE", 100)
    monkeypatch.setattr("napari_dmoe.imaging.slabs.PIXELS_AT_ONCE", 100)
    monkeypatch.setattr("napari_dmoe.imaging.slabs.NUMBERS_AT_ONCE", 100)
    monkeypatch.setattr("napari_dmoe.inference.running.sums.VOXELS_AT_ONCE", 100)
    monkeypatch.setattr(restoration, "STRIP_VOXELS", 1)
    monkeypatch.setattr(restoration, "MULTIPLICATIONS_AT_ONCE", 1)
    monkeypatch.setattr(provenance, "NUMBERS_AT_ONCE", 100)
    monkeypatch.setattr(forward, "SECONDS_BETWEEN_CALLS", 0)


EVERYTHING = InferenceSettings(device="cpu", batch=1, probabilities=True)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("kind", ["planes", "volume"])
def test_work_of_any_size_is_cut_into_steps_that_change_nothing(
    request: pytest.FixtureRequest, race: LoadedModel, series: SpatialImage, kind: str
) -> None:
    model = thresholding_model(spacing=(1.3, 0.7, 1.0))
    image = series if kind == "planes" else scan((12, 20, 24))
    model = race if kind == "planes" else model
    steps: list[Progress] = []
    small = segment(model, image, settings=EVERYTHING, progress=steps.append)
    assert len(steps) > 200
    shares = [step.fraction for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    request.getfixturevalue("monkeypatch").undo()
    large = segment(model, image, settings=EVERYTHING)
    np.testing.assert_array_equal(small.labels, large.labels)
    np.testing.assert_allclose(small.probabilities, large.probabilities, atol=1e-6)
    record, other = small.provenance, large.provenance
    assert record.image.input_sha256 == other.image.input_sha256


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("kind", ["planes", "volume"])
def test_stop_acts_at_whichever_step_it_comes(
    race: LoadedModel, series: SpatialImage, kind: str
) -> None:
    model, image = (race, series)
    if kind == "volume":
        model, image = thresholding_model(spacing=(2, 2, 2)), scan((6, 12, 14))
    steps: list[Progress] = []
    segment(model, image, settings=EVERYTHING, progress=steps.append)

    def stopping_at(number: int) -> Callable[[Progress], None]:
        calls = iter(range(len(steps)))

        def hook(_: Progress) -> None:
            if next(calls) >= number:  # a further call would end the iterator
                raise Cancelled

        return hook

    for number in range(0, len(steps), max(1, len(steps) // 8)):
        with pytest.raises(Cancelled):
            segment(model, image, settings=EVERYTHING, progress=stopping_at(number))


def test_stop_acts_within_one_pass_of_the_network(
    monkeypatch: pytest.MonkeyPatch, race: LoadedModel
) -> None:
    monkeypatch.setattr(forward, "SECONDS_BETWEEN_CALLS", 0)
    operations: list[int] = []

    def stop(n_rows: int) -> None:
        operations.append(n_rows)
        if len(operations) == 10:
            raise Cancelled

    settings = InferenceSettings(device="cpu", batch=64)
    choice = forward.RouterChoice(((0,),), ("",), (1.0,))
    run = Forward(race, choice, settings, batch=64)
    with pytest.raises(Cancelled):
        run(torch.zeros(8, 3, 32, 32), range(8), done=stop)
    assert operations == [0] * 10
    assert run(torch.zeros(8, 3, 32, 32), range(8)).logits.shape[0] == 8


def test_samples_and_values_of_one_image_move_the_progress(race: LoadedModel) -> None:
    settings = InferenceSettings(device="cpu", batch=2, noise=True, samples=5)
    steps: list[Progress] = []
    segment(race, np.eye(20), settings=settings, progress=steps.append)
    assert dict.fromkeys(step.phase for step in steps) == dict.fromkeys(
        ("preparing", "running", "restoring")
    )
    shares = dict(steps[0].plan)
    before = shares["preparing"]
    done = [(s.fraction - before) / shares["running"] for s in steps if is_running(s)]
    rows = dict.fromkeys(round(15 * share, 2) for share in done)
    assert list(rows) == [*range(0, 15, 2), 15]
    assert [s.fraction for s in steps] == sorted(s.fraction for s in steps)
    assert (steps[-1].message, steps[-1].fraction) == ("done", 1)


@pytest.mark.parametrize(("n_volumes", "window"), [(1, (0, 255)), (3, None)])
def test_preparing_volumes_moves_the_progress(
    n_volumes: int, window: tuple[int, int] | None
) -> None:
    data = np.stack([scan().data] * n_volumes)
    image = SpatialImage(data, ("t", "z", "y", "x"), scan().affine, "mm")
    steps: list[Progress] = []
    segment(thresholding_model(window=window), image, progress=steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    first = next(i for i, step in enumerate(steps) if is_running(step))
    moved = np.diff(fractions[:first])
    assert np.count_nonzero(moved) >= 5
    assert max(moved) <= fractions[first] / 2


def is_running(step: Progress) -> bool:
    return step.phase == "running"


def test_two_threads_with_one_model_get_their_own_results(
    race: LoadedModel, series: SpatialImage
) -> None:
    patients = [Patient(race=value) for value in ("Asian", "Black", "White")] * 2
    alone = [segment(race, series, each, settings=ON_CPU) for each in patients]
    with ThreadPoolExecutor(3) as pool:
        runs = [
            pool.submit(segment, race, series, each, settings=ON_CPU)
            for each in patients
        ]
        for run, expected in zip(runs, alone, strict=True):
            assert_same_result(run.result(), expected)


@pytest.mark.parametrize("kind", ["planes", "volume"])
def test_the_batch_changes_no_label(
    race: LoadedModel, unet: LoadedModel, series: SpatialImage, kind: str
) -> None:
    model, image = (race, series) if kind == "planes" else (unet, scan())
    patient = Patient(race="Asian", severity="T1")
    results = [
        segment(
            model, image, patient, settings=InferenceSettings(device="cpu", batch=n)
        )
        for n in (1, 3)
    ]
    assert_same_result(*results)


@pytest.mark.parametrize("kind", ["planes", "volume"])
def test_runs_leave_no_gradients_no_training_mode_and_no_chance(
    race: LoadedModel, unet: LoadedModel, series: SpatialImage, kind: str
) -> None:
    model, image = (race, series) if kind == "planes" else (unet, scan((6, 20, 24)))
    model.module.train()
    before = torch.random.get_rng_state()
    first, second = (segment(model, image, settings=EVERYTHING) for _ in range(2))
    assert not any(part.training for part in model.module.modules())
    assert all(each.grad is None for each in model.module.parameters())
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    for some, others in zip(first.routing.gates, second.routing.gates, strict=True):
        np.testing.assert_array_equal(some, others)
    digests = {run.provenance.image.input_sha256 for run in (first, second)}
    assert len(digests) == 1


TWENTY_RUNS = """
import resource
import sys
import numpy as np
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import load_checkpoint

model = load_checkpoint(sys.argv[1], card="fairseg-race")
planes = np.random.default_rng(0).integers(0, 256, (6, 500, 500), dtype=np.uint8)
images = SpatialImage(planes, ("t", "y", "x"))
settings = InferenceSettings(device="cpu", probabilities=True)
sizes = []
for _ in range(23):
    segment(model, images, settings=settings)
    sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(sizes[-1] - sizes[2])
"""


def test_memory_does_not_grow_over_twenty_runs(
    tiny_checkpoint: Callable[..., Path],
) -> None:
    pytest.importorskip("resource")
    command = [sys.executable, "-c", TWENTY_RUNS, str(tiny_checkpoint(3, 3))]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(told.stdout) * unit < 50e6
