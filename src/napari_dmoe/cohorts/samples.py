"""Where the package's sample data lies, in a wheel and in a source tree."""

from __future__ import annotations

from pathlib import Path

import napari_dmoe
from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import read_cohort

FUNDUS = "fundus"
"""Folder of the phantom fundi: a cohort of three, one of each severity."""


def sample_folder(name: str) -> Path:
    """Return a folder of the sample data.

    Parameters
    ----------
    name : str
        Name of the folder, such as :data:`FUNDUS`.

    Raises
    ------
    FileNotFoundError
        When the installation holds no such folder.
    """
    package = Path(napari_dmoe.__file__).parent
    in_wheel = package / "sample_data" / name
    in_source = package.parents[1] / "sample_data" / name
    for folder in (in_wheel, in_source):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"this installation of napari-dmoe has no sample {name!r}")


def sample_fundus(number: int = 0) -> Case:
    """Return a phantom fundus with labels and its made-up patient; see its README."""
    return read_cohort(sample_folder(FUNDUS))[number]
