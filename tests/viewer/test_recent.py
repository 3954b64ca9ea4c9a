"""The list of checkpoints that were opened last."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_dmoe.viewer import checkpoints as recent
from napari_dmoe.viewer.checkpoints import MOST, recent_models, remember_model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(recent, "user_config_path", lambda *_, **__: tmp_path / "new")
    return tmp_path


def make(folder: Path, name: str) -> str:
    path = folder / name
    path.touch()
    return str(path)


def test_the_last_file_stands_first_and_none_twice(folder: Path) -> None:
    assert recent_models() == ()
    first, second = make(folder, "a.pth"), make(folder, "b é.pth")
    for path in (first, second, first):
        remember_model(path)
    assert recent_models() == (first, second)


def test_files_that_are_gone_are_not_offered_and_the_list_is_short(
    folder: Path,
) -> None:
    paths = [make(folder, f"{number}.pth") for number in range(MOST + 2)]
    for path in paths:
        remember_model(path)
    Path(paths[-1]).unlink()
    assert recent_models() == tuple(paths[-2:1:-1])


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"models": 3}', '{"models": [1, null]}', "\xff"]
)
def test_a_list_that_cannot_be_read_is_none_and_is_written_anew(
    folder: Path, text: str
) -> None:
    (folder / "new").mkdir()
    (folder / "new" / "recent.json").write_text(text, encoding="latin-1")
    assert recent_models() == ()
    path = make(folder, "a.pth")
    remember_model(path)
    assert recent_models() == (path,)


def test_a_list_that_cannot_be_kept_is_none(folder: Path) -> None:
    (folder / "new").touch()  # a file where the folder should be
    remember_model(make(folder, "a.pth"))
    assert recent_models() == ()


def test_the_list_holds_paths_and_nothing_of_any_patient(folder: Path) -> None:
    path = make(folder, "a.pth")
    remember_model(path)
    (file,) = (folder / "new").iterdir()
    assert file.read_text().split() == ["{", '"models":', "[", f'"{path}"', "]", "}"]
