"""Lengths that people write: point or comma, with or without a unit."""

from __future__ import annotations

import pytest

from napari_dmoe.imaging.units import length_in_mm


@pytest.mark.parametrize(
    ("text", "mm"),
    [
        *(("0.05", 0.05), ("0,05", 0.05), (".5", 0.5), ("1.", 1), ("5e-2", 0.05)),
        *(("0.05 mm", 0.05), ("50um", 0.05), ("50 µm", 0.05), ("2 microns", 0.002)),
        *((" 1,000 ", 1), ("1 cm", 10), ("+3", 3)),
    ],
)
def test_a_length_is_read_in_mm(text: str, mm: float) -> None:
    assert length_in_mm(text) == pytest.approx(mm, rel=1e-12)


@pytest.mark.parametrize("text", ["", "abc", "5 px", "2 s", "1.000,5", "nan", "1 2"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write a length: 0\.05"):
        length_in_mm(text)


@pytest.mark.parametrize("text", ["0", "-1", "0,0 mm", "1e999"])
def test_what_no_size_can_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="larger than 0"):
        length_in_mm(text)
