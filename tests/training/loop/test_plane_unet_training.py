"""U-Nets of planes are trained, tuned and described as the other networks are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import run
from plane_networks import PLANE_CARD, STAGES, plane_unet
from training_cases import CARD, PLAIN, mixed_squares, square, squares, weights
from training_runs import StopAt

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.training_images import LOADS
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.facts.image_facts import with_images
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.loop.folder import RunFolder
from napari_dmoe.training.pacing import usual_paces
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.modes import in_mode
from napari_dmoe.training.starting.new_routers import add_attribute, add_value
from napari_dmoe.training.starting.recipe_files import read_recipe
from napari_dmoe.training.tuning.presets import PRESETS, tuning_settings
from napari_dmoe.training.tuning.tune import tune

SUSPECT = Patient(severity="suspect")
ONCE = PLAIN.model_copy(update={"epochs": 1})


def wide(number: int) -> Case:
    """Return a picture twice as wide as high, which fills the input's middle."""
    case = square(number)
    halves = (np.asarray(each.data)[8:24] for each in (case.image, case.labels))
    twice = np.ones((2, 2), np.uint8)
    image, labels = (SpatialImage(np.kron(h, twice), ("y", "x")) for h in halves)
    return replace(case, image=image, labels=labels)


def changed(before: LoadedModel, after: LoadedModel) -> set[str]:
    old, new = before.module.state_dict(), after.module.state_dict()
    return {name for name in old if not torch.equal(old[name], new[name])}


@pytest.mark.parametrize(
    ("train", "beginnings"),
    [
        ("routers", ("moes.",)),
        ("experts", ("moes.",)),
        ("decoder", ("ups.", "out.")),
        ("encoder", ("stages.",)),
        ("moes.4.expert_in*, out.*", ("moes.4.expert_in", "out.")),
    ],
)
def test_only_what_is_named_changes(train: str, beginnings: tuple[str, ...]) -> None:
    start = plane_unet()
    settings = ONCE.model_copy(update={"train": train, "weight_decay": 0.1})
    found = changed(start, fit(start, mixed_squares(), settings=settings).loaded)
    assert all(name.startswith(beginnings) for name in found)
    for beginning in beginnings:
        assert any(name.startswith(beginning) for name in found)
    if train in ("routers", "experts"):
        parts = ("router", "noise") if train == "routers" else ("expert",)
        assert {name.split(".")[1] for name in found} == {str(i) for i in STAGES}
        assert all(name.split(".")[2].startswith(parts) for name in found)


def test_one_router_of_every_stage_is_trained_alone() -> None:
    start = plane_unet()
    settings = ONCE.model_copy(update={"train": "router.1"})
    cases = squares(8, severity="suspect")
    found = fit(start, cases, settings=settings).loaded
    assert changed(start, found) == {
        f"moes.{i}.{part}" for i in STAGES for part in ("router_weight", "router_bias")
    } | {f"moes.{i}.{part}" for i in STAGES for part in ("noise_weight", "noise_bias")}
    for stage in STAGES:
        old = start.module.moes[stage].router_weight
        new = found.module.moes[stage].router_weight
        assert torch.equal(old[[0, 2]], new[[0, 2]])
        assert not torch.equal(old[1], new[1])


def test_it_learns_what_it_is_shown() -> None:
    settings = PLAIN.model_copy(update={"epochs": 12, "learning_rate": 1e-2})
    trained = fit(plane_unet(), mixed_squares(12), settings=settings)
    losses = [epoch.loss for epoch in trained.history]
    assert losses[-1] < 0.6 * losses[0]
    new = square(99)
    found = segment(trained.loaded, new.image, SUSPECT).labels > 0
    truth = np.asarray(new.labels.data) > 0
    assert 2 * (found & truth).sum() > 0.8 * (found.sum() + truth.sum())


@pytest.mark.parametrize(("mode", "n_blocks"), [("single-router", 5), ("no-moe", 0)])
def test_baselines_are_trained_saved_and_run(
    mode: str, n_blocks: int, tmp_path: Path
) -> None:
    start = in_mode(plane_unet(), mode)
    assert start.config.n_blocks == n_blocks
    folder = RunFolder(tmp_path / "run")
    fit(start, mixed_squares(), settings=ONCE, folder=folder)
    found = load_checkpoint(tmp_path / "run" / "last.safetensors")
    assert found.architecture == "dmoe-unet2d"
    result = segment(found, square(3).image, Patient())
    maps = result.routing
    assert (0 if maps is None else maps.n_blocks) == n_blocks
    assert not found.card.attributes


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    settings = TrainSettings(epochs=3, batch=4, dropout=0.2, seed=3)
    cases, folder = mixed_squares(8), RunFolder(tmp_path)
    whole = fit(plane_unet(), cases, settings=settings)
    with pytest.raises(Cancelled):
        fit(plane_unet(), cases, settings=settings, folder=folder, progress=StopAt(4))
    again = fit(plane_unet(), cases, settings=settings, folder=folder, resume=True)
    assert again.history == whole.history
    assert torch.equal(weights(again.loaded), weights(whole.loaded))


