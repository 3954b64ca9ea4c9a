"""Engines are imported when they are called, and every one that is named is there."""

from __future__ import annotations

from dataclasses import fields
from inspect import getclosurevars
from pkgutil import resolve_name

import pytest

from napari_dmoe.viewer.engines import Engines


@pytest.mark.parametrize("engine", [each.name for each in fields(Engines)])
def test_every_engine_can_be_called(engine: str) -> None:
    call = getattr(Engines(), engine)
    late = getclosurevars(call).nonlocals.get("name") if _is_late(call) else None
    assert callable(call if late is None else resolve_name(f"napari_dmoe.{late}"))


def _is_late(call: object) -> bool:
    return getattr(call, "__qualname__", "").startswith("_late")
