"""What a user would train instead: MONAI's plain 2D U-Net, for as long, as JSON.

Run it with ``python benchmarks/plain_unet.py FOLDER --held-out RUN/held_out.csv --out
OUT``. FOLDER is that of :mod:`real_images`. The network is MONAI's own (16 to 256
channels, four strides of 2, two residual units: 1.63 million parameters) on 128 pixels,
without any attribute; trained on the same photographs of ISIC 2017, without those that
the other run held out, for as many seconds with a stated number of threads: AdamW, a
short warm-up and a cosine down to nothing over the seconds, Dice and cross-entropy;
every batch is flipped, turned, zoomed, shifted and recoloured. Nothing is chosen by a
set that is measured: the last weights count. Its masks are written as PNG in the
photographs' own sizes, and scored by ``napari-dmoe evaluate --predictions``, or all of
them at once by ``real_images.py --masks plain-unet=OUT/masks``.

Seconds are those of the processor while it trains, of all threads together, over the
number of threads: what a quiet machine with so many cores needs by the clock, or a
little more, and the same on one that others share. Reading is left out. ``wall_s`` is
beside it. Its rate and variation were chosen by what is usual, and not searched.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import imageio.v3 as iio
import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from torch import Tensor
from torch.nn import functional

from napari_dmoe.cohorts.case import CaseRow
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.training.augmentation.settings import AugmentSettings
from napari_dmoe.training.augmentation.varied import varied
from real_sets import SETS, held_out_of, names_of, open_set

SIDE = 128
CHANNELS, STRIDES, RESIDUAL_UNITS = (16, 32, 64, 128, 256), (2, 2, 2, 2), 2
BATCH = 16
PEAK, WARM_UP, DECAY = 2e-3, 0.05, 1e-4
"""Learning rate, the share of the time until it is reached, and weight decay."""

AUGMENTATION = AugmentSettings(
    rotation=180,
    zoom=1.3,
    shift=0.1,
    light=0.25,
    colour=0.15,
    grey_share=0.0,
    blur_px=0.7,
    noise=0.02,
)
"""The project's own, so that neither side lacks what the other has."""

SEED = 0
MEAN, SPREAD = (0.7, 0.57, 0.53), (0.16, 0.16, 0.17)
"""Of the channels of dermoscopic photographs, about."""


class Pictures(NamedTuple):
    """Photographs and masks as the network sees them."""

    images: Tensor
    """(N, 3, S, S) uint8."""
    masks: Tensor
    """(N, S, S) uint8, 0 or 1."""


def network() -> UNet:
    """Return the network, seeded."""
    torch.manual_seed(SEED)
    return UNet(
        spatial_dims=2,
        in_channels=3,
        out_channels=2,
        channels=CHANNELS,
        strides=STRIDES,
        num_res_units=RESIDUAL_UNITS,
    )


def seen(row: CaseRow) -> tuple[Tensor, tuple[int, int]]:
    """Return a photograph (3, S, S) uint8 as the network sees it, and its size."""
    data = np.asarray(read_image(row.image).data)
    if data.ndim == 2:
        data = np.repeat(data[..., None], 3, axis=-1)
    pixels = torch.from_numpy(data[..., :3].astype(np.float32)).permute(2, 0, 1)
    small = functional.interpolate(
        pixels[None], (SIDE, SIDE), mode="bilinear", antialias=True
    )
    return small[0].round().clamp(0, 255).to(torch.uint8), data.shape[:2]


def read_all(rows: Sequence[CaseRow]) -> Pictures:
    """Read photographs and masks once, small: 2,000 of them take 130 megabytes."""
    images, masks = [], []
    for row in rows:
        labels = (np.asarray(read_labels(row.labels).data) > 0).astype(np.float32)
        whole = torch.from_numpy(labels)[None, None]
        small = functional.interpolate(whole, (SIDE, SIDE), mode="area")
        images.append(seen(row)[0])
        masks.append((small[0, 0] >= 0.5).to(torch.uint8))
    return Pictures(torch.stack(images), torch.stack(masks))


def standardised(images: Tensor) -> Tensor:
    """Return images (B, 3, S, S) in [0, 1] as the network takes them."""
    mean, spread = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, SPREAD))
    return (images - mean) / spread


