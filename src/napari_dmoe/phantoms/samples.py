"""Where the package's sample data lies, in a wheel and in a source tree."""

from __future__ import annotations

from pathlib import Path

import napari_dmoe
from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.imaging.files import read_image
from napari_dmoe.patient import Patient


def sample_folder(name: str) -> Path:
    """Return a folder of the sample data, such as ``"fundus"``.

    Raises
    ------
    FileNotFoundError
        When the installation holds no such folder.
    """
    package = Path(napari_dmoe.__file__).parent
    for home in (package, package.parents[1]):  # of a wheel, and of a source tree
        folder = home / "sample_data" / name
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"this installation of napari-dmoe has no sample {name!r}")


def sample_fundus(number: int = 0) -> Case:
    """Return a phantom fundus with labels and its made-up patient: one of three."""
    return read_cohort(sample_folder("fundus"))[number]


def sample_skin(number: int = 0) -> Case:
    """Return a phantom skin lesion, its labels and made-up patient: one of three."""
    return read_cohort(sample_folder("skin"))[number]


def sample_pelvis(number: int = 0) -> Case:
    """Return a phantom pelvis CT with labels and its made-up patient: one of two."""
    return read_cohort(sample_folder("pelvis"))[number]


def sample_ct() -> Case:
    """Return a real CT of abdomen and pelvis; labels: 1 prostate, 2 bladder.

    The labels are another model's output, not a physician's; see ``NOTICE``.
    """
    return _real("ct")


def sample_mr() -> Case:
    """Return a real contrast-enhanced T1 MR of a brain; labels: 1 tumour."""
    return _real("mr")


def _real(name: str) -> Case:
    folder = sample_folder(name)
    image = read_image(folder / f"{name}.nii.gz")
    labels = read_image(folder / f"{name}_labels.nii.gz")
    return Case(name, image, labels, Patient())
