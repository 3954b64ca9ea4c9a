"""Memory of what a run over a volume keeps of its routing, as JSON.

Run it with ``python benchmarks/routing_memory.py --shape 256 192 192``. The network is
a stand-in with five values and the stages of the published U-Net, whose gates depend on
the picture, so that what is around it shows. Each side runs in a fresh process, for one
value and for those of an unknown driver mixed: everything is kept; or the mean of the
values in half the precision, as the window keeps it for its maps; or all but the first
stage; or nothing, as by a command that writes no gates. Memory is the peak beyond that
of a warmed-up process. The masks must be the same bit for bit, and the gates equal to
0.0005.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.results.routing import (
    ALL_ROUTING,
    NO_ROUTING,
    KeptRouting,
)
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.segment import FOR_MAPS, segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import Routing, SegmentationOutput
from napari_dmoe.patient import Patient
from volume_slabs import CLASSES, PATCH, WINDOW, Made, StandIn

SIDES: dict[str, KeptRouting] = {
    "everything": ALL_ROUTING,
    "for maps": FOR_MAPS,
    "without the first stage": KeptRouting(blocks=(1, 2, 3, 4)),
    "nothing": NO_ROUTING,
}
KNOWN, UNKNOWN = Patient(severity="T2"), Patient()
NEAR = 5e-4


class Routed(StandIn):
    """The stand-in with gates of two experts a token, which the value shifts."""

    def forward(self, x: Tensor, category: Tensor | None, **_: Any) -> Any:
        """Return class scores, and the routing of five stages."""
        scores = self.convolution(x)
        if category is None:
            raise ValueError("this network has routers")
        scores[:, 0] += 0.05 * category.view(-1, *[1] * (scores.ndim - 2))
        routing = []
        for step in self.config.token_steps:
            coarse = F.avg_pool3d(x[:, :1], step).flatten(1)
            share = (coarse + 0.1 * category.view(-1, 1)).clamp(0, 1)
            gates = share.new_zeros(*share.shape, self.config.n_experts)
            gates[..., 1], gates[..., 5] = share, 1 - share
            routing.append(Routing(gates, gates, gates))
        return SegmentationOutput(scores, tuple(routing))


def run(shape: tuple[int, ...], keep: KeptRouting, patient: Patient) -> Segmentation:
    """Segment a volume that is made as it is read."""
    card = read_card("prostate-tstage")
    how = VolumePreprocessing(window=WINDOW, patch=PATCH)
    card = card.model_copy(update={"preprocessing": how, "classes": CLASSES})
    model = LoadedModel(Routed(), card, "dmoe-unet3d")
    settings = InferenceSettings(device="cpu", batch=1, overlap=0.25)
    image = SpatialImage(Made(shape), ("z", "y", "x"), np.eye(4), "mm")
    return segment(model, image, patient, settings=settings, routing=keep)


def run_side(side: str, shape: tuple[int, ...], *, is_known: bool, to: Path) -> None:
    """Run one side in this process, and print its figures."""
    keep, patient = SIDES[side], KNOWN if is_known else UNKNOWN
    run(PATCH, keep, patient)
    warm = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = run(shape, keep, patient)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    maps = made.routing
    held = 0 if maps is None else sum(gates.nbytes for gates in maps.gates)
    last = [] if maps is None else maps.mean(4)
    np.savez(to, labels=made.labels, last=last)
    figures = {"megabytes": (peak - warm) * unit / 1e6, "gates_megabytes": held / 1e6}
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))


def fresh(side: str, shape: list[int], which: str, to: Path) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--to", str(to), which]
    command += ["--shape", *map(str, shape)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(told.stdout)
    return figures


def compared(shape: list[int], which: str) -> dict[str, dict[str, float]]:
    """Run all sides, and check that they agree."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for side in SIDES:
            path = Path(folder) / f"{side}.npz"
            figures[side] = fresh(side, shape, which, path)
        first = np.load(Path(folder) / "everything.npz")
        for side in SIDES:
            own = np.load(Path(folder) / f"{side}.npz")
            if not np.array_equal(own["labels"], first["labels"]):
                raise SystemExit(f"{side}: another mask")
            if len(own["last"]) and np.abs(own["last"] - first["last"]).max() > NEAR:
                raise SystemExit(f"{side}: other gates")
    return figures


def main() -> None:
    """Compare what is kept, or run one side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(256, 192, 192))
    parser.add_argument("--only", choices=("one value", "values mixed"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--known", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mixed", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    shape = list(arguments.shape)
    if arguments.side:
        known = arguments.known
        run_side(arguments.side, tuple(shape), is_known=known, to=arguments.to)
        return
    patients = {"one value": "--known", "values mixed": "--mixed"}
    asked = (arguments.only,) if arguments.only else patients
    found = {name: compared(shape, patients[name]) for name in asked}
    report = {"shape": shape, **found, "torch": torch.__version__}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
