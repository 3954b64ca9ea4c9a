"""Cards say what the images of a training looked like, and runs tell what is unlike."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from cli_runs import run
from numpy.typing import NDArray
from training_cases import (
    CARD,
    PLAIN,
    cube,
    cube_model,
    mixed_squares,
    square,
    squares,
    tiny_model,
)

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.outlook import outlook
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.models.training_images import LOADS, LOOK
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.facts.image_facts import with_images
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.loop.folder import RunFolder

WORDS = "unlike the images it was trained on"
SUSPECT = Patient(severity="suspect")
ONCE = PLAIN.model_copy(update={"epochs": 1})


@pytest.fixture(scope="module")
def trained() -> LoadedModel:
    return fit(tiny_model(), mixed_squares(60), settings=ONCE).loaded


def told(loaded: LoadedModel, data: NDArray | SpatialImage) -> list[str]:
    """Return what a run says of an image that is unlike."""
    result = segment(loaded, data, SUSPECT)
    return [said for said in result.provenance.notices if WORDS in said]


def noise(shape: tuple[int, ...] = (32, 32)) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_the_card_says_what_the_images_looked_like(trained: LoadedModel) -> None:
    facts = trained.card.training_images
    assert facts.smallest == facts.largest == (32, 32)
    (images,) = facts.sets
    assert (images.kind, images.n) == ("grey", 60)
    pixels = np.stack([case.image.data for case in mixed_squares(60)]) / 255
    assert images.sides["brightness"].mean[0] == pytest.approx(pixels.mean(), abs=1e-3)
    loads = np.array(images.sides[LOADS].mean)
    assert loads.shape == (4,)
    assert loads.sum() == pytest.approx(1, abs=1e-3)


def test_new_images_of_the_kind_are_like_them(trained: LoadedModel) -> None:
    new = [square(500 + i).image for i in range(50)]
    assert sum(bool(told(trained, image)) for image in new) <= 2


@pytest.mark.parametrize(
    ("data", "side"),
    [
        (noise(), "sharpness"),
        (np.full((32, 32), 255, np.uint8), "brightness"),
        (noise((32, 32, 3)), "colours"),
    ],
)
def test_other_images_are_told_with_what_is_unlike(
    trained: LoadedModel, data: NDArray, side: str
) -> None:
    (notice,) = told(trained, data)
    assert notice.startswith(f"for this model, the image is {WORDS}")
    assert f"its {side}" in notice


def test_loads_of_experts_that_somebody_muted_say_nothing(trained: LoadedModel) -> None:
    muted = ExpertControl(mute=frozenset({(None, 0), (None, 1)}))
    image = square(501).image
    result = segment(trained, image, SUSPECT, experts=muted)
    assert not any(WORDS in said for said in result.provenance.notices)


def test_of_a_stack_it_is_said_how_many_planes(trained: LoadedModel) -> None:
    planes = [np.asarray(square(510 + i).image.data) for i in range(3)]
    stack = np.stack([planes[0], noise(), planes[1], noise(), planes[2]])
    (notice,) = told(trained, SpatialImage.from_array(stack, axes="zyx"))
    assert notice.startswith(f"for this model, 2 of 5 planes are {WORDS}")


def test_the_saved_model_says_it_in_the_table_and_in_the_record(
    trained: LoadedModel, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "model.safetensors", trained)
    again = load_checkpoint(tmp_path / "model.safetensors")
    assert again.card.training_images == trained.card.training_images
    iio.imwrite(tmp_path / "eye.png", noise())
    out = tmp_path / "out"
    model = tmp_path / "model.safetensors"
    code, _, _ = run("segment", tmp_path / "eye.png", "-c", model, "-o", out)
    assert code == 0
    with (out / "segment.csv").open(encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert any(WORDS in cell for cell in row.values())
    assert WORDS in (out / "eye.labels.json").read_text()


def test_a_card_that_does_not_state_it_says_nothing() -> None:
    assert tiny_model().card.training_images is None
    assert told(tiny_model(), noise()) == []


def test_a_fine_tuned_model_knows_the_images_of_both_trainings(
    trained: LoadedModel,
) -> None:
    bright = [255 - np.asarray(square(i).image.data) // 3 for i in range(30)]
    assert told(trained, bright[0])
    for n in (30, 4):
        cases = [
            square(i).__class__(
                str(i),
                SpatialImage.from_array(bright[i], axes="yx"),
                square(i).labels,
                SUSPECT,
            )
            for i in range(n)
        ]
        tuned = fit(trained, cases, settings=ONCE).loaded
        assert [each.n for each in tuned.card.training_images.sets] == [60, n]
        assert not told(tuned, bright[1])
        assert not told(tuned, square(520).image)
        assert told(tuned, noise())


def blob(number: int, *, turned: bool = False) -> Case:
    """Return a coloured square on a lighter ground; turned, their colours change place.

    Both are then as bright, as sharp and as colourful as they were.
    """
    rng = np.random.default_rng(number)
    ground = rng.integers((190, 120, 100), (235, 165, 140))
    ink = rng.integers((90, 40, 30), (140, 80, 70))
    truth = np.zeros((32, 32), np.uint8)
    y, x = rng.integers(6, 12, 2)
    truth[y : y + 14, x : x + 14] = 1
    pixels = np.where(truth[..., None] > 0, ink, ground)
    pixels = np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
    if turned:
        pixels[:, :16] = pixels[:, :16, ::-1]
    image = SpatialImage.from_array(pixels, axes="yxc")
    labels = SpatialImage.from_array(truth, axes="yx")
    return Case(str(number), image, labels, SUSPECT)


@pytest.fixture(scope="module")
def of_blobs() -> LoadedModel:
    pool = read_pool([blob(i) for i in range(300)], CARD)
    return with_images(tiny_model(), pool, before=None)


def test_of_many_images_the_card_says_how_their_looks_go_together(
    of_blobs: LoadedModel,
) -> None:
    (images,) = of_blobs.card.training_images.sets
    assert list(images.sides)[-1] == LOOK
    assert LOADS not in images.sides  # which are others for an unknown patient
    n = sum(len(spread.mean) for side, spread in images.sides.items() if side != LOOK)
    assert len(images.sides[LOOK].mean) == n == 81
    assert len(of_blobs.card.model_dump_json()) < 100_000
    new = [blob(1000 + i).image for i in range(50)]
    assert sum(bool(told(of_blobs, image)) for image in new) <= 2
    other = [blob(1000 + i, turned=True).image for i in range(5)]
    assert all("its look as a whole" in told(of_blobs, image)[0] for image in other)


def test_of_phantoms_less_is_far(of_blobs: LoadedModel) -> None:
    drawn = [replace(blob(i), phantom="fundus") for i in range(300)]
    loaded = with_images(
        tiny_model(), read_pool(drawn, CARD), before=None, has_loads=False
    )
    (phantoms,) = loaded.card.training_images.sets
    (photographs,) = of_blobs.card.training_images.sets
    ratio = phantoms.sides[LOOK].limit / photographs.sides[LOOK].limit
    assert ratio == pytest.approx(0.75 / 0.95, abs=1e-3)


def test_a_dock_knows_the_look_before_a_run(of_blobs: LoadedModel) -> None:
    told_before = outlook(of_blobs, blob(1001, turned=True).image)
    assert told_before.is_unlike
    assert "look as a whole" in told_before.cautions[0]
    assert not outlook(of_blobs, blob(1001).image).is_unlike


@pytest.mark.parametrize("n", [4, 40])
def test_a_few_images_go_together_as_those_seen_earlier(
    of_blobs: LoadedModel, n: int
) -> None:
    before = of_blobs.card.training_images
    darker = [blob(i) for i in range(n)]
    for case in darker:
        case.image.data[:] = case.image.data // 2
    pool = read_pool(darker, CARD)
    tuned = with_images(of_blobs, pool, before=before)
    first, own = tuned.card.training_images.sets
    assert first == before.sets[0]
    assert LOADS not in own.sides
    assert own.sides[LOOK].correlations == first.sides[LOOK].correlations
    assert not told(tuned, np.asarray(blob(2000).image.data) // 2)
    assert told(tuned, np.asarray(blob(2000, turned=True).image.data) // 2)
    assert told(of_blobs, np.asarray(blob(2000).image.data) // 2)


def test_a_handful_of_cases_does_not_tell_how_images_differ() -> None:
    loaded = fit(tiny_model(), squares(6), settings=ONCE).loaded
    assert loaded.card.training_images is None


def test_volumes_are_described_too() -> None:
    settings = ONCE.model_copy(update={"batch": 2, "steps_per_epoch": 1})
    loaded = fit(cube_model(), [cube(i) for i in range(16)], settings=settings).loaded
    (images,) = loaded.card.training_images.sets
    assert images.kind == "volumes"
    assert set(images.sides) == {"brightness", "sharpness", "layout", LOADS}
    image = cube(50).image
    told_of = segment(loaded, image, Patient(severity="T1")).provenance.notices
    assert not any(WORDS in said for said in told_of)
    loud = SpatialImage(
        np.random.default_rng(0).uniform(0, 100, (40, 40, 70)), ("z", "y", "x")
    )
    told_of = segment(loaded, loud, Patient(severity="T1")).provenance.notices
    assert any(f"image is {WORDS}" in said for said in told_of)


@pytest.mark.parametrize("name", ["last.safetensors", "best.safetensors"])
def test_models_saved_along_the_way_tell_it_too(name: str, tmp_path: Path) -> None:
    held = {"hold_out": "none", "keep": "best"}
    settings = ONCE.model_copy(update=held)
    cases, held_out = mixed_squares(50)[:40], mixed_squares(50)[40:]
    folder = RunFolder(tmp_path)
    fit(tiny_model(), cases, settings=settings, held_out=held_out, folder=folder)
    saved = load_checkpoint(tmp_path / name)
    assert saved.card.training_images is not None
    assert told(saved, noise())
