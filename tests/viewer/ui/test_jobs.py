"""A job leaves nothing behind but what it found."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import partial

import napari
import numpy as np
import pytest
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.ui.jobs import Job, JobRunner

pytestmark = pytest.mark.gui


def look_at(pixels: NDArray[np.uint8], hook: ProgressHook) -> int:
    hook(Progress(1, 1, "looking"))
    return int(pixels.sum())


def fail_at(pixels: NDArray[np.uint8], hook: ProgressHook) -> int:
    raise ValueError(f"{pixels.size} pixels are too few")


@pytest.mark.parametrize("work", [look_at, fail_at])
def test_what_a_job_worked_with_does_not_stay_with_the_window(
    make_napari_viewer: Callable[..., napari.Viewer],
    qtbot: QtBot,
    work: Callable[..., int],
) -> None:
    make_napari_viewer()  # which keeps a note of every worker that it was told of
    runner = JobRunner()
    pixels = np.ones(3, np.uint8)
    kept = weakref.ref(pixels)
    with qtbot.waitSignal(runner.finished):
        runner.start(Job("looking", partial(work, pixels)))
    del pixels
    gc.collect()
    assert kept() is None
