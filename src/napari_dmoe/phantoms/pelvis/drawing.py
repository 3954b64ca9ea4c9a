"""How a made-up pelvis looks in CT: tissues in Hounsfield units, noise and streaks."""

from __future__ import annotations

from functools import partial, reduce

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_dmoe.phantoms.cases import Floats, Rng, smooth_noise
from napari_dmoe.phantoms.pelvis.anatomy import Anatomy, Shape, View

_texture = partial(smooth_noise, order=1)
"""Smooth noise from its shape, and the voxels from one draw to the next."""

AIR, FAT = -1000.0, -100.0
_CORTEX_MM = 3.0
_TABLE_MM = 9.0
_WITH_METAL = 0.1


def paint(rng: Rng, anatomy: Anatomy, view: View) -> NDArray[np.int16]:
    """Paint a volume (D, H, W) in Hounsfield units."""
    where = view.coordinates()
    volume = np.full(view.shape, AIR, np.float32)
    skin = anatomy.body.distance(where)
    _lay(volume, skin, 20.0)
    _lay(volume, skin + 3, FAT + rng.normal(0, 6))
    _fill_cavity(rng, volume, anatomy, where)
    for muscle in anatomy.muscles:
        _lay(volume, np.maximum(muscle.distance(where), skin + 6), rng.normal(55, 5))
    _lay_bones(rng, volume, anatomy.bones, where)
    _lay_organs(rng, volume, anatomy, where)
    _lay_table(rng, volume, anatomy, where)
    return _scanned(rng, volume, view)


def _lay(volume: Floats, distance: Floats, value: float | Floats) -> None:
    """Put a tissue where the distance is below 0, blended over a voxel's width."""
    share = np.clip(0.5 - distance / 3, 0, 1)
    volume += share * (value - volume)


def _fill_cavity(rng: Rng, volume: Floats, anatomy: Anatomy, where: Floats) -> None:
    """Fill the inside with fat, loops of bowel above, and muscle walls around."""
    wall = anatomy.cavity.distance(where)
    _lay(volume, wall, 50 + rng.normal(0, 5))
    _lay(volume, wall + rng.uniform(9, 16), FAT + rng.normal(0, 8))
    loops = _texture(rng, volume.shape, (4, 7, 7))
    height = where[0] - rng.uniform(45, 75)
    is_front = where[1] - 45
    region = np.maximum(np.maximum(-height, is_front), wall + 18)
    _lay(volume, np.maximum(region, 6 * (0.2 - loops)), 30 + 8 * loops)
    _lay(volume, np.maximum(region, 9 * (1.7 - loops)), -700.0)


def _lay_bones(
    rng: Rng, volume: Floats, bones: tuple[Shape, ...], where: Floats
) -> None:
    """Lay bones: a dense cortex around a softer core."""
    nearest = reduce(np.minimum, (bone.distance(where) for bone in bones))
    _lay(volume, nearest, rng.uniform(480, 800))
    core = rng.uniform(130, 300) + 40 * _texture(rng, volume.shape, (2, 2, 2))
    _lay(volume, nearest + _CORTEX_MM, core)
    if rng.random() < _WITH_METAL:
        _lay(volume, bones[0].distance(where) + 2, 2800.0)  # a hip prosthesis


def _lay_organs(rng: Rng, volume: Floats, anatomy: Anatomy, where: Floats) -> None:
    """Lay rectum, bladder, seminal vesicles and prostate."""
    nearest = reduce(np.minimum, (part.distance(where) for part in anatomy.rectum))
    _lay(volume, nearest, rng.normal(42, 4))
    stool = 15 + 30 * _texture(rng, volume.shape, (2, 3, 3))
    gas = _texture(rng, volume.shape, (6, 6, 6)) - where[1] / 60 > rng.uniform(-0.5, 2)
    content = np.where(gas, np.float32(-850), stool)
    _lay(volume, nearest + rng.uniform(3, 5), content)
    bladder = anatomy.bladder.distance(where)
    _lay(volume, bladder, rng.normal(35, 4))
    urine = rng.normal(6, 4) if rng.random() < 0.8 else rng.uniform(60, 300)
    _lay(volume, bladder + rng.uniform(2, 5), urine)
    for vesicle in anatomy.vesicles:
        _lay(volume, vesicle.distance(where), rng.normal(32, 5))
    prostate = anatomy.prostate.distance(where)
    grain = 6 * _texture(rng, volume.shape, (2, 3, 3))
    _lay(volume, prostate - 1.5, FAT / 3)  # a thin layer of fat and veins around it
    _lay(volume, prostate, rng.normal(45, 6) + grain)
    if rng.random() < 0.3:  # calcifications
        spots = _texture(rng, volume.shape, (1, 1, 1)) > 3.2
        volume[(prostate < -4) & spots] += rng.uniform(150, 500)


def _lay_table(rng: Rng, volume: Floats, anatomy: Anatomy, where: Floats) -> None:
    """Lay the table's shell under the patient."""
    back = anatomy.body.centre[1] + anatomy.body.radii[1]
    surface = back - 4 - where[1] + (where[2] / 55) ** 2 * rng.uniform(0.5, 2)
    shell = np.abs(surface + _TABLE_MM) - _TABLE_MM
    outside = np.maximum(shell, 3 - anatomy.body.distance(where))
    _lay(volume, outside, rng.uniform(-300, -150))
    _lay(volume, outside + 4, -900.0)


def _scanned(rng: Rng, volume: Floats, view: View) -> NDArray[np.int16]:
    """Blur as the scanner does, and add its noise and horizontal streaks."""
    blur = rng.uniform(0.3, 0.8)
    volume = gaussian_filter(volume, (0.4 * blur, blur, blur))
    noise = gaussian_filter(
        rng.normal(0, 1, view.shape), (0, *2 * [rng.uniform(0.3, 0.8)])
    )
    volume = volume + rng.uniform(6, 22) * noise / noise.std()
    streaks = gaussian_filter(rng.normal(0, 1, view.shape), (0.3, 0.7, 12))
    volume = volume + rng.uniform(0, 12) * streaks / streaks.std()
    return np.rint(np.clip(volume, -1024, 2000)).astype(np.int16)
