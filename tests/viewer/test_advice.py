"""What an error advises on the command line never reaches the dock as it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

import napari_dmoe
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.viewer.advice import advised, in_dock
from napari_dmoe.viewer.segment.model.view import CardDetails

PACKAGE = Path(napari_dmoe.__file__).parent
ROOMS = "training", "evaluation", "cohorts", "inference", "models", "imaging"
OF_THE_COMMAND_LINE = (
    *("guard_option.py", "widening.py"),  # these read what was typed there
    "recipes.py",  # cards say how their phantoms were drawn
)


def raised() -> Iterator[str]:
    """Return every text of the rooms below that names an option, or labels by one."""
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            if path.name in OF_THE_COMMAND_LINE:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Raise | ast.Return | ast.Assign):
                    yield from filter(_advises, map(_text, ast.walk(node)))


def _text(node: ast.AST) -> str:
    """Return a text as it is said, with something in place of what is put in."""
    if isinstance(node, ast.JoinedStr):
        parts = (getattr(each, "value", "X") for each in node.values)
        return "".join(part if isinstance(part, str) else "X" for part in parts)
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if is_text else ""


def _advises(text: str) -> bool:
    return " " in text and (" --" in text or "(--" in text or "unlabelled" in text)


def test_some_errors_advise_on_the_command_line() -> None:
    assert any("--overwrite" in text for text in raised())


@pytest.mark.parametrize("text", sorted(set(raised())))
def test_no_option_reaches_the_dock(text: str) -> None:
    said = in_dock(text)
    assert "--" not in said
    assert "unlabelled" not in said
    assert said.count("(") == said.count(")")


def test_the_dock_gives_advice_of_its_own() -> None:
    said = "case a: labels begin at -1. If that stands for what is not annotated, "
    error = advised(CohortError(f"{said}name it as unlabelled"))
    assert isinstance(error, CohortError)
    assert str(error).endswith("paint it as 0 and tick “Only painted parts count”")


def test_what_a_model_was_trained_on_names_no_command() -> None:
    drawn = "synthetic lesions drawn by napari-dmoe phantoms --kind skin; no photograph"
    assert in_dock(drawn) == "synthetic lesions drawn by napari-dmoe; no photograph"


@pytest.mark.gui
@pytest.mark.parametrize("name", ["skin-phantom", "fundus-phantom"])
def test_the_facts_of_a_bundled_model_name_no_command(qtbot: QtBot, name: str) -> None:
    details = CardDetails()
    qtbot.addWidget(details)
    details.show_model(load_checkpoint(name))
    assert "synthetic" in details.rows["Trained on"].text()
    assert not [row.text() for row in details.rows.values() if " --" in row.text()]


def test_what_names_no_option_is_said_as_it_is() -> None:
    said = "the scan is 3-dimensional (found z, y, x): choose a plane, or a 3D model"
    assert in_dock(said) == said
