"""What varies in phantom fundi: views, discs, vessels, findings, light, camera."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.phantoms.fundus import light
from napari_dmoe.phantoms.fundus.camera import photographed
from napari_dmoe.phantoms.fundus.discs import lay_disc
from napari_dmoe.phantoms.fundus.findings import add_findings
from napari_dmoe.phantoms.fundus.retina import ground_colour, paint_retina
from napari_dmoe.phantoms.fundus.scenes import Scene, draw_scene
from napari_dmoe.phantoms.fundus.vessels import draw_tree

SHAPE = (96, 120)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = np.random.default_rng(7)
    return [draw_scene(rng, SHAPE) for _ in range(150)]


def level(scene: Scene) -> np.ndarray:
    return scene.disc.level(scene.x, scene.y)


def test_fields_are_round_cut_and_without_border(scenes: list[Scene]) -> None:
    assert {scene.has_border for scene in scenes} == {True, False}
    # A field that is cut ends in the frame before its circle does.
    cut = [s for s in scenes if (~s.is_seen & (s.out < 0.95)).any()]
    assert 0.05 < len(cut) / len(scenes) < 0.3
    # A tab reaches beyond the circle.
    assert any((s.is_seen & (s.out > 1.02)).any() for s in scenes if s.has_border)


def test_most_of_every_frame_shows_the_eye(scenes: list[Scene]) -> None:
    assert min(scene.field.mean() for scene in scenes) > 0.5


def test_some_fields_lie_beside_the_disc_and_the_others_hold_it(
    scenes: list[Scene],
) -> None:
    seen = [bool((level(s)[s.is_seen] < 1).any()) for s in scenes]
    assert 0.02 < 1 - np.mean(seen) < 0.15
    for scene, holds in zip(scenes, seen, strict=True):
        away = np.hypot(*scene.view.field_centre)
        assert (away > scene.view.field_radius + 1) == (not holds)


def test_discs_have_the_sizes_of_both_passes(scenes: list[Scene]) -> None:
    shares = np.array([2 * s.view.radius_px / min(SHAPE) for s in scenes])
    assert 0.25 < (shares < 0.2).mean() < 0.7  # in whole fields
    assert 0.25 < (shares > 0.25).mean() < 0.6  # around a disc
    assert 0.07 < shares.min() < shares.max() < 0.55


def test_large_vessels_come_from_the_disc(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(0)
    for scene in scenes[:10]:
        tree = draw_tree(rng, scene.disc)
        large = [v for v in tree if v.width.max() > 0.13]
        assert len(large) >= 2
        assert all(np.hypot(*v.points[0]) < 1 for v in large)
        assert {vessel.is_vein for vessel in tree} == {True, False}


def test_findings_stay_away_from_the_disc(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(1)
    n_changed = 0
    for scene in scenes[:40]:
        plain = np.full((3, *SHAPE), 0.4, np.float32)
        found = add_findings(rng, plain, scene)
        changed = np.abs(found - plain).max(0)
        n_changed += bool((changed > 0.05).any())
        assert changed[level(scene) < 1].max(initial=0) < 0.05
    assert 8 < n_changed < 32


def test_a_disc_is_brighter_than_its_ground_and_palest_in_the_middle(
    scenes: list[Scene],
) -> None:
    rng = np.random.default_rng(2)
    wide = [s for s in scenes if s.view.radius_px > 12 and s.disc.pallor_radius > 0.4]
    brighter, paler = [], []
    for scene in wide[:30]:
        ground = ground_colour(rng)
        retina = paint_retina(rng, scene, ground)
        image = lay_disc(rng, retina, scene, ground, is_slo=False).mean(0)
        outer, own = level(scene), scene.disc.pallor_level(scene.x, scene.y)
        rim, cup = (outer < 0.95) & (own > 1.1), own < 0.6
        brighter.append(image[cup].mean() > retina.mean(0)[cup].mean())
        if rim.any():
            paler.append(image[cup].mean() > image[rim].mean())
    assert np.mean(brighter) == 1
    assert np.mean(paler) > 0.9


def test_glare_lies_at_the_border_of_the_field(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(3)
    whole = [s for s in scenes if s.has_border and (s.out < 0.4).any()]
    added = [light._glare(rng, scene).mean(0) for scene in whole[:25]]
    at_border, inside = (
        np.mean([a[pick(s.out)].mean() for a, s in zip(added, whole, strict=False)])
        for pick in (lambda out: (out > 0.9) & (out < 1), lambda out: out < 0.4)
    )
    assert at_border > 5 * inside


def test_some_eyes_are_dark_at_one_side(scenes: list[Scene]) -> None:
    rng = np.random.default_rng(4)
    shades = [light._shade(rng, scene)[scene.is_seen] for scene in scenes[:60]]
    spread = [np.percentile(s, 5) / np.percentile(s, 95) for s in shades]
    assert min(spread) < 0.2 < 0.6 < max(spread)


@pytest.mark.parametrize("is_colour", [True, False])
def test_photographs_are_black_where_the_camera_shows_nothing(
    scenes: list[Scene], is_colour: bool
) -> None:
    rng = np.random.default_rng(5)
    bordered = [s for s in scenes if (s.field == 0).mean() > 0.05][:20]
    darkest = []
    for scene in bordered:
        lit = np.full((3, *SHAPE), 0.5, np.float32)
        pixels = photographed(rng, lit, scene, is_colour=is_colour)
        assert pixels.dtype == np.uint8
        assert pixels.shape == ((*SHAPE, 3) if is_colour else SHAPE)
        darkest.append(np.median(pixels[scene.field == 0]))
        assert np.median(pixels[scene.field == 1]) > 40
    assert max(darkest) < 25
