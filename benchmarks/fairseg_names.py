"""A cohort of 10,000 FairSeg names is opened: how long it takes, and how much is read.

Run it with ``python benchmarks/fairseg_names.py``; it prints JSON. The archives are
links to one, so that little is written; none of them is opened.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from napari_dmoe.cohorts.layouts import fairseg_rows
from napari_dmoe.cohorts.layouts.opening import open_cohort


def main() -> None:
    """Open the cohort several times, by its list and by its folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = _write(root, asked.names)
        opened = 0

        class Counted(fairseg_rows.Archive):
            def __enter__(self) -> Counted:
                nonlocal opened
                opened += 1
                super().__enter__()
                return self

        fairseg_rows.Archive = Counted
        seconds = {"list": [], "folder": []}
        for _ in range(asked.times):
            for how, list_file in (("list", "test.txt"), ("folder", None)):
                start = time.perf_counter()
                cohort = open_cohort(root, list_file=list_file)
                seconds[how].append(time.perf_counter() - start)
                assert len(cohort) == len(names)
    facts = {how: round(median(each), 3) for how, each in seconds.items()}
    print(json.dumps({"names": len(names), "seconds": facts, "archives_read": opened}))


def _write(root: Path, n: int) -> list[str]:
    (root / "FairSeg").mkdir()
    (root / "lists").mkdir()
    names = [f"data_{number:05d}.npz" for number in range(1, n + 1)]
    first = root / "FairSeg" / names[0]
    np.savez(first, slo_fundus=np.zeros((8, 8), np.uint8))
    for name in names[1:]:
        os.link(first, first.with_name(name))
    (root / "lists" / "test.txt").write_text("\n".join(names), "utf-8")
    return names


if __name__ == "__main__":
    main()
