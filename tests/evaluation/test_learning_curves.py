"""The learning curves: no subject on both sides, and a run that goes on."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from training_cases import CARD, PLAIN, mixed_squares, square, tiny_model

from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.starting.recipes import RECIPES


@pytest.fixture
def curves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import learning_curves

    settings = PLAIN.model_copy(update={"epochs": 12, "learning_rate": 1e-2})
    start = tmp_path / "start.safetensors"
    save_checkpoint(
        start, fit(tiny_model(), mixed_squares(12), settings=settings).loaded
    )
    own = learning_curves.Set(
        "own", str(start), "", {"disc": (1, 2), "cup": (2,)}, True
    )
    monkeypatch.setattr(learning_curves, "SETS", {"own": own})
    cases = [square(100 + i, CARD.attributes[0].values[i % 3]) for i in range(8)]
    write_cohort(tmp_path / "own", cases)
    return learning_curves


def test_each_set_starts_from_a_bundled_model_and_is_drawn_by_its_recipe() -> None:
    import learning_curves

    sets = learning_curves.SETS
    models = {name: of.model for name, of in sets.items()}
    assert models == {"drishti": "fundus-phantom", "ham10000": "skin-isic2017"}
    for of in sets.values():
        loaded, recipe = load_checkpoint(of.model), RECIPES[of.recipe]
        assert (recipe.architecture, recipe.config) == (
            loaded.architecture,
            loaded.config,
        )


def test_a_point_is_trained_by_the_defaults_and_tested_on_others(
    curves, tmp_path: Path
) -> None:
    model = curves.SETS["own"].model
    before = curves.measured(
        curves.Point("own", "bundled", 0, 0, model), tmp_path, most=100
    )
    assert (before["n_trained"], before["n_tested"], before["steps"]) == (0, 8, 0)
    after = curves.measured(
        curves.Point("own", "bundled", 2, 0, model), tmp_path, most=100
    )
    assert (after["n_trained"], after["n_tested"], after["steps"]) == (2, 6, 60)
    assert after["seconds"] > 0
    assert after["peak_mb"] > 50
    assert after["dice"]["disc"] > before["dice"]["disc"]


def test_a_subject_is_on_one_side_and_where_nothing_is_left_ten_are_tested(
    curves, tmp_path: Path
) -> None:
    table = tmp_path / "own" / "cohort.csv"
    rows = read_cohort(table).rows
    shared = [rows[i % 8] for i in range(8)]
    pairs = [dataclasses.replace(r, subject=f"s{i // 2}") for i, r in enumerate(shared)]
    trained, tested = curves.split(pairs, 2, 0, most=100)
    assert len(trained) == 2
    whose = {pairs[i].subject for i in trained}
    assert not whose & {pairs[i].subject for i in tested}
    assert len(tested) == 4
    many = [dataclasses.replace(rows[0], subject=f"s{i}") for i in range(50)]
    parts = [curves.split(many, 50, draw, most=100) for draw in range(3)]
    assert [(len(a), len(b)) for a, b in parts] == [(40, 10)] * 3
    assert len({place for _, tested in parts for place in tested}) == 30
    assert not any(set(a) & set(b) for a, b in parts)


def test_what_is_there_is_not_run_again_and_is_written_into_a_page(
    curves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    model = curves.SETS["own"].model
    line = {
        **curves.asdict(curves.Point("own", "bundled", 2, 0, model)),
        "n_trained": 2,
        "n_tested": 6,
        "steps": 60,
        "dice": {"disc": 0.9, "cup": 0.8},
        "below_half": {"disc": 0.0, "cup": 0.25},
        "seconds": 3.2,
        "peak_mb": 500,
    }
    (tmp_path / "lines").write_text(json.dumps(line) + "\n")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{curves.MARKS[0]}\nold\n{curves.MARKS[1]}\nafter\n")
    monkeypatch.setattr(curves.subprocess, "run", lambda *_, **__: pytest.fail("ran"))
    asked = [str(tmp_path), "--sets", "own", "--numbers", "2", "--draws", "1"]
    asked += ["--starts", "bundled", "--lines", str(tmp_path / "lines")]
    monkeypatch.setattr(sys, "argv", ["x", *asked, "--page", str(page)])
    curves.main()
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    row = f"| own | {model} | 2 | cup | 0.800 | 25.0% | 1 | 6 | 60 | 3 | 500 |"
    assert row in text
    assert row in capsys.readouterr().out
