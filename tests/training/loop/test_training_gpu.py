"""Training on a GPU; what was saved there goes on with the CPU alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from training_cases import cube, cube_model, mixed_squares, tiny_model, weights
from training_runs import StopAt

from napari_dmoe.inference.running.devices import choose_device
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Cancelled
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.loop.folder import RunFolder
from napari_dmoe.training.settings import TrainSettings

DEVICE = choose_device("auto").device.type
GPU = None if DEVICE == "cpu" else DEVICE

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(GPU is None, reason="no CUDA or MPS device"),
]


@pytest.mark.parametrize("mixed_precision", [False, True])
@pytest.mark.parametrize("make", [tiny_model, cube_model])
def test_a_gpu_lowers_the_loss_and_gives_a_model_of_the_cpu(
    make, mixed_precision: bool
) -> None:
    model: LoadedModel = make()
    is_2d = model.card.dims == 2
    cases = mixed_squares(8) if is_2d else [cube(i) for i in range(4)]
    settings = TrainSettings(
        epochs=20,
        batch=4,
        learning_rate=3e-3,
        device="auto",
        mixed_precision=mixed_precision,
        augmentation="none",
        hold_out="none",
    )
    fitted = fit(model, cases, settings=settings)
    losses = [epoch.loss for epoch in fitted.history]
    assert losses[-1] < 0.95 * losses[0]
    assert weights(fitted.loaded).device.type == "cpu"
    assert fitted.notices == ()


def test_a_training_of_a_gpu_goes_on_without_it(tmp_path: Path) -> None:
    settings = TrainSettings(epochs=3, batch=4, device="auto")
    folder = RunFolder(tmp_path)
    cases = mixed_squares(8)
    with pytest.raises(Cancelled):
        fit(tiny_model(), cases, settings=settings, folder=folder, progress=StopAt(3))
    on_cpu = settings.model_copy(update={"device": "cpu"})
    fitted = fit(tiny_model(), cases, settings=on_cpu, folder=folder, resume=True)
    assert len(fitted.history) == 3
    assert torch.isfinite(weights(fitted.loaded)).all()
