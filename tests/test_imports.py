from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires

import pytest
from places import REPOSITORY

import napari_dmoe

WINDOW = ("napari", "qtpy", "PyQt6", "PySide6", "superqt", "magicgui")
SLOW = ("scipy.ndimage", "scipy.spatial", "skimage", "matplotlib", "nibabel", "pydicom")
"""Together they take half as long to import as torch."""
HEAVY = ("torch", "monai", *SLOW, *WINDOW)


def loaded_after(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter; return the heavy packages it loaded."""
    code = f"{statement}\nimport sys\nprint(*(n for n in {HEAVY} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import napari_dmoe",
        "import napari_dmoe; dir(napari_dmoe)",
        "import napari_dmoe; napari_dmoe.__version__",
        "import napari_dmoe.patient, napari_dmoe.progress",
        "from napari_dmoe import Patient; Patient(age=63)",
    ],
)
def test_light_imports_load_nothing_heavy(statement: str) -> None:
    assert loaded_after(statement) == set()


def test_the_check_sees_what_is_loaded() -> None:
    assert loaded_after("import torch") == {"torch"}


@pytest.mark.parametrize("model", ["fundus-phantom", "skin-isic2017"])
def test_a_2d_model_waits_for_no_monai(model: str) -> None:
    statement = f"""
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import load_checkpoint
import numpy as np
segment(load_checkpoint({model!r}), np.zeros((32, 32), np.uint8))
"""
    tidying = {"scipy.ndimage", "scipy.spatial"}
    assert loaded_after(statement) - tidying == {"torch"}


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--help"], set()),
        (["segment", "--help"], set()),
        (["inspect", "skin-isic2017"], {"torch"}),
        (["inspect", "pelvis-phantom"], {"torch"}),
    ],
)
def test_a_command_waits_for_nothing_that_it_does_not_need(
    arguments: list[str], needed: set[str]
) -> None:
    statement = f"""
import contextlib, io, sys
from napari_dmoe.cli import main
sys.argv = ["napari-dmoe", *{arguments}]
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
    main()
assert len(said.getvalue()) > 200
"""
    assert loaded_after(statement) == needed


def test_a_first_mask_waits_for_no_package_but_torch() -> None:
    statement = """
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import load_checkpoint
import numpy as np
segment(load_checkpoint("pelvis-phantom"), np.zeros((40, 40, 40), np.int16))
"""
    assert loaded_after(statement) == {"torch"}


def test_core_loads_neither_napari_nor_qt() -> None:
    everything = "import napari_dmoe as d\nfor n in d.__all__: getattr(d, n)"
    assert loaded_after(everything) <= {"torch", "monai", *SLOW}


def test_a_headless_installation_draws_in_no_window() -> None:
    without_extras = [r for r in requires("napari-dmoe") or () if "extra ==" not in r]
    names = {re.match(r"[\w.-]+", each)[0].lower() for each in without_extras}
    assert {"torch", "numpy"} <= names
    assert not names & {each.lower() for each in WINDOW}


def test_the_contract_names_every_view() -> None:
    """Import-linter takes no pattern for parts of a name, so the views are listed."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    listed = next(c["source_modules"] for c in contracts if "Views" in c["name"])
    source = REPOSITORY / "src"
    views = (source / "napari_dmoe" / "viewer").rglob("*view.py")
    modules = [".".join(v.relative_to(source).with_suffix("").parts) for v in views]
    assert sorted(listed) == sorted(modules)


@pytest.mark.parametrize("name", napari_dmoe.__all__)
def test_every_public_name_resolves_and_is_listed(name: str) -> None:
    assert getattr(napari_dmoe, name) is not None
    assert name in dir(napari_dmoe)


def test_the_promised_names_are_public() -> None:
    promised = {
        "CheckpointError",
        "ExpertControl",
        "InferenceSettings",
        "ModelCard",
        "Patient",
        "SpatialImage",
        "load_checkpoint",
        "save_checkpoint",
        "segment",
    }
    assert promised <= set(napari_dmoe.__all__)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        napari_dmoe.no_such_name  # noqa: B018
