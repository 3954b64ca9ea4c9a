"""Networks of other channels than three and one, from the run to the tuned model.

The engines are the real ones, the networks tiny.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from desk import Desk
from napari.components import ViewerModel
from napari.layers import Image
from sweeping import section_of, stack_of, sweep
from training_cases import CARD, CONFIG, CUBE_CARD, CUBE_CONFIG

from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint, new_model
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import Annotation
from napari_dmoe.training.guarding.guard import Guard
from napari_dmoe.training.tuning.corrected import (
    StoredCases,
    annotated_case,
    write_cases,
)
from napari_dmoe.training.tuning.presets import tuning_settings
from napari_dmoe.training.tuning.tune import tune
from napari_dmoe.viewer import engines
from napari_dmoe.viewer.fine_tune.annotations import (
    Snapshot,
    copied,
    look_through,
)
from napari_dmoe.viewer.fine_tune.pairs import find_pairs
from napari_dmoe.viewer.layers.labels_on import (
    on_image,
)
from napari_dmoe.viewer.layers.placement import to_image

pytestmark = pytest.mark.gui

READING = Annotation()
KINDS = [
    pytest.param(2, 1, ("y", "x"), (32, 30), id="grey planes"),
    pytest.param(2, 4, ("y", "x", "channel"), (32, 30, 4), id="planes of four"),
    pytest.param(3, 2, ("channel", "z", "y", "x"), (2, 32, 32, 64), id="volumes"),
]


def network(dims: int, n_channels: int) -> LoadedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if dims == 2:
            config = CONFIG.model_copy(update={"in_channels": n_channels})
            return new_model("dmoe-vit", config, CARD)
        cubes = CUBE_CONFIG.model_copy(update={"in_channels": n_channels})
        small = VolumePreprocessing(window=(0, 100), patch=(32, 32, 64))
        card = CUBE_CARD.model_copy(update={"preprocessing": small})
        return new_model("dmoe-unet3d", cubes, card)


@pytest.fixture
def models(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, LoadedModel]:
    path = tmp_path / "net.safetensors"
    params = request.node.callspec.params
    save_checkpoint(path, network(params["dims"], params["n_channels"]))
    return {"net": load_checkpoint(path)}


@pytest.mark.parametrize(("dims", "n_channels", "axes", "shape"), KINDS)
def test_an_image_is_run_swept_replayed_corrected_and_learnt_from(
    make_desk: Callable[..., Desk],
    models: dict[str, LoadedModel],
    tmp_path: Path,
    dims: int,
    n_channels: int,
    axes: tuple[str, ...],
    shape: tuple[int, ...],
) -> None:
    desk, model = make_desk(ViewerModel(), segment=engines.segment), models["net"]
    pixels = np.random.default_rng(0).integers(0, 90, shape, np.uint8)
    image = desk.viewer.add_image(pixels, name="retina", axis_labels=axes, rgb=False)
    severity = model.card.attributes[0].values[0]
    desk.session.set_patient(image, Patient(severity=severity))
    desk.run()
    (mask,) = desk.masks
    record = mask.metadata["napari-dmoe"]
    assert record, desk.status
    sweep(desk)
    assert section_of(desk).found.table.model().rowCount() == len(
        model.card.attributes[0].values
    )
    assert stack_of(desk) is not None
    (result,) = desk.session.results_of(image)
    made = replay(result.segmentation.provenance, model, to_image(image, dims))
    assert made.verdict == "equal"
    tuned = learnt(desk, image, tmp_path)
    path = tmp_path / "tuned.safetensors"
    save_checkpoint(path, tuned)
    again = load_checkpoint(path)
    assert again.config.in_channels == n_channels
    after = segment(again, to_image(image, dims), Patient(severity=severity))
    assert after.labels.shape == result.segmentation.labels.shape


def learnt(desk: Desk, image: Image, folder: Path) -> LoadedModel:
    """Tune on the image with labels that are painted now, as the dock hands it over."""
    model = desk.session.model
    assert model is not None
    dims = model.card.dims
    (mask,) = desk.masks
    mask.data[..., 8:20, 8:20] = 1
    mask.refresh()
    mask.events.paint(value=[])
    pairs = find_pairs(
        desk.session, READING, lambda _, at, how: look_through(at, dims, how)
    )
    pair = next(pair for pair in pairs if pair.labels() is mask)
    assert pair.problem == ""
    painted = copied(on_image(image, mask, dims))
    whom = desk.session.patient_of(image)
    snapshot = Snapshot(to_image(image, dims), painted, whom, number=1)
    cases = snapshot.cases(dims, READING)
    handed = [annotated_case(case, model.card, READING) for case in cases]
    write_cases(folder / "cases", handed)
    once = {"epochs": 1, "steps_per_epoch": 1, "device": "cpu"}
    settings = tuning_settings("all", model.card).model_copy(update=once)
    return tune(
        model,
        StoredCases.of(folder / "cases"),
        settings=settings,
        guard=Guard(),
        folder=folder / "run",
    ).loaded
