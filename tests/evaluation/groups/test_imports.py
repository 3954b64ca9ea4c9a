"""What figures by group cost before the first of them is there."""

import subprocess
import sys

_LAZY = """
import sys
import napari_dmoe.evaluation.groups.comparing
import napari_dmoe.evaluation.groups.summary
import napari_dmoe.evaluation.counterfactual.helping
sys.exit("scipy.stats" in sys.modules)
"""


def test_figures_by_group_import_no_scipy_stats():
    # It takes longer to import than 8,729 cases take to be summarised.
    done = subprocess.run([sys.executable, "-c", _LAZY], check=False)
    assert done.returncode == 0
