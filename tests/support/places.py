"""Where things lie in the source tree."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY / "tests" / "data"
BENCHMARKS = REPOSITORY / "benchmarks"
