"""The map in CONTRIBUTING.md is true, and no file has grown into a drawer."""

from __future__ import annotations

import re

from places import REPOSITORY

SOURCE = REPOSITORY / "src" / "napari_dmoe"
FILES = sorted(SOURCE.rglob("*.py"))
ROOMS = sorted({path.parent for path in FILES} - {SOURCE})
GUIDE = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
MAP = GUIDE[GUIDE.index("```\nsrc") : GUIDE.index("A folder is")]
LONGEST = 420


def test_the_map_names_every_room() -> None:
    assert [str(room) for room in ROOMS if f"{room.name}/" not in MAP] == []


def test_the_guide_names_files_that_exist() -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py|[a-z_]+\.yaml)`", GUIDE))
    assert len(named) > 5
    assert [path for path in sorted(named) if not (SOURCE / path).is_file()] == []


def test_every_wing_has_its_tests() -> None:
    wings = {room.relative_to(SOURCE).parts[0] for room in ROOMS}
    tested = {path.name for path in (REPOSITORY / "tests").iterdir() if path.is_dir()}
    assert wings - tested == set()


def test_no_file_is_a_drawer() -> None:
    n_lines = {path: len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {path: n for path, n in n_lines.items() if n > LONGEST} == {}
