"""The page of speeds says what was measured, and what was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import performance_page as page

MACHINE = {
    "processor": "CPU",
    "vectors": "AVX2",
    "cpus": 2,
    "threads": 1,
    "torch": "2.13",
    "load_before": 0.25,
}


def run(figures: object) -> dict[str, object]:
    return {
        "command": "python x.py",
        "date": "2026-12-01",
        "machine": MACHINE,
        "figures": figures,
    }


def test_the_page_shows_the_runs_that_are_kept() -> None:
    text = (page.DOCS / page.PAGE).read_text("utf-8")
    between = text.partition(page.BEGIN)[2].partition(page.END)[0]
    assert between.strip().splitlines() == list(page.lines_of(page.read(page.RUNS)))[1:]


def test_a_row_tells_its_ratios_and_its_machine() -> None:
    figures = {"ViT-B/16, one image": {"ratio": 1.25, "processor_ratio": 1.3}}
    lines = list(page.lines_of({"image": run(figures)}))
    (row,) = (line for line in lines if "one image" in line and line[0] == "|")
    assert row.split(" | ")[2:5] == ["1.1x", "1.3x", "1.25x (1.30x)"]
    assert any("CPU (AVX2), 1 of 2 cores" in line for line in lines)
    left = lines[lines.index("Not measured yet:") :]
    assert len([line for line in left if line.startswith("- ")]) == len(page.ROWS) - 1


def test_memory_of_a_step_is_told_beside_each_plain_side() -> None:
    ratio = {"ratio": 1.5, "processor_ratio": 1.4}
    memory = {"engine_mb": 90.0, "as_published_mb": 100.0, "layer_mb": 80.0}
    memory |= {name.replace("_mb", "_tensors_mb"): 40.0 for name in memory}
    model = {"as_published": ratio, "layer": ratio, "memory": memory}
    lines = "\n".join(page.lines_of({"train_skin": run({"skin-isic2017": model})}))
    assert "memory 1.00x (0.90x)" in lines
    assert "memory 1.00x (1.12x)" in lines


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    (tmp_path / page.PAGE).write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    page.write(tmp_path, {})
    text = (tmp_path / page.PAGE).read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / page.PAGE).write_text("mine")
    with pytest.raises(ValueError, match="no marks"):
        page.write(tmp_path, {})
    assert (tmp_path / page.PAGE).read_text() == "mine"


def test_curves_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / page.PAGE).write_text(f"{page.BEGIN}\n{page.END}\n")
    side = {"cpu_seconds": 1.0, "megabytes": 9.0}
    points = [
        {"shape": [96, 96, n], "overlap": 0.5, "sides": {"ours": side}}
        for n in (96, 192)
    ]
    figures = {"longer": points, "larger": points, "overlap": points}
    passes = [
        {"n": n, "together_s": 1.0, "alone_s": n, "ratio": n, "processor_ratio": n}
        for n in (1, 5)
    ]
    shared = run({"values": passes, "samples": passes})
    runs = {"shared_passes": shared, "scaling": json.loads(json.dumps(run(figures)))}
    page.write(tmp_path, runs)
    assert (tmp_path / page.PICTURE).stat().st_size > 5000
    text = (tmp_path / page.PAGE).read_text("utf-8")
    assert f"({page.PICTURE})" in text
    assert "| 5: 5.00x (5.00x) / 5: 5.00x (5.00x) |" in text
