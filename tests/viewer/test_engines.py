"""Engines are imported when they are called, and every one that is named is there."""

from __future__ import annotations

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
