"""What a model's card states of the images that it was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.appearance import Appearance, appearance
from napari_dmoe.imaging.fitting import centred_tokens
from napari_dmoe.inference.running.sums import SlabMeans, whole_gates
from napari_dmoe.inference.running.windows import Tokens, Windows
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.training_images import (
    ENOUGH_IMAGES,
    LOADS,
    LOOK,
    ImageSet,
    Spread,
    TrainingImages,
    look_of,
    spread_of,
)
from napari_dmoe.training.cases.pool import Pool
from napari_dmoe.training.cases.unknown_drivers import mixed_routers

MOST_IMAGES, MOST_VOLUMES = 2048, 512
"""Cases that are looked at, evenly over all of them."""

ENOUGH_FOR_LOOK = 128
"""Fewer images do not tell how the 81 numbers of a look go together."""

MOST_PLANES, MOST_WINDOWS = 256, 96
"""Passes of the network that tell the loads: planes, or windows of volumes."""

MARGINS: Mapping[str, float] = {"sharpness": 1.02, "colours": 1.25, LOADS: 2.0}
MARGIN = 1.3
"""How far outside is far, in distances of the farthest training images but 1 %.

Volumes are fewer than planes and tell less of how sharp others are: for these it is
`MARGIN` there, too.
"""

MARGINS_WITH_LOOK: Mapping[str, float] = {LOOK: 0.95}
MARGIN_WITH_LOOK = 1.5
"""The same of sets whose look as a whole is known: that decides, and the others tell of
what is farther out than that. Measured on dermoscopic photographs, of which all sides
together are to call 2 in 100 unlike at most (``benchmarks/unlike_training.py``)."""

MARGINS_OF_PHANTOMS: Mapping[str, float] = {**MARGINS, LOOK: 0.75}
"""The same of phantoms, which are drawn more various than photographs are: with these
none of the 50 training photographs of Drishti-GS is unlike fundi that are drawn so (the
farthest is at 0.84), and of the phantoms themselves a tenth."""

_OF_FEW = 2.0
"""The same for a handful of images, which do not tell how much images differ."""


def appearances(pool: Pool) -> dict[int, Appearance]:
    """Return what some cases look like, evenly over all, by their places."""
    most = MOST_IMAGES if pool.patch is None else MOST_VOLUMES
    numbers = _evenly(len(pool), most)
    return {i: appearance(_picture(pool, i)) for i in numbers}


def _picture(pool: Pool, number: int) -> Tensor:
    """Return what a case shows, (C, *S) in [0, 1], without what is padded."""
    whole = pool.picture(number)
    return whole[(slice(None), *pool.shown(number))]


def with_images(
    loaded: LoadedModel,
    pool: Pool,
    *,
    before: TrainingImages | None,
    seen: Mapping[int, Appearance] | None = None,
    has_loads: bool = True,
) -> LoadedModel:
    """Return a trained model whose card states what its images looked like.

    `before` are those of an earlier training, which the model has seen too: they are
    kept, but for the loads, which are others now. What the cases look like is measured
    where it is not given as `seen`; the loads cost passes of the network.
    """
    seen = appearances(pool) if seen is None else seen
    kinds: dict[str, list[int]] = {}
    for i, found in seen.items():
        kinds.setdefault(_kind(found, pool), []).append(i)
    few = [i for kind, own in kinds.items() if not _has_look(kind, own) for i in own]
    loads = _loads(loaded, pool, sorted(few)) if has_loads and few else {}
    earlier = [_without_loads(each) for each in before.sets] if before else []
    sets = list(earlier)
    for kind, own in kinds.items():
        rows, used = [seen[i] for i in own], [loads[i] for i in own if i in loads]
        like = next((each for each in earlier if each.kind == kind), None)
        if len(own) >= ENOUGH_IMAGES:
            told = pool.phantoms or (None,) * len(pool)
            is_drawn = all(told[i] is not None for i in own)
            described = _described(kind, rows, used, is_drawn=is_drawn)
            sets.append(_with_look(described, like, rows))
        elif like is not None:
            sets.append(_of_few(like, rows))
    if not sets:
        return loaded
    sizes = [*pool.sizes, *((before.smallest, before.largest) if before else ())]
    known = [size for size in sizes if size is not None]
    facts = TrainingImages(
        smallest=tuple(map(min, zip(*known, strict=True))) if known else None,
        largest=tuple(map(max, zip(*known, strict=True))) if known else None,
        sets=tuple(sets[-64:]),
    )
    card = loaded.card.model_copy(update={"training_images": facts})
    return LoadedModel(
        loaded.network,
        card,
        loaded.architecture,
        loaded.source,
        loaded.sha256,
        loaded.n_bytes,
    )


def _kind(found: Appearance, pool: Pool) -> str:
    if pool.patch is not None:
        return "volumes"
    return "colour" if "colours" in found else "grey"


def _has_look(kind: str, own: Sequence[object]) -> bool:
    """Say whether images are planes, and enough to tell how their looks go together.

    The loads of experts are then not stated: they tell less, and are others where the
    patient is unknown.
    """
    return kind != "volumes" and len(own) >= ENOUGH_FOR_LOOK


def _evenly(n: int, most: int) -> list[int]:
    return sorted({round(place) for place in np.linspace(0, n - 1, min(n, most))})


def _described(
    kind: str,
    rows: Sequence[Appearance],
    loads: Sequence[Sequence[float]],
    *,
    is_drawn: bool,
) -> ImageSet:
    # Some of several volumes may have colours, and others not.
    common = [side for side in rows[0] if all(side in row for row in rows)]
    sides = {side: [row[side] for row in rows] for side in common}
    if len(loads) >= ENOUGH_IMAGES:
        sides[LOADS] = list(map(tuple, loads))
    margins, margin = MARGINS, MARGIN
    if kind == "volumes":
        margins = {**MARGINS, "sharpness": MARGIN}
    elif _has_look(kind, rows):
        sides[LOOK] = list(map(look_of, rows))
        margins, margin = MARGINS_OF_PHANTOMS, MARGIN
        if not is_drawn:
            margins, margin = MARGINS_WITH_LOOK, MARGIN_WITH_LOOK
    spreads = {
        side: spread_of(numbers, margins.get(side, margin))
        for side, numbers in sides.items()
    }
    return ImageSet(kind=kind, n=len(rows), sides=spreads)


def _without_loads(before: ImageSet) -> ImageSet:
    sides = {side: s for side, s in before.sides.items() if side != LOADS}
    return before.model_copy(update={"sides": sides})


def _of_few(like: ImageSet, rows: Sequence[Appearance]) -> ImageSet:
    """Describe a few images, taken to differ as much as those seen earlier."""
    sides = {
        side: _spread_of_few(
            spread.model_copy(update={"correlations": None}),
            [row[side] for row in rows],
            least=_OF_FEW,
        )
        for side, spread in like.sides.items()
        if side != LOOK
    }
    few = ImageSet(kind=like.kind, n=len(rows), sides=sides)
    return _with_look(few, like, rows)


def _with_look(
    own: ImageSet, like: ImageSet | None, rows: Sequence[Appearance]
) -> ImageSet:
    """State how the numbers of a few images go together: as those seen earlier do."""
    if LOOK in own.sides or like is None or LOOK not in like.sides:
        return own
    numbers = [like.look(row) for row in rows]
    look = _spread_of_few(like.sides[LOOK], numbers, least=0.0)
    sides = {**_without_loads(own).sides, LOOK: look}
    return own.model_copy(update={"sides": sides})


def _spread_of_few(
    like: Spread, numbers: Sequence[Sequence[float]], *, least: float
) -> Spread:
    """Return where a few images lie on one side, and that they differ as others do.

    Far is what is far for the others, and `least` or more.
    """
    values = np.array(numbers)
    mean, std = values.mean(0), np.maximum(values.std(0), like.std)
    near = Spread(
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        correlations=like.correlations,
        limit=1.0,
    )
    farthest = max(near.distance(row) for row in values)
    limit = max(least, like.limit, MARGIN * farthest)
    return near.model_copy(update={"limit": limit})


@torch.inference_mode()
def _loads(
    loaded: LoadedModel, pool: Pool, numbers: Sequence[int]
) -> dict[int, list[float]]:
    """Return the mean gate of every expert, block by block, for some of the cases."""
    if not loaded.config.n_routers:
        return {}
    loaded.module.eval()
    passes = [_passes(pool, i) for i in numbers]
    most_passes = MOST_PLANES if pool.patch is None else MOST_WINDOWS
    most = max(ENOUGH_IMAGES, int(most_passes / np.mean(passes)))
    return {
        i: [load for gates in _gates(loaded, pool, i) for load in gates.tolist()]
        for i in (numbers[place] for place in _evenly(len(numbers), most))
    }


def _windows(shape: Sequence[int], patch: Sequence[int]) -> Windows:
    return Windows(shape, patch, overlap=0)


def _passes(pool: Pool, number: int) -> int:
    if pool.patch is None:
        return 1
    return len(_windows(pool.images[number].shape[1:], pool.patch))


def _of_picture(pool: Pool, number: int, gates: Tensor) -> Tensor:
    """Return those of the gates (T, E) of a plane whose tokens show its picture."""
    shown, side = pool.shown(number), math.isqrt(len(gates))
    if not shown:
        return gates
    of = pool.labels[number].shape[-1]
    rows, columns = (centred_tokens(part, of, side) for part in shown)
    tokens: Tensor = gates.unflatten(0, (side, side))[rows, columns]
    return tokens.flatten(0, 1)


def _gates(loaded: LoadedModel, pool: Pool, number: int) -> list[Tensor]:
    """Return the mean gates (E,) of each block for one case, as a run sees it."""
    chosen = torch.tensor([number])
    images, _ = pool.whole(chosen)
    category = mixed_routers(pool.category[chosen], loaded.card, was_trained=False)
    device = next(loaded.module.parameters()).device

    def blocks(rows: Tensor) -> tuple[Tensor, ...]:
        out = loaded.network(rows.to(device), category.to(device))
        return tuple(gates.cpu() for gates in out.gates)

    if pool.seen_patch is None:
        return [_of_picture(pool, number, g[0]).mean(0) for g in blocks(images)]
    windows = _windows(images.shape[2:], pool.seen_patch)
    sums: list[tuple[SlabMeans, NDArray[np.float32]]] = []
    for place in windows.order:
        gates = blocks(windows.cut(images[0], place)[None])
        sums = sums or [
            whole_gates(Tokens(windows, g.shape[1]), n_values=1, n_experts=g.shape[2])
            for g in gates
        ]
        for (means, _), own in zip(sums, gates, strict=True):
            means.add(place, own)
    for means, _ in sums:
        means.end()
    return [torch.from_numpy(whole).flatten(0, -2).mean(0) for _, whole in sums]
