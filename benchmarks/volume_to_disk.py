"""Memory and time of segmenting volumes of several lengths into OME-Zarr, as JSON.

Run it with ``python benchmarks/volume_to_disk.py --across 256 256 --lengths 512 2048``.
The network only compares each voxel with two numbers, so that what is measured is
reading, stitching and writing; the mask must be that comparison's, voxel by voxel. Each
length runs in a fresh process, on a volume that is made as it is read. Memory is the
highest that the process had, and that beyond a warmed-up one.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import SegmentationOutput
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.patient import Patient
from volume_slabs import CLASSES, PATCH, WINDOW, Made

LOW, HIGH = 0.3, 0.7
"""Shares of the window between which a voxel is of the second class."""


class Planes(Made):
    """The same volume, made plane by plane, so that making it needs no memory."""

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[np.uint8]:
        planes = range(*index[0].indices(self.shape[0]))
        made = [
            super(Planes, self).__getitem__((slice(i, i + 1), *index[1:]))
            for i in planes
        ]
        return np.concatenate(made)


class Comparing(nn.Module):
    """Three classes, by what a voxel is, whatever lies around it."""

    def __init__(self) -> None:
        super().__init__()
        self.config = UNetConfig(n_routers=5, n_classes=len(CLASSES))

    def forward(self, x: Tensor, category: Tensor | None, **_: Any) -> Any:
        """Return class scores, and no routing."""
        middle = (LOW + HIGH) / 2
        scores = torch.cat([LOW - x, torch.zeros_like(x), x - HIGH], 1)
        scores[:, 1:2] = (HIGH - LOW) / 2 - (x - middle).abs()
        return SegmentationOutput(scores, ())


def model() -> LoadedModel:
    """Return the stand-in with a card."""
    card = read_card("prostate-tstage")
    how = VolumePreprocessing(window=WINDOW, patch=PATCH)
    card = card.model_copy(update={"preprocessing": how, "classes": CLASSES})
    return LoadedModel(Comparing(), card, "dmoe-unet3d")


def segmented(volume: Made, folder: Path, overlap: float) -> Path:
    """Segment a volume into a folder, and return its mask."""
    image = SpatialImage(volume, ("z", "y", "x"), np.eye(4), "mm")
    how = InferenceSettings(device="cpu", batch=1, overlap=overlap)
    patient = Patient(severity="T2")
    order = folder, "mask.ome.zarr", model(), image, patient
    return segment_to_file(*order, settings=how, overwrite=True).labels


def peak_bytes() -> int:
    """Return the most memory that this process had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def assert_right(volume: Made, mask: Path) -> None:
    """Compare a mask with what it must be, some planes at a time."""
    labels, n = read_image(mask).data, volume.shape[0]
    for begin in range(0, n, 8):
        planes = slice(begin, min(begin + 8, n))
        seen = volume[(planes, slice(None), slice(None))] / np.float32(255)
        expected = (seen > LOW).astype(np.uint8) + (seen > HIGH)
        found = labels[planes]
        assert (found == expected).mean() >= 0.9999, begin


def run_one(shape: tuple[int, ...], overlap: float) -> None:
    """Run one length in this process, and print its figures."""
    with tempfile.TemporaryDirectory() as folder:
        segmented(Planes(PATCH), Path(folder), overlap)
        warm = peak_bytes()
        began = time.perf_counter()
        mask = segmented(Planes(shape), Path(folder), overlap)
        took, peak = time.perf_counter() - began, peak_bytes()
        assert_right(Planes(shape), mask)
    figures = {"seconds": round(took, 1), "gibibytes": round(peak / 2**30, 3)}
    figures["beyond_warm_gibibytes"] = round((peak - warm) / 2**30, 3)
    print(json.dumps({"shape": shape, **figures}))


def main() -> None:
    """Run each length in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--across", type=int, nargs=2, default=(256, 256))
    parser.add_argument("--lengths", type=int, nargs="+", default=(512, 1024, 2048))
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    across = tuple(arguments.across)
    if arguments.here:
        run_one((arguments.lengths[0], *across), arguments.overlap)
        return
    found = []
    for length in arguments.lengths:
        command = [sys.executable, __file__, "--here", "--lengths", str(length)]
        command += ["--across", *map(str, across), "--overlap", str(arguments.overlap)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(told.stdout))
    facts = {"overlap": arguments.overlap, "torch": torch.__version__}
    print(json.dumps({**facts, "lengths": found}, indent=2))


if __name__ == "__main__":
    main()
