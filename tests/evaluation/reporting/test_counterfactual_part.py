"""What a report tells of an audit that lies beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_dmoe.evaluation.reporting.counterfactual_part import counterfactual_part
from napari_dmoe.evaluation.reporting.options import ReportOptions

DEFAULT = ReportOptions()


def entry(grouping: str, group: str, n: int) -> dict[str, Any]:
    own = {"attribute": "race", "region": "rim", "grouping": grouping, "group": group}
    found = {"matters": 0.5, "share": {"mean": 0.2}, "yardstick": 0.1}
    return own | found | {"n": n, "n_counted": n}


def write(folder: Path, sizes: dict[str, int]) -> Path:
    depends = [entry("", "all", sum(sizes.values()))]
    depends += [entry("sex", group, n) for group, n in sizes.items()]
    helped = [each | {"dice": {"own": 0.8, "mixture": 0.7}} for each in depends]
    said = ["The mask depends on race.", "It differs for female (n = 3)."]
    told = {
        "schema_version": 1,
        "sentences": said,
        "dependence": depends,
        "help": helped,
    }
    (folder / "audit.json").write_text(json.dumps(told))
    return folder


def test_there_is_none_without_an_audit(tmp_path: Path) -> None:
    assert counterfactual_part(tmp_path, DEFAULT) is None
    assert counterfactual_part(None, DEFAULT) is None


def test_groups_and_everybody_are_told(tmp_path: Path) -> None:
    part = counterfactual_part(write(tmp_path, {"female": 20, "male": 9}), DEFAULT)
    assert part is not None
    assert [(row.group, row.n, row.own) for row in part.rows] == [
        ("all", 29, 0.8),
        ("female", 20, 0.8),
        ("male", 9, 0.8),
    ]
    assert not part.is_hidden


def test_small_groups_and_sentences_on_them_are_hidden(tmp_path: Path) -> None:
    folder = write(tmp_path, {"female": 3, "male": 9, "other": 30})
    part = counterfactual_part(folder, DEFAULT)
    assert part is not None
    assert [row.group for row in part.rows] == ["all", "other"]
    assert part.sentences == ("The mask depends on race.",)
    assert part.is_hidden
    whole = counterfactual_part(folder, ReportOptions(small_cells=True))
    assert whole is not None
    assert len(whole.rows) == 4
    assert len(whole.sentences) == 2
