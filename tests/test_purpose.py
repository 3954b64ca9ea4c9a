"""Sentences of ours repeat an exception's words only where it was raised on purpose."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError, field_validator

import napari_dmoe as dmoe
from napari_dmoe.faults import shown, tell_uncaught, told
from napari_dmoe.models import checkpoint, names
from napari_dmoe.purpose import is_on_purpose, reason
from napari_dmoe.training.guarding.report import TuningReport
from napari_dmoe.validation import said

SECRET = "Jane Doe, 63, female"


def _lookup(*_: object, **__: object) -> Any:
    return {}[SECRET]


def _number(*_: object, **__: object) -> Any:
    return float(SECRET)


def _of_library(*_: object, **__: object) -> Any:
    code = compile(
        f"raise ValueError({SECRET!r})",
        "/home/jane/.local/lib/python3.11/site-packages/lib/core.py",
        "exec",
    )
    exec(code)


def _raised(cause: Callable[[], object]) -> Exception:
    try:
        cause()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


class _Form(BaseModel):
    text: str

    @field_validator("text")
    @classmethod
    def _checked(cls, text: str) -> str:
        if text == "ours":
            raise ValueError("the text is ours")
        assert text != "asserted", SECRET
        return {"number": _number, "library": _of_library}[text]()


@pytest.mark.parametrize("text", ["number", "library", "asserted"])
def test_what_a_validator_stumbles_over_is_not_repeated(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Form(text=text)
    assert said(caught.value) == "text: cannot be understood"
    assert told(caught.value) == "text: cannot be understood"


def test_what_a_validator_says_on_purpose_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        _Form(text="ours")
    assert said(caught.value) == "text: the text is ours"


@pytest.mark.parametrize("cause", [_lookup, _number, _of_library])
def test_a_reason_is_the_kind_of_what_nobody_foresaw(
    cause: Callable[[], object],
) -> None:
    error = _raised(cause)
    assert reason(error) == type(error).__name__
    assert not is_on_purpose(error)
    assert "Doe" not in told(error)


@pytest.mark.parametrize(
    "place", ["identification.recognise", "weights.safe_open", "names.shape_of"]
)
@pytest.mark.parametrize("cause", [_lookup, _number, _of_library])
def test_a_checkpoint_that_crashes_us_repeats_nothing(
    monkeypatch: pytest.MonkeyPatch, cause: Callable[[], object], place: str
) -> None:
    monkeypatch.setattr(f"napari_dmoe.models.{place}", cause)
    vit_files = sys.modules["napari_dmoe.models.vit_files"]
    if place == "names.shape_of":
        monkeypatch.setattr(vit_files, "shape_of", cause)
    error = _raised(lambda: checkpoint.load_checkpoint("skin-phantom"))
    assert "Doe" not in told(error)


def test_a_tensor_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError) as caught:
        names.shape_of({}, "head.weight", 2)
    assert names.missing(caught.value) == "head.weight"
    assert names.missing(KeyError(SECRET)) == "a tensor"
    assert names.missing(KeyError()) == "a tensor"


@pytest.mark.parametrize("cause", [_lookup, _number, _of_library])
def test_a_case_file_and_a_report_that_crash_us_repeat_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: Callable[[], object]
) -> None:
    from napari_dmoe.inference.replaying import case_files

    monkeypatch.setattr(case_files, "_labels", cause)
    monkeypatch.setattr(case_files, "parse_record", lambda *_: None)
    with zipfile.ZipFile(tmp_path / "a.dmoe-case", "w") as archive:
        archive.writestr(case_files.RECORD, "{}")
        archive.writestr(case_files.LABELS, "")
    error = _raised(lambda: dmoe.read_case(tmp_path / "a.dmoe-case"))
    assert str(error).startswith("a.dmoe-case is damaged, or no case file: ")
    assert "Doe" not in str(error)
    (tmp_path / "b.dmoe-case").write_bytes(b"no archive")
    damaged = _raised(lambda: dmoe.read_case(tmp_path / "b.dmoe-case"))
    assert str(damaged).endswith("File is not a zip file")
    reader = SimpleNamespace(loads=cause)
    monkeypatch.setattr("napari_dmoe.training.guarding.report.json", reader)
    assert "Doe" not in told(_raised(lambda: TuningReport.from_json("{}")))


def test_what_passed_an_error_on_adds_nothing_to_it() -> None:
    error = dmoe.ImageError("the image is empty")
    error.add_note(f"{SECRET}: {np.full(3, 7777)}")
    assert not hasattr(shown(error), "__notes__")


def test_an_interruption_shows_nothing_of_what_was_under_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python would print the exception that was being handled, too."""
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr("threading.excepthook", print)
    lines: list[str] = []
    tell_uncaught(lines.append)
    for ending in (KeyboardInterrupt(), BaseExceptionGroup("", [KeyboardInterrupt()])):
        try:
            try:
                _lookup()
            except KeyError:
                raise ending  # noqa: B904 - as a signal does
        except BaseException as error:  # noqa: BLE001
            sys.excepthook(type(error), error, error.__traceback__)
    assert lines[0] == "interrupted"
    assert lines[1].startswith("BaseExceptionGroup in napari-dmoe")
    assert "Doe" not in "".join([*lines, *capsys.readouterr()])


def test_a_library_is_known_wherever_it_lies(tmp_path: Path) -> None:
    folder = tmp_path / "dist-packages"
    folder.mkdir()
    (folder / "somelib.py").write_text(f"def f():\n    raise ValueError({SECRET!r})\n")
    sys.path.insert(0, str(folder))
    try:
        import somelib  # type: ignore[import-not-found]

        assert not is_on_purpose(_raised(somelib.f))
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("somelib", None)
        shutil.rmtree(folder)
