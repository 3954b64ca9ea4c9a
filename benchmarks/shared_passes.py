"""Several values, and several noise samples, in one pass against one by one, as JSON.

Run it with ``python benchmarks/shared_passes.py --network vit`` or ``--network unet3d``
on a quiet machine. The networks are the published ones, drawn at random (ViT-B/16 on
one picture; the U-Net with 24 features on a volume of a few windows of 96 a side):
their values choose among the experts almost independently.

Both sides do the same work in one process, in turns: n values go through the image
together, or each in a run of its own; and so do n samples of the gating noise. Seconds
are medians, by the clock and of the processor, which other work disturbs less. Before
anything is printed, every mask must be what it is alone: bit for bit with a batch of 1,
else in at least 99.99 % of the labels.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

import measuring
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.inference.results.routing import NO_ROUTING
from napari_dmoe.inference.running.drivers import RouterChoice, choose_routers
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.unet import DMoEUNet, UNetConfig
from napari_dmoe.models.vit import DMoEViT, ViTConfig
from napari_dmoe.patient import Patient
from napari_dmoe.progress import silent

LEAST_EQUAL = 0.9999
PATCH = (96, 96, 96)
Masks = list[NDArray[np.uint8]]
Seconds = tuple[float, float]


def published(network: str) -> LoadedModel:
    """Return a network of the published shape, whose weights are drawn."""
    torch.manual_seed(0)
    if network == "vit":
        card = read_card("fairseg-race")
        shape = {"n_classes": len(card.classes), "n_routers": card.n_routers}
        return LoadedModel(DMoEViT(ViTConfig(**shape)).eval(), card, "dmoe-vit")
    how = VolumePreprocessing(window=(0, 1), patch=PATCH)
    card = read_card("prostate-tstage").model_copy(update={"preprocessing": how})
    shape = {"n_classes": len(card.classes), "n_routers": 5}
    return LoadedModel(DMoEUNet(UNetConfig(**shape)).eval(), card, "dmoe-unet3d")


def image_for(loaded: LoadedModel, shape: Sequence[int]) -> SpatialImage:
    """Return a picture, or a volume of a shape, of smooth blobs."""
    size = tuple(shape) if loaded.card.dims == 3 else (224, 224)
    coarse = np.random.default_rng(1).random([-(-n // 16) for n in size], np.float32)
    samples = np.kron(coarse, np.ones([16] * len(size), np.float32))
    whole = samples[tuple(slice(n) for n in size)]
    if loaded.card.dims == 3:
        return SpatialImage(whole, ("z", "y", "x"), np.eye(4), "mm")
    return SpatialImage((255 * whole).astype(np.uint8), ("y", "x"))


def choices_of(loaded: LoadedModel, settings: InferenceSettings) -> list[RouterChoice]:
    """Return the routers of every value; those that the card does not name, too."""
    attribute, n = loaded.card.attributes[0], loaded.config.n_routers
    known = len(attribute.values)
    own = [
        choose_routers(loaded, Patient(), settings, fixed={attribute.name: place})
        for place in range(known)
    ]
    more = [RouterChoice(((place,),), ("",), (1.0,)) for place in range(known, n)]
    return [*own, *more]


def masks_of(
    loaded: LoadedModel,
    image: SpatialImage,
    choices: Sequence[RouterChoice],
    settings: InferenceSettings,
) -> Masks:
    """Segment an image for some choices together."""
    which = loaded, image, choices, settings, silent
    return [each.labels for each in segment_variants(*which, keep=NO_ROUTING)]


def timed(work: Callable[[], Masks]) -> tuple[Masks, Seconds]:
    """Return what some work gives, and its seconds by the clock and the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, (time.perf_counter() - wall, time.process_time() - cpu)


def least_equal(some: Masks, others: Masks) -> float:
    """Return the share of equal labels of that mask that differs most."""
    pairs = zip(some, others, strict=True)
    return min(float((one == other).mean()) for one, other in pairs)


def point(
    loaded: LoadedModel,
    image: SpatialImage,
    choices: Sequence[RouterChoice],
    settings: InferenceSettings,
    *,
    repeats: int,
) -> dict[str, float]:
    """Time some choices together, and each alone, in turns."""
    times: dict[str, list[Seconds]] = {"together": [], "alone": []}
    equal = 1.0
    for _ in range(repeats):
        together, took = timed(lambda: masks_of(loaded, image, choices, settings))
        times["together"].append(took)
        alone, took = timed(
            lambda: [
                masks_of(loaded, image, [choice], settings)[0] for choice in choices
            ]
        )
        times["alone"].append(took)
        equal = min(equal, least_equal(together, alone))
    least = 1 if settings.batch == 1 else LEAST_EQUAL
    if equal < least:
        raise SystemExit(f"{len(choices)} together agree with each alone in {equal:%}")
    medians = {
        side: [statistics.median(each) for each in zip(*own, strict=True)]
        for side, own in times.items()
    }
    (wall, cpu), (alone_wall, alone_cpu) = medians["together"], medians["alone"]
    return {
        "n": len(choices),
        "together_s": round(wall, 3),
        "alone_s": round(alone_wall, 3),
        "ratio": round(alone_wall / wall, 3),
        "processor_ratio": round(alone_cpu / cpu, 3),
        "least_equal_labels": round(equal, 6),
    }


def curve(
    loaded: LoadedModel,
    image: SpatialImage,
    choices: Sequence[RouterChoice],
    settings: InferenceSettings,
    *,
    numbers: Iterable[int],
    repeats: int,
) -> list[dict[str, float]]:
    """Time the first n choices, for each n."""
    return [
        point(loaded, image, choices[:n], settings, repeats=repeats) for n in numbers
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=("vit", "unet3d"), default="unet3d")
    parser.add_argument("--shape", type=int, nargs=3, default=(144, 96, 96))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--samples", type=int, nargs="*", default=(1, 2, 4, 8, 16))
    arguments = parser.parse_args()
    loaded = published(arguments.network)
    image = image_for(loaded, arguments.shape)
    settings = InferenceSettings(device="cpu", batch=arguments.batch)
    choices = choices_of(loaded, settings)
    masks_of(loaded, image, choices[:1], settings)  # what is done once
    repeats = arguments.repeats
    n = range(1, len(choices) + 1)
    which = loaded, image
    values = curve(*which, choices, settings, numbers=n, repeats=repeats)
    noisy = settings.model_copy(update={"noise": True})
    drawn = [choices[0].with_sample(number) for number in range(64)]
    given = arguments.samples
    samples = curve(*which, drawn, noisy, numbers=given, repeats=repeats)
    measuring.report(
        {
            "network": arguments.network,
            "shape": image.data.shape,
            "batch": arguments.batch,
            "repeats": repeats,
            "values": values,
            "samples": samples,
        }
    )


if __name__ == "__main__":
    main()
