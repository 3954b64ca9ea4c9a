"""Time and memory of segmenting a volume window by window, as JSON.

Run it with ``python benchmarks/volume_slabs.py --shape 512 256 256``. By default the
network is a stand-in of one small convolution, so that what is around it shows;
``--features 24`` takes the 3D network of so many, with random weights. Each side runs
in fresh processes that take turns: ours; MONAI's ``sliding_window_inference`` with the
network as published and the same batch; and, with ``--before SRC``, another version of
this package. The volume is made as it is read, and labels are returned; with ``--zarr``
it lies in a zarr array, and labels are written to the disk. Memory is the peak beyond
that of a process that has segmented one window. The sides must agree in at least
99.99 % of the labels; of the real network those that differ may be near ties, which is
checked.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from measuring import in_fresh_process, peak_mb, ratios, report
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.inference.running.volume_masks import VolumeMasks
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import SegmentationOutput
from napari_dmoe.models.unet import DMoEUNet, UNetConfig
from napari_dmoe.patient import Patient

PATCH = (96, 96, 96)
CLASSES = ("background", "one", "two")
WINDOW = (0.0, 255.0)
CATEGORY = 1
PATIENT = Patient(severity="T2")
LEAST_EQUAL, NEAR_TIE = 0.9999, 1e-2
"""Labels that must agree; by how much the scores of the others may differ."""


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
        self.convolution = nn.Conv3d(1, len(CLASSES), 3, padding=1)

    def forward(self, x: Tensor, category: Tensor | None, **_: Any) -> Any:
        """Return class scores, and no routing."""
        return SegmentationOutput(self.convolution(x), ())


def network_of(features: int) -> nn.Module:
    """Return the 3D network of so many features, or the stand-in for 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if not features:
            return StandIn().eval()
        config = UNetConfig(feature_size=features, n_routers=5, n_classes=len(CLASSES))
        return DMoEUNet(config).eval()


def ours(volume: Any, asked: argparse.Namespace) -> Path:
    """Segment with the package that is imported; return where the labels are."""
    card = read_card("prostate-tstage")
    how = VolumePreprocessing(window=WINDOW, patch=PATCH)
    card = card.model_copy(update={"preprocessing": how, "classes": CLASSES})
    model = LoadedModel(network_of(asked.features), card, "dmoe-unet3d")
    settings = InferenceSettings(device="cpu", batch=1, overlap=asked.overlap)
    image = SpatialImage(volume, ("z", "y", "x"), np.eye(4), "mm")
    if asked.zarr:  # a mapped TIFF in versions that write no zarr
        to = asked.to.parent, asked.to.name
        told = {"settings": settings, "overwrite": True}
        return segment_to_file(*to, model, image, PATIENT, **told).labels
    labels = segment(model, image, PATIENT, settings=settings).labels
    return _saved(labels, asked)


def _saved(labels: NDArray[np.uint8], asked: argparse.Namespace) -> Path:
    if asked.zarr:
        import zarr

        chunks = (64, 64, 64)
        zarr.create_array(str(asked.to), data=labels, chunks=chunks, overwrite=True)
        return Path(asked.to)
    np.save(asked.to, labels)
    return asked.to.with_name(f"{asked.to.name}.npy")


def monais(volume: Any, asked: argparse.Namespace) -> Path:
    """Segment with MONAI's inferer, and the network as published."""
    scores = monais_scores(volume, asked)
    return _saved(np.asarray(scores.max(0).indices.to(torch.uint8)), asked)


def monais_scores(volume: Any, asked: argparse.Namespace) -> Tensor:
    """Return the class scores (K, Z, Y, X) of MONAI's inferer."""
    from monai.inferers import sliding_window_inference

    from plain_networks import as_published

    network, category = network_of(asked.features), torch.tensor([CATEGORY])
    if asked.features:
        network = as_published(network)
    low, high = WINDOW
    values = (np.asarray(volume[:, :, :], np.float32) - low) / (high - low)
    with torch.inference_mode():
        scores = sliding_window_inference(
            torch.from_numpy(values)[None, None],
            PATCH,
            1,
            lambda x: network(x, category).logits,
            overlap=asked.overlap,
            mode="gaussian",
        )
        return scores[0]


SIDES: dict[str, Callable[[Any, argparse.Namespace], Path]] = {
    "ours": ours,
    "before": ours,
    "MONAI": monais,
}


