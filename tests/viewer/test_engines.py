"""Engines are imported when they are called, and every one that is named is there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from inspect import getclosurevars
from pathlib import Path
from pkgutil import resolve_name

import pytest
from dead_ones import dead_process

from napari_dmoe.imaging.disk.owners import machine
from napari_dmoe.viewer.engines import Engines, look_around


@pytest.mark.parametrize("engine", [each.name for each in fields(Engines)])
def test_every_engine_can_be_called(engine: str) -> None:
    call = getattr(Engines(), engine)
    late = getclosurevars(call).nonlocals.get("name") if _is_late(call) else None
    assert callable(call if late is None else resolve_name(f"napari_dmoe.{late}"))


def _is_late(call: object) -> bool:
    return getattr(call, "__qualname__", "").startswith("_late")


def test_a_dock_that_opens_removes_what_a_killed_window_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cases = tmp_path / f"napari-dmoe-tuning-{machine()}-{dead_process()}-abc" / "cases"
    cases.mkdir(parents=True)
    (cases / "1.npz").write_bytes(b"a patient")
    assert look_around().models
    assert list(tmp_path.iterdir()) == []


def test_what_the_first_mask_needs_is_imported_before_it_and_plots_are_not() -> None:
    """Napari imports pandas with its first Labels layer, in the GUI thread."""
    code = """
import sys
from napari_dmoe.viewer.engines import look_around, warm_up
wanted = "torch", "pandas", "napari_dmoe.inference.running.segment"
later = "matplotlib", "skimage.segmentation"
look_around()
print([n for n in (*wanted, *later) if n in sys.modules] == list(wanted))
warm_up()
print([n for n in later if n in sys.modules] == list(later))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]
