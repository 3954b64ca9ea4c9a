"""What an image looks like, in numbers that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from napari_dmoe.imaging.appearance import appearance

NOTHING = math.log10(1e-3)
"""What is told of neighbours that do not differ."""


def picture(colour: bool = True) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(3 if colour else 1, 32, 32, generator=generator)


def test_planes_have_a_texture_and_those_in_colour_have_shades() -> None:
    assert set(appearance(picture())) - set(appearance(picture(colour=False))) == {
        "colours",
        "shades",
    }
    assert set(appearance(torch.rand(1, 8, 32, 32))) == {
        "brightness",
        "sharpness",
        "layout",
    }


def test_texture_tells_which_part_is_sharp() -> None:
    grey = torch.zeros(1, 32, 32)
    grey[:, ::2, :8] = 0.5  # rows that differ by a half, in the first column of cells
    fine, coarse = torch.tensor(appearance(grey)["texture"]).view(2, 4, 4)
    edge = 0.5 / 2 / 8  # across: of 31 steps, one differs in every second row
    assert fine[:, 0] == pytest.approx([math.log10(0.5 + edge + 1e-3)] * 4, abs=0.05)
    assert fine[:, 2:].flatten().tolist() == pytest.approx([NOTHING] * 8)
    assert coarse[:, 3].tolist() == pytest.approx([NOTHING] * 4)


def test_shades_tell_how_colours_go_with_the_light() -> None:
    ramp = torch.linspace(0, 0.5, 32).expand(32, 32)
    image = torch.stack([0.2 + 1.5 * ramp, 0.1 + ramp, 0.3 + 0.5 * ramp])
    with_light, against, other, *spreads = appearance(image)["shades"]
    assert with_light == pytest.approx(1, abs=0.02)  # redder where it is brighter
    assert against == pytest.approx(-1, abs=0.02)
    assert other == pytest.approx(-1, abs=0.02)
    std = float(ramp.std(correction=0))
    assert spreads[:3] == pytest.approx(
        [math.log10(share * std + 1e-3) for share in (1, 0.5, 0.5)], abs=1e-3
    )


@pytest.mark.parametrize("shape", [(3, 1, 32), (3, 32, 1), (3, 2, 2), (1, 1, 1)])
def test_the_narrowest_pictures_have_numbers_too(shape: tuple[int, ...]) -> None:
    found = appearance(torch.rand(shape))
    assert all(math.isfinite(number) for side in found.values() for number in side)


def test_one_colour_all_over_has_no_shades() -> None:
    image = torch.tensor([0.8, 0.5, 0.4])[:, None, None].expand(3, 32, 32)
    shades = appearance(image)["shades"]
    assert shades[:3] == pytest.approx([0, 0, 0], abs=1e-3)
    assert shades[6:] == pytest.approx([NOTHING] * 3)
