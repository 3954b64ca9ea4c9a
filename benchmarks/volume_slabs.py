"""Memory and time of segmenting a large volume window by window, as JSON.

Run it with ``python benchmarks/volume_slabs.py --shape 512 256 256``. The network is a
stand-in of one small convolution, so that what is around it shows. Each side runs in a
fresh process, on a volume that is made as it is read: ours, MONAI's
``sliding_window_inference``, and, with ``--before SRC``, another version of this
package. Memory is the peak beyond that of a warmed-up process. The sides must agree in
at least 99.99 % of the labels.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volumes import VolumePreprocessing
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import SegmentationOutput
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.patient import Patient

PATCH = (96, 96, 96)
CLASSES = ("background", "one", "two")
WINDOW = (0.0, 255.0)
LEAST_EQUAL = 0.9999


class Made:
    """A volume of bytes that are made as they are read."""

    ndim, dtype = 3, np.dtype(np.uint8)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[np.uint8]:
        z, y, x = (
            np.arange(*part.indices(n), dtype=np.float32)
            for part, n in zip(index, self.shape, strict=True)
        )
        wave = np.sin(z / 9)[:, None, None] + np.sin(y / 7)[:, None] + np.sin(x / 5)
        return np.asarray(127.5 + 42 * wave, np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[(slice(None),) * 3], dtype)


class StandIn(nn.Module):
    """One convolution, whose answer depends on the place in the window."""

    def __init__(self) -> None:
        super().__init__()
        self.config = UNetConfig(n_routers=5, n_classes=len(CLASSES))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.convolution = nn.Conv3d(1, len(CLASSES), 3, padding=1)

    def forward(self, x: Tensor, category: Tensor | None, **_: Any) -> Any:
        """Return class scores, and no routing."""
        return SegmentationOutput(self.convolution(x), ())


def ours(volume: Made, overlap: float) -> NDArray[np.uint8]:
    """Segment with the package that is imported."""
    card = read_card("prostate-tstage")
    how = VolumePreprocessing(window=WINDOW, patch=PATCH)
    card = card.model_copy(update={"preprocessing": how, "classes": CLASSES})
    model = LoadedModel(StandIn(), card, "dmoe-unet3d")
    settings = InferenceSettings(device="cpu", batch=1, overlap=overlap)
    image = SpatialImage(volume, ("z", "y", "x"), np.eye(4), "mm")
    return segment(model, image, Patient(severity="T2"), settings=settings).labels


def monais(volume: Made, overlap: float) -> NDArray[np.uint8]:
    """Segment with MONAI's inferer."""
    from monai.inferers import sliding_window_inference

    network = StandIn().eval()
    low, high = WINDOW
    values = (np.asarray(volume, np.float32) - low) / (high - low)
    with torch.inference_mode():
        scores = sliding_window_inference(
            torch.from_numpy(values)[None, None],
            PATCH,
            1,
            network.convolution,
            overlap=overlap,
            mode="gaussian",
        )
        return np.asarray(scores[0].max(0).indices.to(torch.uint8))


SIDES: dict[str, Callable[[Made, float], NDArray[np.uint8]]] = {
    "ours": ours,
    "before": ours,
    "MONAI": monais,
}


def run_side(side: str, shape: tuple[int, ...], overlap: float, to: Path) -> None:
    """Run one side in this process, and print its figures."""
    SIDES[side](Made(PATCH), overlap)
    warm = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.perf_counter(), time.process_time()
    labels = SIDES[side](Made(shape), overlap)
    took, computed = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.save(to, labels)
    unit = 1 if sys.platform == "darwin" else 1024
    figures = {"seconds": round(took, 2), "cpu_seconds": round(computed, 2)}
    figures["megabytes"] = round((peak - warm) * unit / 1e6, 1)
    print(json.dumps(figures))


def fresh(side: str, arguments: argparse.Namespace, to: Path) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--to", str(to)]
    command += ["--overlap", str(arguments.overlap), "--shape"]
    command += [str(n) for n in arguments.shape]
    environment = dict(os.environ)
    if side == "before":
        environment["PYTHONPATH"] = str(arguments.before)
    told = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    figures: dict[str, float] = json.loads(told.stdout)
    return figures


def main() -> None:
    """Compare the sides, or run one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(256, 128, 128))
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--before", type=Path, help="src of another version")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        shape = tuple(arguments.shape)
        run_side(arguments.side, shape, arguments.overlap, arguments.to)
        return
    sides = [each for each in SIDES if each != "before" or arguments.before]
    with tempfile.TemporaryDirectory() as folder:
        files = {side: Path(folder) / f"{side}.npy" for side in sides}
        figures = {side: fresh(side, arguments, files[side]) for side in sides}
        labels = {side: np.load(path, mmap_mode="r") for side, path in files.items()}
        for side in sides[1:]:
            equal = float((labels[side] == labels["ours"]).mean())
            assert equal >= LEAST_EQUAL, f"{side} agrees in {equal:.4%} only"
            figures[side]["equal_labels"] = equal
    told = {"shape": arguments.shape, "overlap": arguments.overlap}
    print(json.dumps({**told, "torch": torch.__version__, "sides": figures}, indent=2))


if __name__ == "__main__":
    main()
