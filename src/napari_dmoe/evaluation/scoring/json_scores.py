"""Scores in JSON, which has no number that is none: NaN is written as null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_dmoe.patient import is_missing


def with_null(value: Any) -> Any:
    """Return what :func:`dataclasses.asdict` gives with None for every NaN in it.

    Also for pandas' NA; numbers of numpy's are Python's, as JSON wants them.
    """
    if isinstance(value, dict):
        return {key: with_null(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [with_null(part) for part in value]
    if is_missing(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def with_nan(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return scores by name with NaN for every None, and other missing values.

    Raises
    ------
    TypeError, ValueError
        When one of them is no number.
    """
    return {k: math.nan if is_missing(v) else float(v) for k, v in scores.items()}
