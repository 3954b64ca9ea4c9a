"""Scores in JSON, which has no number that is none: NaN is written as null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def with_null(value: Any) -> Any:
    """Return what :func:`dataclasses.asdict` gives with None for every NaN in it."""
    if isinstance(value, dict):
        return {key: with_null(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [with_null(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def with_nan(scores: Mapping[str, float | None]) -> dict[str, float]:
    """Return scores by name with NaN for every None.

    Raises
    ------
    TypeError, ValueError
        When one of them is no number.
    """
    return {k: math.nan if v is None else float(v) for k, v in scores.items()}
