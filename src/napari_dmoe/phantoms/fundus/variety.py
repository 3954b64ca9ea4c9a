"""One made-up fundus as any camera may show it: all that is varied, in its order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.phantoms.cases import Floats, Rng
from napari_dmoe.phantoms.fundus.anatomy import Vessel
from napari_dmoe.phantoms.fundus.camera import photographed
from napari_dmoe.phantoms.fundus.discs import lay_disc
from napari_dmoe.phantoms.fundus.drawing import coverage
from napari_dmoe.phantoms.fundus.findings import add_findings
from napari_dmoe.phantoms.fundus.light import lit
from napari_dmoe.phantoms.fundus.retina import ground_colour, paint_retina
from napari_dmoe.phantoms.fundus.scenes import Scene
from napari_dmoe.phantoms.fundus.vessels import draw_tree

_BLOOD = {True: (0.74, 0.40, 0.55), False: (0.86, 0.50, 0.60)}
"""Share of the light that a vein (True) or an artery (False) lets through."""

_SLO = 0.4
"""Share of the grey images that are a laser's, of which a disc may be dark."""


def paint_varied(rng: Rng, scene: Scene, *, is_colour: bool) -> NDArray[np.uint8]:
    """Paint a photograph: (H, W, 3) in colour, (H, W) grey."""
    is_slo = not is_colour and bool(rng.random() < _SLO)
    ground = np.full(3, rng.uniform(0.25, 0.6)) if is_slo else ground_colour(rng)
    image = paint_retina(rng, scene, ground)
    image = add_findings(rng, image, scene)
    image = lay_disc(rng, image, scene, ground, is_slo=is_slo)
    image = image * _through(rng, scene, draw_tree(rng, scene.disc))
    image = lit(rng, image, scene)
    return photographed(rng, image, scene, is_colour=is_colour)


def _through(rng: Rng, scene: Scene, vessels: Sequence[Vessel]) -> Floats:
    """Return the share of light that the vessels let through, (3, H, W)."""
    passed = np.ones((3, *scene.x.shape), np.float32)
    depth, wider = rng.uniform(0.4, 1.15), rng.uniform(0.8, 1.3)
    tint = rng.uniform(0.85, 1.15, 3)
    for is_vein in (False, True):
        kind = [vessel for vessel in vessels if vessel.is_vein == is_vein]
        covered = coverage(scene.view, kind, width=wider)
        absorbed = (1 - np.array(_BLOOD[is_vein]) * tint)[:, None, None]
        passed *= 1 - np.clip(absorbed * depth, 0, 0.92) * covered
        if not is_vein:
            reflex = coverage(scene.view, kind, width=0.3 * wider)
            passed *= 1 + rng.uniform(0, 0.4) * reflex
    return np.asarray(np.clip(passed, 0.06, 1.2), np.float32)
