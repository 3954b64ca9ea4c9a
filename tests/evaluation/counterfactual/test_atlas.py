"""The routing atlas: exact means, and groups routed by the same values."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from audits import FACTS, SEVERITY, helped_cases
from matplotlib.figure import Figure

from napari_dmoe.evaluation.counterfactual.atlas import (
    AS_RUN,
    Atlas,
    AtlasSums,
    atlas_of,
)
from napari_dmoe.evaluation.counterfactual.pictures import (
    draw_atlas,
    draw_dependence,
    draw_help,
    draw_loads,
    save_atlas,
)
from napari_dmoe.evaluation.counterfactual.summary import parted, summarised
from napari_dmoe.evaluation.counterfactual.sweeping import CaseRouting

GROUPS = {"sex": ("female", "male"), "race": ("Asian",)}


def routing(*experts: int) -> CaseRouting:
    """Return one block in which each value uses one of three experts."""
    loads = np.eye(3, dtype=np.float32)[list(experts)][:, np.newaxis]
    pairs = [(0, 1), (0, 2), (1, 2)]
    apart = [[float(experts[i] != experts[j])] for i, j in pairs]
    return CaseRouting({"severity": loads}, {"severity": np.array(apart, np.float32)})


def atlas_with(*cases: tuple[CaseRouting, str | None, str | None]) -> Atlas:
    sums = AtlasSums((SEVERITY,), {"severity": (0.5, 0.5, 0.0)})
    for found, own, sex in cases:
        sums.add(found, {"severity": own}, {"sex": sex, "race": None})
    return atlas_of(sums, GROUPS)


def test_loads_are_means_by_value_and_group() -> None:
    atlas = atlas_with(
        (routing(0, 1, 2), "healthy", "female"),
        (routing(0, 1, 1), "glaucoma", "male"),
        (routing(0, 1, 2), None, None),
    )
    np.testing.assert_allclose(
        atlas.load_matrix("severity", "glaucoma"), [[0, 1 / 3, 2 / 3]]
    )
    np.testing.assert_allclose(
        atlas.load_matrix("severity", AS_RUN, "sex", "male"), [[0, 1, 0]]
    )
    # The one that is not known is routed by the mixture: half of each trained value.
    np.testing.assert_allclose(
        atlas.load_matrix("severity", AS_RUN), [[0.5, 0.5, 0]], atol=1e-7
    )
    assert {row.grouping for row in atlas.loads} == {"", "sex"}


def test_groups_that_differ_by_their_values_alone_have_like_pictures() -> None:
    atlas = atlas_with(
        (routing(0, 1, 2), "healthy", "female"), (routing(0, 1, 2), "suspect", "male")
    )
    (row,) = [each for each in atlas.divergence if each.grouping == "sex"]
    assert (row.divergence, row.same_values) == (1.0, 0.0)
    assert row.n == (1, 1)


def test_groups_that_differ_by_their_same_values_say_so() -> None:
    atlas = atlas_with(
        (routing(0, 0, 0), "healthy", "female"), (routing(1, 1, 1), "healthy", "male")
    )
    (row,) = [each for each in atlas.divergence if each.grouping == "sex"]
    assert (row.divergence, row.same_values) == (1.0, 1.0)


def test_values_are_held_against_each_other_on_the_same_images() -> None:
    atlas = atlas_with(
        (routing(0, 0, 2), "healthy", None), (routing(0, 1, 2), None, None)
    )
    own = {(r.first, r.second): r.divergence for r in atlas.divergence}
    assert own["healthy", "suspect"] == pytest.approx(0.5)
    assert own["healthy", "glaucoma"] == 1.0
    assert all(math.isnan(row.same_values) for row in atlas.divergence)


def test_untrained_values_are_in_no_atlas() -> None:
    driver = SEVERITY.model_copy(update={"untrained": ("glaucoma",)})
    sums = AtlasSums((driver,), {"severity": (0.5, 0.5, 0.0)})
    sums.add(routing(0, 1, 2), {"severity": "healthy"}, {})
    atlas = atlas_of(sums, {})
    assert {row.value for row in atlas.loads} == {AS_RUN, "healthy", "suspect"}
    assert [(r.first, r.second) for r in atlas.divergence] == [("healthy", "suspect")]


def test_the_tables_have_a_row_for_each_expert_and_block() -> None:
    atlas = atlas_with((routing(0, 1, 2), "healthy", "female"))
    rows = atlas.table()
    assert len(rows) == 2 * 4 * 3
    assert rows[0] == {
        "attribute": "severity",
        "value": AS_RUN,
        "grouping": "",
        "group": "all",
        "n": 1,
        "block": 0,
        "expert": 0,
        "load": 1.0,
    }
    assert atlas.divergence_table()[0]["same_values"] == ""


def test_the_picture_has_a_map_for_each_value(tmp_path: Path) -> None:
    atlas = atlas_with(
        (routing(0, 1, 2), "healthy", "female"), (routing(0, 1, 1), "suspect", "male")
    )
    figure = draw_atlas(atlas, FACTS)
    titles = [axes.get_title() for axes in figure.axes]
    assert [t for t in titles if t in SEVERITY.values] == list(SEVERITY.values)
    save_atlas(tmp_path / "one.png", atlas, FACTS)
    save_atlas(tmp_path / "two.png", atlas, FACTS)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_groups_are_drawn_side_by_side_as_they_are_run() -> None:
    atlas = atlas_with(
        (routing(0, 1, 2), "healthy", "female"), (routing(0, 1, 1), "suspect", "male")
    )
    figure = Figure()
    draw_loads(figure, atlas, FACTS, "severity", "sex")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["female (n = 1)", "male (n = 1)"]


def test_what_depends_and_who_is_helped_are_drawn_by_group() -> None:
    cases = helped_cases(30, {"healthy": 0.1})
    summary = summarised(cases, FACTS, parted(cases, FACTS), Atlas((), ()))
    depends, helped = Figure(), Figure()
    draw_dependence(depends, summary, "severity", "lesion")
    draw_help(helped, summary, "severity", "lesion")
    for figure in (depends, helped):
        (axes,) = figure.axes
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert names[0] == "all (n = 30)"
        assert "severity: healthy (n = 10)" in names
        assert "sex: female (n = 15)" in names


@pytest.mark.parametrize(
    ("stated", "unit"),
    [
        ({"architecture": "dmoe-unet2d"}, "stage"),
        ({"architecture": "dmoe-vit"}, "block"),
        ({"dims": 3}, "stage"),  # an older audit, which names no network
        ({}, "block"),
    ],
)
def test_an_audit_calls_parts_as_its_network_does(
    stated: dict[str, object], unit: str
) -> None:
    assert FACTS.model_copy(update=stated).unit == unit
