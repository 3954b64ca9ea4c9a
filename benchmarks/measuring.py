"""What the benchmarks of DESIGN's figures share: timing in turns, peaks, the report.

Two sides do the same work in one process, in turns, or each in fresh processes that
take turns; the ratio of medians is what counts, since machines differ: by the clock,
and in seconds of the processor, which other work disturbs less.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Seconds = tuple[float, float]
"""By the clock, and of the processor, all threads together."""

LOAD_BEFORE = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
"""Programs that wanted a processor when the benchmark began."""


def timed(function: Callable[[], Any]) -> tuple[Any, Seconds]:
    """Return what a function returns, and how long it took."""
    begin = time.perf_counter(), time.process_time()
    found = function()
    return found, (time.perf_counter() - begin[0], time.process_time() - begin[1])


def compare(
    fast: Callable[[], Tensor],
    plain: Callable[[], Tensor],
    *,
    repeats: int,
    tolerance: float = 1e-3,
) -> dict[str, float]:
    """Time two functions in turns; they must return the same."""
    torch.testing.assert_close(fast(), plain(), atol=tolerance, rtol=tolerance)
    times: dict[str, list[Seconds]] = {"fast": [], "plain": []}
    for _ in range(repeats):
        times["fast"].append(timed(fast)[1])
        times["plain"].append(timed(plain)[1])
    return ratios(times, "fast", "plain")


def ratios(
    times: Mapping[str, Sequence[Seconds]], ours: str, plain: str
) -> dict[str, float]:
    """Return the median seconds of two sides, and how many times faster ours is."""
    medians = {
        name: [statistics.median(each) for each in zip(*pairs, strict=True)]
        for name, pairs in times.items()
    }
    return {
        f"{ours}_s": round(medians[ours][0], 4),
        f"{plain}_s": round(medians[plain][0], 4),
        "ratio": round(medians[plain][0] / medians[ours][0], 3),
        "processor_ratio": round(medians[plain][1] / medians[ours][1], 3),
    }


def peak_mb() -> float:
    """Return the most memory that this process has had, in megabytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def in_fresh_process(
    script: str, arguments: Sequence[str], *, source: Path | None = None
) -> dict[str, Any]:
    """Return the JSON that a script prints as its last line in a process of its own.

    `source` is the ``src`` of another version of this package to import.
    """
    environment = dict(os.environ)
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    told = subprocess.run(
        [sys.executable, script, *arguments],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(told.stdout.splitlines()[-1]))


def machine() -> dict[str, Any]:
    """Return what figures depend on besides the program."""
    return {
        "processor": _processor(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "torch": torch.__version__,
        "load_before": LOAD_BEFORE,
    }


def _processor() -> str:
    stated = Path("/proc/cpuinfo")
    if stated.is_file():
        for line in stated.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def report(figures: Mapping[str, Any]) -> None:
    """Print figures as JSON, with the command and the machine that made them."""
    script = Path(sys.argv[0])
    command = ["python", f"{script.parent.name}/{script.name}", *sys.argv[1:]]
    told = {
        "command": " ".join(command),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "figures": figures,
    }
    print(json.dumps(told, indent=2))
