"""A model on a cohort: every case as by itself, and one bad case stops no other."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from evaluation_runs import HOW, SIZES, write_skin
from scipy import ndimage
from stub_networks import thresholding_model

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating import batches
from napari_dmoe.evaluation.evaluating.case_table import read_evaluated
from napari_dmoe.evaluation.evaluating.evaluate import evaluate
from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.evaluation.evaluating.validating import checked
from napari_dmoe.evaluation.scoring.mask_pair import regions_of
from napari_dmoe.evaluation.scoring.metrics import measure_case
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.training_images import UNLIKE
from napari_dmoe.patient import Patient
from napari_dmoe.validation import SettingsError

DRIVERS = ("sex", "age")


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_checkpoint("skin-phantom")


@pytest.fixture(scope="module")
def whole(
    loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Evaluated]:
    """Return a cohort that was evaluated, and its table."""
    folder = tmp_path_factory.mktemp("cohort")
    table = write_skin(folder)
    cohort = open_cohort(table, drivers=DRIVERS)
    return table, evaluate(loaded, cohort, folder / "out", settings=HOW)


def test_every_case_scores_as_a_run_of_its_own(
    loaded: LoadedModel, whole: tuple[Path, Evaluated]
) -> None:
    table, found = whole
    assert [case.status for case in found] == ["scored"] * len(SIZES)
    for case, row in zip(found, open_cohort(table, drivers=DRIVERS).rows, strict=True):
        alone = segment(
            loaded, read_image(row.image), row.patient, settings=HOW.inference
        )
        truth = (np.asarray(read_labels(row.labels).data) > 0).astype(np.uint8)
        own = measure_case(
            alone.labels,
            truth,
            regions_of(loaded.card.classes),
            metrics=("dice", "iou"),
        )
        for score in own:
            mine = case.score(score.region, score.metric)
            assert mine is not None
            assert mine.value == pytest.approx(score.value, abs=1e-3)
        mask = np.asarray(read_labels(case.prediction).data)
        assert (mask == alone.labels).mean() >= 0.9999
        assert case.id == row.id
        assert case.subject == row.subject


def test_what_is_written_is_what_is_returned(whole: tuple[Path, Evaluated]) -> None:
    table, found = whole
    read = read_evaluated(table.parent / "out")
    assert read.facts == found.facts
    for ours, theirs in zip(read, found, strict=True):
        same = replace(ours, image=theirs.image, labels=theirs.labels)
        assert repr(same.scores) == repr(theirs.scores)
        assert replace(same, scores=()) == replace(theirs, scores=())
        assert ours.image.resolve() == theirs.image.resolve()


def test_the_facts_say_what_was_run_and_decided(whole: tuple[Path, Evaluated]) -> None:
    _, found = whole
    facts = found.facts
    assert (facts.source, facts.model) == ("model", "skin-phantom.safetensors")
    assert facts.n_cases == len(SIZES)
    assert facts.drivers == DRIVERS
    assert "cdr_distance" not in facts.metrics
    mixed = [n for n in facts.notices if n.startswith("sex unknown")]
    assert len(mixed) == 1
    assert mixed[0].endswith("(2 of 7 cases)")
    assert "sex unknown" in found[2].said
    assert "sex unknown" not in found[0].said
    assert not (found.folder / "evaluation.journal").exists()


def test_images_of_another_kind_are_counted_and_told(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    table = write_skin(tmp_path, n=4)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    iio.imwrite(tmp_path / "im2.png", noise)
    cohort = open_cohort(table, drivers=DRIVERS)
    found = evaluate(loaded, cohort, tmp_path / "out", settings=HOW)
    unlike = [UNLIKE in case.said for case in found]
    assert unlike[2]
    said = f"{sum(unlike)} of 4 image{' is' if sum(unlike) == 1 else 's are'} {UNLIKE}"
    assert [said in notice for notice in found.facts.notices].count(True) == 1


def test_a_value_that_the_model_does_not_know_is_run_as_unknown(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    table = write_skin(tmp_path, n=2)
    text = table.read_text().replace(",male,", ",diverse,")
    table.write_text(text)
    cohort = open_cohort(table, drivers=DRIVERS)
    found = evaluate(loaded, cohort, tmp_path / "out", settings=HOW)
    assert found[1].status == "scored"
    assert found[1].patient.value("sex") == "diverse"
    said = "sex is no value that the model knows, and was run as unknown"
    assert any(n.startswith(said) for n in found.facts.notices)
    assert "diverse" not in " ".join(found.facts.notices)


def test_one_bad_case_stops_no_other(loaded: LoadedModel, tmp_path: Path) -> None:
    table = write_skin(tmp_path, n=5)
    cohort = open_cohort(table, drivers=DRIVERS)
    (tmp_path / "im1.png").write_bytes(b"no picture")
    iio.imwrite(tmp_path / "im2_mask.png", np.zeros((10, 10), np.uint8))
    found = evaluate(loaded, cohort, tmp_path / "out", settings=HOW)
    assert [c.status for c in found] == [
        "scored",
        "failed",
        "failed",
        "scored",
        "scored",
    ]
    assert "im1.png cannot be read" in found[1].said
    assert "10" in found[2].said
    assert "2 of 5 cases failed, and have no score" in found.facts.notices
    again = read_evaluated(tmp_path / "out")
    assert [c.status for c in again] == [c.status for c in found]


def test_a_cohort_of_which_every_case_fails_is_refused(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    cohort = open_cohort(write_skin(tmp_path, n=2))
    for number in range(2):
        (tmp_path / f"im{number}.png").write_bytes(b"no picture")
    with pytest.raises(CohortError, match=r"every case failed.*cannot be read"):
        evaluate(loaded, cohort, tmp_path / "out", settings=HOW)
    assert not (tmp_path / "out" / "cases.csv").exists()


def test_cases_without_truth_have_a_mask_and_no_score(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    table = write_skin(tmp_path, n=2)
    table.write_text(table.read_text().replace("im1_mask.png", ""))
    (tmp_path / "im1_mask.png").unlink()
    cohort = open_cohort(table, drivers=DRIVERS)
    found = evaluate(loaded, cohort, tmp_path / "out", settings=HOW)
    assert found[1].status == "no truth"
    assert found[1].scores == ()
    assert found[1].prediction is not None
    assert found[1].prediction.is_file()


def test_masks_are_not_kept_where_they_are_not_wanted(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    table = write_skin(tmp_path, n=2)
    how = HOW.model_copy(update={"keep_masks": False})
    cohort = open_cohort(table, drivers=DRIVERS)
    found = evaluate(loaded, cohort, tmp_path / "out", settings=how)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "cases.csv",
        "evaluation.json",
    }
    assert found[0].prediction is None
    assert found[0].status == "scored"


def test_rows_with_problems_are_refused_or_left_out(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    table = write_skin(tmp_path, n=3)
    (tmp_path / "im1.png").unlink()
    cohort = open_cohort(table, drivers=DRIVERS)
    with pytest.raises(CohortError, match=r"problems in 1 row.*problems\.csv"):
        evaluate(loaded, cohort, tmp_path / "out", settings=HOW)
    assert "im1.png" in (tmp_path / "out" / "problems.csv").read_text()
    left = checked(cohort, tmp_path / "out", skip_problems=True)
    found = evaluate(loaded, left, tmp_path / "out", settings=HOW)
    assert [case.id for case in found] == ["im0.png", "im2.png"]
    assert any("1 row was left out" in notice for notice in found.facts.notices)


def test_images_too_large_to_be_held_together_are_run_in_parts(
    whole: tuple[Path, Evaluated],
    loaded: LoadedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, expected = whole
    monkeypatch.setattr(batches, "MOST_BYTES", 1)
    cohort = open_cohort(table, drivers=DRIVERS)
    how = HOW.model_copy(update={"batch": 4})
    found = evaluate(loaded, cohort, tmp_path, settings=how)
    for ours, theirs in zip(found, expected, strict=True):
        mine, other = ours.score("lesion", "dice"), theirs.score("lesion", "dice")
        assert mine.value == pytest.approx(other.value, abs=1e-3)


def square(spacing: float, unit: str | None) -> Case:
    """Return a bright cube in a volume, and a truth that is one voxel larger."""
    data = np.zeros((24, 24, 24), np.float32)
    data[8:14, 8:14, 8:14] = 1
    truth = ndimage.binary_dilation(data > 0).astype(np.uint8)
    affine = np.diag([spacing] * 3 + [1.0])
    axes = ("z", "y", "x")
    image = SpatialImage(data, axes, affine, unit)
    return Case("cube", image, SpatialImage(truth, axes, affine, unit), Patient())


@pytest.mark.parametrize(
    ("unit", "told", "factor"),
    [("mm", "mm", 2.0), ("um", "mm", 0.002), (None, "px", 1)],
)
def test_lengths_are_in_mm_where_the_image_knows_it(
    tmp_path: Path, unit: str | None, told: str, factor: float
) -> None:
    model = thresholding_model(spacing=None, window=(0.0, 1.0))
    how = EvaluationSettings(device="cpu", metrics=("hd95", "dice"))
    (found,) = evaluate(model, [square(2.0, unit)], tmp_path, settings=how)
    assert found.unit == told
    assert found.score("target", "hd95").value == pytest.approx(factor)
    assert found.prediction.name.endswith(".nii.gz")
    assert np.asarray(read_labels(found.prediction).data).sum() == 6**3


def test_what_is_not_annotated_does_not_count(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    fundus = load_checkpoint("fundus-phantom")
    rng = np.random.default_rng(1)
    data = rng.integers(0, 255, (80, 80, 3)).astype(np.uint8)
    image = SpatialImage.from_array(data, axes="yxc")
    truth = np.zeros((80, 80), np.uint8)
    truth[20:60, 20:60], truth[30:50, 30:50] = 1, 2
    labels = truth.copy()
    labels[:, 40:] = 255
    case = Case("a", image, SpatialImage.from_array(labels, axes="yx"), Patient())
    how = EvaluationSettings(device="cpu", metrics=("dice",))
    (found,) = evaluate(fundus, [case], tmp_path, settings=how)
    mask = segment(fundus, image, settings=how.inference).labels
    own = measure_case(
        mask[:, :40], truth[:, :40], regions_of(fundus.card.classes), metrics=("dice",)
    )
    for score in own:
        mine = found.score(score.region, "dice").value
        assert mine == pytest.approx(score.value, abs=1e-3, nan_ok=True)
    assert "3,200 pixels are not annotated" in found.said


def test_scored_at_the_network_the_truth_is_brought_there(
    loaded: LoadedModel, whole: tuple[Path, Evaluated], tmp_path: Path
) -> None:
    table, _ = whole
    how = HOW.model_copy(update={"scored_at": "network"})
    cohort = open_cohort(table, drivers=DRIVERS)[:2]
    found = evaluate(loaded, cohort, tmp_path, settings=how)
    for case, row in zip(found, cohort.rows, strict=True):
        mask = np.asarray(read_labels(case.prediction).data)
        truth = np.asarray(read_labels(row.labels).data) > 0
        index = [
            np.floor((np.arange(n) + 0.5) * (m / n)).astype(int)
            for n, m in zip(mask.shape, truth.shape, strict=True)
        ]
        brought = truth[np.ix_(*index)]
        both = 2 * (brought & (mask > 0)).sum() / (brought.sum() + (mask > 0).sum())
        assert case.score("lesion", "dice").value == pytest.approx(both, abs=0.02)
        assert case.unit == "px"
    assert found.facts.scored_at == "network"


def test_unknown_drivers_can_be_refused(loaded: LoadedModel, tmp_path: Path) -> None:
    table = write_skin(tmp_path, n=3)
    how = HOW.model_copy(update={"unknown": "refuse"})
    cohort = open_cohort(table, drivers=DRIVERS)
    found = evaluate(loaded, cohort, tmp_path / "out", settings=how)
    assert [case.status for case in found] == ["scored", "scored", "failed"]
    assert "sex is unknown" in found[2].said


def test_an_empty_cohort_is_refused(loaded: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no cases"):
        evaluate(loaded, [], tmp_path)


def test_a_metric_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="hausdorf"):
        EvaluationSettings(metrics=("hausdorf",))


def test_soft_masks_are_understood_and_bad_ones_decide_nothing(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    table = write_skin(tmp_path, n=3)
    mask = iio.imread(tmp_path / "im0_mask.png")
    ramp = ndimage.gaussian_filter(mask.astype(float), 3).astype(np.uint8)
    iio.imwrite(tmp_path / "im0_mask.png", ramp)
    grey = iio.imread(tmp_path / "im1_mask.png").astype(np.int16)
    rng = np.random.default_rng(0)
    grey = np.abs(grey - rng.integers(0, 4, grey.shape))  # as JPEG makes them
    iio.imwrite(tmp_path / "im1_mask.png", grey.astype(np.uint8))
    cohort = open_cohort(table, drivers=DRIVERS)
    found = evaluate(loaded, cohort, tmp_path / "out", settings=HOW)
    assert [case.status for case in found] == ["failed", "scored", "scored"]
    assert "labels" in found[0].said
    for case in found[1:]:
        assert not math.isnan(case.score("lesion", "dice").value)
    assert any("im1.png" in notice for notice in found.facts.notices)