def run_side(side: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Run one side in this process, and return its figures."""
    SIDES[side](Made(PATCH), asked)
    warm, first = peak_mb(), []
    began, cpu = time.perf_counter(), time.process_time()
    draw = VolumeMasks.draw

    def drawn(masks: VolumeMasks, *given: Any) -> None:
        draw(masks, *given)
        if getattr(given[1], "finished", True) is not None:  # whole planes
            first.append(time.perf_counter() - began)

    with patch.object(VolumeMasks, "draw", drawn):
        path = SIDES[side](_opened(asked), asked)
    took, computed = time.perf_counter() - began, time.process_time() - cpu
    figures: dict[str, Any] = {"seconds": round(took, 2)}
    figures |= {"cpu_seconds": round(computed, 2)}
    figures |= {"megabytes": round(peak_mb() - warm, 1), "total_mb": round(peak_mb())}
    figures["labels"] = str(path)
    if first:
        figures["first_slab_share"] = round(first[0] / took, 4)
    return figures


def _opened(asked: argparse.Namespace) -> Any:
    """Return the volume, lazily."""
    if not asked.zarr:
        return Made(tuple(asked.shape))
    import zarr

    return zarr.open_array(str(asked.source), mode="r")


def _written(asked: argparse.Namespace) -> None:
    """Write the volume as zarr, in chunks of 64 a side."""
    import zarr

    volume, chunks = Made(tuple(asked.shape)), (64, 64, 64)
    made = zarr.create_array(
        str(asked.source), shape=volume.shape, dtype="uint16", chunks=chunks
    )
    for z in range(0, volume.shape[0], chunks[0]):
        rows = slice(z, z + chunks[0]), slice(None), slice(None)
        made[rows] = volume[rows]


def fresh(side: str, asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run one side in a process of its own."""
    ending = ".ome.zarr" if asked.zarr else ""
    command = ["--side", side, "--to", str(folder / f"{side}{ending}")]
    command += ["--overlap", str(asked.overlap), "--features", str(asked.features)]
    command += ["--source", str(asked.source), *(["--zarr"] if asked.zarr else [])]
    command += ["--shape", *map(str, asked.shape)]
    before = asked.before if side == "before" else None
    return in_fresh_process(__file__, command, source=before)


def agreement(
    labels: dict[str, NDArray[np.uint8]], asked: argparse.Namespace
) -> dict[str, Any]:
    """Return in how much the others agree with ours, or say that they do not."""
    found: dict[str, Any] = {}
    for side in labels.keys() - {"ours"}:
        differs = labels[side] != labels["ours"]
        found[side] = 1 - float(differs.mean())
        if found[side] >= LEAST_EQUAL:
            continue
        if asked.features:
            best = monais_scores(_opened(asked), asked).topk(2, 0).values
            gap = float((best[0] - best[1])[torch.from_numpy(differs)].max())
            found["largest_gap_where_different"] = gap
            if gap <= NEAR_TIE:
                continue
        raise SystemExit(f"{side} agrees in {found[side]:.4%} only: {found}")
    return found


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """Run the sides in turns, compare their labels, and return their figures."""
    names = asked.sides or [each for each in SIDES if each != "before" or asked.before]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        asked.source = folder / "source.zarr"
        if asked.zarr:
            _written(asked)
        for _ in range(asked.repeats):
            for name in names:
                runs[name].append(fresh(name, asked, folder))
        paths = {
            name: [r.pop("labels") for r in each][-1] for name, each in runs.items()
        }
        labels = {name: _labels(Path(path)) for name, path in paths.items()}
        equal = agreement(labels, asked)
    medians = {
        name: {key: statistics.median(r[key] for r in each) for key in each[0]}
        for name, each in runs.items()
    }
    found = {"sides": medians, "equal_labels": equal}
    if "MONAI" in medians:
        times = {
            name: [(r["seconds"], r["cpu_seconds"]) for r in each]
            for name, each in runs.items()
        }
        found |= ratios(times, "ours", "MONAI")
        megabytes = [medians[name]["megabytes"] for name in ("ours", "MONAI")]
        found["memory_ratio"] = round(megabytes[0] / megabytes[1], 3)
    return found


def _labels(path: Path) -> NDArray[np.uint8]:
    """Return labels that were written, as they can be read."""
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r")
    if path.suffix == ".tif":
        return np.asarray(tifffile.memmap(path, mode="r"))
    import zarr

    opened = zarr.open(str(path), mode="r")
    whole = opened if isinstance(opened, zarr.Array) else opened["0"]
    return np.asarray(whole[...])


def main() -> None:
    """Compare the sides, or run one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(256, 128, 128))
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--features", type=int, default=0)
    parser.add_argument("--zarr", action="store_true")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--before", type=Path, help="src of another version")
    parser.add_argument("--sides", nargs="+", choices=SIDES, help="only these")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        print(json.dumps(run_side(asked.side, asked)))
        return
    told = {key: getattr(asked, key) for key in ("shape", "overlap", "features")}
    report({**told, **measured(asked)})


if __name__ == "__main__":
    main()