def test_loads_are_those_of_tokens_in_the_picture() -> None:
    # 32 x 64 pixels: half of the input is padding, whose tokens count for nothing.
    start = plane_unet()
    cases = [wide(number) for number in range(20)]
    pool = read_pool(cases, start.card, n_channels=3)
    facts = with_images(start, pool, before=None).card.training_images
    (images,) = facts.sets
    loads = np.array(images.sides[LOADS].mean).reshape(5, 4)
    np.testing.assert_allclose(loads.sum(1), 1, atol=1e-4)
    runs = [segment(start, case.image, SUSPECT).routing for case in cases]
    for stage in STAGES:
        own = [run.mean(stage).reshape(-1, 4).mean(0) for run in runs]
        np.testing.assert_allclose(loads[stage], np.mean(own, 0), atol=5e-3)
    with torch.inference_mode():
        out = start.network(pool.whole(torch.arange(20))[0], torch.ones(20, dtype=int))
    padded = np.stack([gates.mean((0, 1)).numpy() for gates in out.gates])
    assert np.abs(padded - loads).max() > 0.02


def test_what_is_unlike_is_told_by_a_trained_one() -> None:
    trained = fit(plane_unet(), mixed_squares(40), settings=ONCE).loaded
    said = "unlike the images it was trained on"
    new = [segment(trained, square(500 + i).image, SUSPECT) for i in range(20)]
    flagged = [any(said in n for n in each.provenance.notices) for each in new]
    assert sum(flagged) <= 2
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    notices = segment(trained, noise, SUSPECT).provenance.notices
    assert any(said in notice for notice in notices)
    spans = {span.name: span for span in trained.card.training.class_spans}
    assert spans["cup"].n == 40


def test_new_values_and_drivers_begin_as_what_was_there() -> None:
    start = plane_unet()
    image = square(1).image
    severe = add_value(start, "severity", "severe", like="glaucoma")
    assert severe.config.n_routers == 4
    old = segment(start, image, Patient(severity="glaucoma"))
    new = segment(severe, image, Patient(severity="severe"))
    np.testing.assert_array_equal(new.labels, old.labels)
    sex = CardAttribute(name="sex", values=("female", "male"))
    both = add_attribute(start, sex)
    assert both.config.n_routers == 5
    for value in ("female", None):
        after = segment(both, image, Patient(severity="glaucoma", sex=value))
        for stage in STAGES:
            gates = after.routing.mean(stage), old.routing.mean(stage)
            np.testing.assert_allclose(*gates, atol=1e-4)
    cases = [square(i, "severe") for i in range(4)]
    settings = ONCE.model_copy(update={"train": "router.3"})
    tuned = fit(severe, cases, settings=settings).loaded
    assert all(name.startswith("moes.") for name in changed(severe, tuned))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_tunes_it(preset: str) -> None:
    start = plane_unet()
    chosen = tuning_settings(preset, start.card)
    settings = chosen.model_copy(update={"epochs": 1, "steps_per_epoch": 2})
    tuned = tune(start, squares(3), settings=settings)
    parts = {name.split(".")[0] for name in changed(start, tuned.loaded)}
    expected = {
        "quick": {"moes"},
        "balanced": {"moes", "ups", "out"},
        "all": {"moes", "ups", "out", "stages"},
    }
    assert parts == expected[preset]
    assert tuned.report.n_cases == 3


def test_its_steps_take_less_than_those_of_volumes_and_transformers() -> None:
    paces = usual_paces(PLANE_CARD)
    assert paces.steps < usual_paces(CARD).steps
    assert paces.drawing == usual_paces(CARD).drawing


def test_a_recipe_in_a_file_trains_one(tmp_path: Path) -> None:
    write_cohort(tmp_path / "cohort", mixed_squares(9))
    card = PLANE_CARD.model_dump(mode="json") | {"architecture": None}
    stated = {
        "architecture": "dmoe-unet2d",
        "config": {"feature_size": 4, "n_experts": 4},
        "card": card,
        "settings": {"epochs": 1, "augmentation": None},
    }
    recipe, out = tmp_path / "recipe.json", tmp_path / "made.safetensors"
    recipe.write_text(json.dumps(stated))
    code, said, told = run(
        "train", tmp_path / "cohort", "--recipe", recipe, "--output", out
    )
    assert code == 0, told
    made = load_checkpoint(out)
    assert made.architecture == "dmoe-unet2d"
    assert (made.config.feature_size, made.config.n_routers) == (4, 3)
    code, said, _ = run("inspect", out)
    assert code == 0
    assert "2D dMoE U-Net" in said
    assert "5 stages of width (4, 4, 8, 16, 32), input 64 x 64" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"card": {"dims": 3}}, "dmoe-unet2d"),
        ({"config": {"dims": 3}}, "dmoe-unet2d"),
        ({"architecture": "dmoe-vit"}, "the shape is that of dmoe-unet2d"),
        ({"config": {"grid": 4}}, "grid"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    stated = {
        "architecture": "dmoe-unet2d",
        "config": {"feature_size": 4},
        "card": PLANE_CARD.model_dump(mode="json"),
    }
    for key, value in change.items():
        own = stated[key]
        stated[key] = own | value if isinstance(own, dict) else value
    (tmp_path / "recipe.json").write_text(json.dumps(stated))
    with pytest.raises(TrainingError, match=said):
        read_recipe(tmp_path / "recipe.json")
