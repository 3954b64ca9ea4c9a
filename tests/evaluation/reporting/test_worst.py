"""The worst cases, and their pictures."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_dmoe.evaluation.evaluating.scored import ScoredCase
from napari_dmoe.evaluation.groups.groupings import groupings
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.privacy import Pseudonyms
from napari_dmoe.evaluation.reporting.worst import (
    PREDICTION_COLOUR,
    TRUTH_COLOUR,
    picture_of_case,
    worst_cases,
)

from evaluations import make_evaluated, signed  # isort: skip


def masks(folder: Path) -> ScoredCase:
    """Return a case with an image, its truth on the left, a prediction on the right."""
    rng = np.random.default_rng(0)
    files = {}
    for name, columns in (("labels", slice(4, 14)), ("prediction", slice(18, 28))):
        mask = np.zeros((32, 32), np.uint8)
        mask[8:24, columns] = 1
        files[name] = folder / f"{name}.png"
        Image.fromarray(mask).save(files[name])
    files["image"] = folder / "image.png"
    grey = rng.integers(100, 120, (32, 32), np.uint8)
    Image.fromarray(grey).save(files["image"])
    return ScoredCase("a", 0, **files)


def drawn(case: ScoredCase) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture_of_case(case))).convert("RGB"))


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(picture.astype(int) - colour).max(-1) < 60


def test_truth_and_prediction_are_outlined_where_they_lie(tmp_path: Path) -> None:
    picture = drawn(masks(tmp_path))
    assert max(picture.shape) == 360
    half = picture.shape[1] // 2
    assert near(picture[:, :half], TRUTH_COLOUR).any()
    assert near(picture[:, half:], PREDICTION_COLOUR).any()
    assert not near(picture[:, half:], TRUTH_COLOUR).any()


def test_masks_without_an_image_are_drawn_on_a_dark_ground(tmp_path: Path) -> None:
    picture = drawn(replace(masks(tmp_path), image=None))
    assert near(picture, TRUTH_COLOUR).any()
    assert np.median(picture) < 60


def test_a_picture_is_the_same_each_time(tmp_path: Path) -> None:
    case = masks(tmp_path)
    assert picture_of_case(case) == picture_of_case(case)


@pytest.mark.parametrize("gone", ["labels", "prediction", "both"])
def test_what_cannot_be_read_is_left_out(tmp_path: Path, gone: str) -> None:
    case = masks(tmp_path)
    if gone in ("labels", "both"):
        case.labels.unlink()  # type: ignore[union-attr]
    if gone in ("prediction", "both"):
        case.prediction.write_bytes(b"no image")  # type: ignore[union-attr]
    assert bool(picture_of_case(case)) is (gone != "both")


def test_masks_on_other_grids_are_not_drawn(tmp_path: Path) -> None:
    case = masks(tmp_path)
    Image.fromarray(np.ones((16, 16), np.uint8)).save(case.prediction)
    assert picture_of_case(case) == b""


def test_a_mask_of_the_network_is_drawn_on_what_it_saw(tmp_path: Path) -> None:
    case = masks(tmp_path)
    small = np.zeros((8, 8), np.uint8)
    small[2:6, 2:6] = 1
    Image.fromarray(small).save(case.prediction)
    assert picture_of_case(case) == b""
    picture = np.asarray(Image.open(io.BytesIO(picture_of_case(case, crop=16))))
    assert near(picture, PREDICTION_COLOUR).any()
    assert not near(picture[:, -40:], PREDICTION_COLOUR).any()


def test_the_worst_come_first_and_those_without_a_score_not_at_all() -> None:
    found = make_evaluated(60, regions=("rim",))
    own = groupings(found, by=("race",))
    names = Pseudonyms([found])
    worst = worst_cases(found, own, {}, names, ReportOptions(n_worst=5))
    scores = [dict(case.scores)["Dice"] for case in worst]
    values = found.values("rim", "dice")
    assert scores == sorted(values[~np.isnan(values)])[:5]
    assert worst[0].is_missed
    assert worst[0].name == "case 015"
    assert dict(worst[0].values).keys() == {"race"}


def test_a_volume_error_is_bad_on_either_side() -> None:
    found = signed(make_evaluated(60, regions=("rim",)))
    own, options = groupings(found, by=("race",)), ReportOptions(metrics=("rvd",))
    worst = worst_cases(found, own, {}, Pseudonyms([found]), options)
    errors = [abs(dict(case.scores)["Relative volume difference"]) for case in worst]
    assert errors == sorted(np.abs(found.values("rim", "rvd")))[::-1][: len(errors)]
