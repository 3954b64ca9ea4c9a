"""A sweep in lines: values, regions and maps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.masks.agreement import FlippingRegion
from napari_dmoe.inference.masks.measures import ClassSize
from napari_dmoe.inference.what_if.sweep_result import MIXTURE, Reference
from napari_dmoe.viewer.what_if.sweep import rows as sweep_rows
from napari_dmoe.viewer.what_if.sweep.layers import map_keys

AGES = ("0-19", "20-39", "40-59", "60-79", "80 and over")
MASK = np.zeros((4, 5), np.uint8)


def a_sweep(*drivers: tuple[str, ...], place: int | None = 0, classes: int = 2) -> Any:
    """Return what the lines need of a sweep over all pairs of two drivers' values."""
    names = ("background", "lesion", "rim")[:classes]
    pairs = [(a,) for a in drivers[0]]
    if len(drivers) == 2:
        pairs = [(a, b) for a in drivers[0] for b in drivers[1]]
    sizes = tuple(ClassSize(name, 8, 2.0, "mm²") for name in names[1:])
    values = [
        SimpleNamespace(
            name=", ".join(pair),
            values=pair,
            is_chosen=number == place,
            sizes=sizes,
            ratio=None,
            dice=(0.5,) * len(sizes),
            n_different=3,
            share=0.125,
        )
        for number, pair in enumerate(pairs)
    ]
    name = MIXTURE if place is None else values[place].name
    return SimpleNamespace(
        titles=("Sex", "Age")[: len(drivers)],
        shape=tuple(map(len, drivers)),
        values=values,
        classes=names,
        pixel_name="pixels",
        axes=("y", "x"),
        grid=Grid((4, 5), (10.0, 20.0), (2.0, 2.0)),
        reference=Reference(name, MASK, place, sizes, None),
    )


def a_region(*commonest: str, **others: Any) -> FlippingRegion:
    wanted = {
        "n_pixels": 39,
        "size": 19.5,
        "unit": "mm²",
        "box": (slice(1, 3), slice(0, 4)),
        "centroid": (1.0, 2.0),
        "classes": ("background", "lesion"),
        "masks": (),
        "point": (1.0, 2.0),
        "commonest": commonest,
        "n_apart": (1,) * len(commonest),
    }
    return FlippingRegion(**(wanted | others))


def test_a_region_says_which_class_is_for_which_values() -> None:
    sweep = a_sweep(AGES)
    region = a_region("background", "background", "lesion", "lesion", "lesion")
    assert sweep_rows.region_text(sweep, region) == (
        "19.5 mm² · lesion for 40-59, 60-79, 80 and over; background for 0-19 ●, 20-39"
    )


def test_pairs_are_listed_by_their_first_value_and_long_lists_are_cut() -> None:
    sweep = a_sweep(("female", "male"), AGES)
    lesion, background = ("lesion",), ("background",)
    region = a_region(*(2 * lesion + 3 * background + 5 * background))
    assert sweep_rows.region_text(sweep, region) == (
        "19.5 mm² · lesion for female (0-19 ●, 20-39); "
        "background for female (40-59, 60-79, 80 and over), male"
    )
    sites = tuple("abcdefg")
    region = a_region(*(7 * lesion))
    region = a_region("background", *(6 * lesion))
    assert sweep_rows.region_text(a_sweep(sites), region) == (
        "19.5 mm² · lesion for b, c, d and 3 more; background for a ●"
    )


def test_a_region_that_no_value_changes_for_the_most_part() -> None:
    region = a_region(*(5 * ("background",)), n_apart=(0, 0, 0, 2, 1))
    assert sweep_rows.region_text(a_sweep(AGES), region) == (
        "19.5 mm² · lesion or background in parts, for 60-79, 80 and over"
    )


def test_a_region_ends_at_the_borders_of_its_pixels() -> None:
    ends = sweep_rows.region_ends(a_sweep(AGES), a_region("lesion"))
    assert ends == ((11.0, 19.0), (15.0, 27.0))


def test_the_reference_has_a_row_where_it_is_no_value() -> None:
    rows = sweep_rows.value_rows(a_sweep(AGES, place=None))
    assert [row["value"] for row in rows] == ["mixture ●", *AGES]
    assert rows[0] == {
        "value": "mixture ●",
        "lesion mm²": "2",
        "Dice ●": "1.000",
        "≠ ●": "0 %",
    }
    assert [row["≠ ●"] for row in rows[1:]] == ["12 %"] * 5
    rows = sweep_rows.value_rows(a_sweep(AGES, place=1))
    assert [row["value"] for row in rows][:2] == ["0-19", "20-39 ●"]
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("drivers", "place", "text"),
    [
        ((AGES,), 1, "● 20-39, the patient's own value. Dice is"),
        ((AGES,), None, "● the mixture of all values, as sex is unknown. Dice"),
        ((("f", "m"), AGES), None, "values, as sex and age are not both known."),
        ((("f", "m"), AGES), 6, "● m, 20-39, the patient's own values."),
    ],
)
def test_it_is_said_what_the_values_are_compared_with(
    drivers: tuple[tuple[str, ...], ...], place: int | None, text: str
) -> None:
    assert text in sweep_rows.reference_note(a_sweep(*drivers, place=place))


def test_every_column_has_a_help_text() -> None:
    for classes in (2, 3):
        sweep = a_sweep(AGES, classes=classes)
        helped = sweep_rows.column_help(sweep)
        assert set(sweep_rows.value_rows(sweep)[0]) <= set(helped)
        assert "Dice of lesion to ●, 0-19." in helped.values()


def test_maps_end_at_what_can_be_reached() -> None:
    changes, entropy = map_keys(a_sweep(AGES))
    assert (changes.limits, changes.ends) == ((0, 4), ("0", "4 values"))
    assert (entropy.limits, entropy.ends) == ((0, 1), ("0", "1 bit"))
    for key in (changes, entropy):
        assert len(key.ramp) == 9
        assert (key.ramp[0], key.ramp[-1]) == ((0, 0, 4), (252, 253, 191))
    unknown, _ = map_keys(a_sweep(AGES, place=None))
    assert unknown.ends == ("0", "5 values")
    _, three = map_keys(a_sweep(AGES, classes=3))
    assert three.ends == ("0", "1.58 bits")
