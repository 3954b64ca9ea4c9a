"""What tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest


@pytest.fixture
def race_net(tiny_checkpoint: Callable[..., Path]) -> list[object]:
    """Return the options that name a tiny network driven by race."""
    return ["--checkpoint", tiny_checkpoint(3, 3), "--card", "fairseg-race"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Return the path of a small grey picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    path = tmp_path / "eye.png"
    iio.imwrite(path, pixels)
    return path
