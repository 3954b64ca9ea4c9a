from __future__ import annotations

import pytest

from napari_dmoe.progress import Cancelled, Progress, silent


@pytest.mark.parametrize(
    ("done", "total", "fraction"), [(0, 4, 0), (1, 4, 0.25), (4, 4, 1), (0, 0, 0)]
)
def test_fraction_is_the_share_done(done: int, total: int, fraction: float) -> None:
    assert Progress(done, total).fraction == fraction


def test_silent_hook_takes_progress_and_returns() -> None:
    assert silent(Progress(1, 2, "segmenting")) is None


def test_cancelled_is_no_error_that_engines_would_catch() -> None:
    assert not issubclass(Cancelled, (ValueError, RuntimeError, OSError))
