"""Somebody else's model audited by group, from its masks alone, as JSON.

Run it with ``python benchmarks/picai_audit.py FOLDER``. FOLDER has a ``cohort.csv``
with id, age and centre, the folder ``labels`` with experts' lesions of PI-CAI and
``predictions`` with those of a published network. It does what the page
``docs/audit-picai.md`` shows: ``napari-dmoe evaluate`` and ``report``, by age and
centre. Neither the model nor an image is needed, and no case is named in what is
printed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.evaluation.evaluating.predictions import evaluate_predictions
from napari_dmoe.evaluation.evaluating.settings import EvaluationSettings
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.report import write_report

HOW = EvaluationSettings(metrics=("dice",), keep_masks=False)
BY = ReportOptions(
    by=("age", "centre"),
    bands={"age": (60.0, 70.0)},
    crossed=(("age", "centre"),),
    pictures=False,
)
CLASSES = ("background", "lesion")


def audited(folder: Path, output: Path) -> dict[str, Any]:
    """Evaluate and report; return the figures of the lesions' Dice.

    Returns
    -------
    dict
        ``n``, ``mean``, ``low``, ``high``, ``median``, ``n_missed``, ``n_zero``;
        ``groups`` by attribute and value; ``gaps`` by attribute.
    """
    cohort = open_cohort(folder, needs_image=False)
    masks = folder / "predictions"
    found = evaluate_predictions(
        cohort, masks, output / "evaluated", classes=CLASSES, settings=HOW
    )
    files = write_report([output / "evaluated"], output / "report", options=BY)
    (model,) = json.loads(files.json.read_text("utf-8"))["models"]
    (region,) = model["regions"]
    whole = {k: region[k] for k in ("n", "mean", "low", "high", "median", "n_missed")}
    groups: dict[str, dict[str, Any]] = {}
    for each in region["groups"]:
        if each["is_hidden"]:
            continue
        own = {key: each[key] for key in ("n", "mean", "low", "high", "n_missed")}
        groups.setdefault(each["attribute"], {})[each["value"]] = own
    gaps = {
        each["attribute"]: [each["gap"], each["gap_low"], each["gap_high"]]
        for each in region["by"]
    }
    n_zero = int(np.count_nonzero(found.values(region["region"], "dice") == 0))
    return {**whole, "n_zero": n_zero, "groups": groups, "gaps": gaps}


def main(arguments: Sequence[str] | None = None) -> None:
    """Audit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--output", type=Path, help="keeps what is written")
    asked = parser.parse_args(arguments)
    if asked.output is not None:
        found = audited(asked.folder, asked.output)
    else:
        with tempfile.TemporaryDirectory() as output:
            found = audited(asked.folder, Path(output))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