def rate(done: float) -> float:
    """Return the learning rate after a share of the time."""
    if done < WARM_UP:
        return PEAK * max(done, 1e-3) / WARM_UP
    left = (done - WARM_UP) / (1 - WARM_UP)
    return PEAK * (1 + math.cos(math.pi * min(left, 1))) / 2


def train(
    model: UNet, pictures: Pictures, seconds: float, batch: int = BATCH
) -> dict[str, Any]:
    """Train for some seconds of so many cores, and return what was done in them."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK, weight_decay=DECAY)
    criterion = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False)
    generator = torch.Generator().manual_seed(SEED)
    threads = torch.get_num_threads()
    began, wall, steps, losses = time.process_time(), time.perf_counter(), 0, []
    model.train()
    for places in _batches(len(pictures.images), batch, generator):
        done = (time.process_time() - began) / threads / seconds
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = rate(done)
        images, masks = _drawn(pictures, places, generator)
        loss = criterion(model(standardised(images)), masks[:, None])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        steps += 1
    return {
        "seconds": round((time.process_time() - began) / threads, 1),
        "wall_s": round(time.perf_counter() - wall, 1),
        "threads": threads,
        "steps": steps,
        "epochs": round(steps * batch / len(pictures.images), 1),
        "loss_at_first": _mean(losses[:20]),
        "loss_at_last": _mean(losses[-20:]),
    }


def _mean(values: Sequence[float]) -> float:
    return round(statistics.fmean(values), 3) if values else math.nan


def _batches(n: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield places, every picture as often, without an end."""
    while True:
        order = torch.randperm(n, generator=generator)
        yield from order.split(batch)[: max(1, n // batch)]


def _drawn(
    pictures: Pictures, places: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return a batch that is varied."""
    images = pictures.images[places].float() / 255
    masks = pictures.masks[places].long()
    images, masks = varied(images, masks, settings=AUGMENTATION, generator=generator)
    return images, masks


def write_masks(model: UNet, cohort: Cohort, folder: Path) -> int:
    """Write a mask of every photograph that has none yet, in its own size."""
    folder.mkdir(parents=True, exist_ok=True)
    model.eval()
    for row in cohort.rows:
        path = folder / f"{row.image.stem}.png"
        if path.exists():
            continue
        image, size = seen(row)
        with torch.inference_mode():
            logits = model(standardised(image[None].float() / 255))
            large = functional.interpolate(logits, size, mode="bilinear")
        iio.imwrite(path, (large[0].argmax(0) * 255).to(torch.uint8).numpy())
    return len(cohort)


def weights_of(asked: argparse.Namespace, held_out: frozenset[str]) -> dict[str, Any]:
    """Train where the folder has no weights yet; return the facts of the training."""
    path, facts = asked.out / "plain_unet.pt", asked.out / "training.json"
    if facts.is_file():
        return dict(json.loads(facts.read_text()))
    rows = open_set(asked.folder, SETS["isic"]).rows
    rows = tuple(row for row in rows if not names_of(row) & held_out)
    model = network()
    pictures = read_all(rows)
    found = {
        "trained_on": f"{len(rows):,} photographs of {SETS['isic'].title}",
        "parameters": sum(p.numel() for p in model.parameters()),
        "side": SIDE,
        **train(model, pictures, asked.seconds),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    facts.write_text(json.dumps(found, indent=2))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, write masks and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--held-out", type=Path, required=True, metavar="CSV")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", default="isic,ham10000", help="with commas")
    parser.add_argument("--seconds", type=float, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--number", type=int, help="masks of each set; all by default")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    held_out = held_out_of(asked.held_out)
    found: dict[str, Any] = {"training": weights_of(asked, held_out), "masks": {}}
    model = network()
    model.load_state_dict(torch.load(asked.out / "plain_unet.pt", weights_only=True))
    for name in asked.sets.split(","):
        only = held_out if name == "isic" else None
        cohort = open_set(asked.folder, SETS[name], number=asked.number, only=only)
        found["masks"][name] = write_masks(model, cohort, asked.out / "masks" / name)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
