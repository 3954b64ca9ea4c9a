"""Exceptions that nobody foresaw are told without what they hold."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import BaseModel

import napari_dmoe as dmoe
from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.series.listing import Entry
from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.faults import Fault, is_foreseen, passes_through_us, shown, told
from napari_dmoe.faults import tell_uncaught as uncaught
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.planes import PlanePool
from napari_dmoe.training.cases.volumes import VolumePool

SECRET = "Jane Doe 1947"
PIXELS = np.full((8, 8), 7777)


class _Form(BaseModel):
    age: int


def _lookup() -> None:
    {}[SECRET]


def _form() -> None:
    _Form(age=SECRET)  # type: ignore[arg-type]


def _chained() -> None:
    try:
        _lookup()
    except KeyError as error:
        raise TypeError(f"{SECRET} has no age") from error


UNFORESEEN: list[Callable[[], object]] = [
    _lookup,
    _form,
    _chained,
    lambda: float(SECRET),
    lambda: int(SECRET),
    lambda: np.zeros(3)[SECRET],
    lambda: getattr(object(), SECRET),
    lambda: np.broadcast_to(PIXELS, (3, 3)),
    lambda: torch.zeros(2).view(SECRET),  # type: ignore[call-overload]
    lambda: np.datetime64(SECRET),
    lambda: SECRET.encode("utf-7").decode("ascii") + 3,  # type: ignore[operator]
    lambda: b"\xff7777".decode(),
    lambda: Path(SECRET).relative_to("/7777"),
]


def raised(cause: Callable[[], object]) -> Exception:
    try:
        cause()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("cause", UNFORESEEN)
def test_an_unforeseen_exception_shows_neither_values_nor_pixels(
    cause: Callable[[], object],
) -> None:
    error = raised(cause)
    fault = shown(error)
    for words in (told(error), str(fault), repr(fault)):
        assert "Doe" not in words
        assert "7777" not in words
    assert not is_foreseen(error)
    assert isinstance(fault, Fault)
    assert (fault.__cause__, fault.__context__, fault.__traceback__) == (None,) * 3


def test_an_unforeseen_exception_says_its_kind_its_place_and_how_to_report_it() -> None:
    def broken() -> None:
        dmoe.segment(SECRET, PIXELS.astype(np.uint8))  # type: ignore[arg-type]

    words = told(raised(broken))
    assert words.startswith("AttributeError in inference/running/drivers.py:")
    assert "this is a fault of napari-dmoe" in words
    assert "napari-dmoe/issues" in words


def test_what_our_code_or_a_script_says_on_purpose_keeps_its_words() -> None:
    def by_script() -> None:
        raise ValueError("the mask is empty")

    assert told(raised(by_script)) == "the mask is empty"
    assert told(raised(lambda: Patient(age=-1))).startswith("age: the age must lie")
    error = raised(lambda: dmoe.read_card("absent"))
    assert "absent" in told(error)
    missing = raised(lambda: Path("/absent/x.png").read_bytes())
    assert "No such file" in told(missing)
    assert told(ImageError("never raised")) == "never raised"
    assert told(MemoryError("Unable to allocate")) == "Unable to allocate"


def test_a_foreseen_error_is_shown_without_what_it_was_caused_by() -> None:
    def chained() -> None:
        try:
            _lookup()
        except KeyError as error:
            raise ImageError("the image is empty") from error

    error = raised(chained)
    assert shown(error) is error
    assert (error.__cause__, error.__context__, error.__traceback__) == (None,) * 3


def test_memory_that_runs_out_is_told_and_nothing_behind_it() -> None:
    assert told(RuntimeError(f"CUDA out of memory. {SECRET}")) == "CUDA out of memory"


def test_the_terminal_shows_all_of_it_only_where_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = raised(_lookup)
    told(error)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("NAPARI_DMOE_TRACEBACK", "1")
    assert "Doe" not in told(error)
    assert "Doe" in capsys.readouterr().err


def test_what_a_process_does_not_catch_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    lines: list[str] = []
    uncaught(lines.append)
    error = raised(_lookup)
    sys.excepthook(KeyError, error, error.__traceback__)
    thread = threading.Thread(target=_lookup)
    thread.start()
    thread.join()
    assert [line.partition(" in")[0] for line in lines] == ["KeyError"] * 2
    assert SECRET not in "".join(lines)


def test_it_is_known_whether_our_code_was_at_work() -> None:
    assert not passes_through_us(raised(_lookup))
    assert passes_through_us(raised(lambda: Patient(age=-1)))


def test_nothing_that_is_printed_shows_values_or_pixels() -> None:
    patient = Patient(sex="F", age=63, severity="IV", others={"language": "Basque"})
    image = SpatialImage.from_array(PIXELS)
    volume = torch.full((1, 2, 2, 2), 77, dtype=torch.uint8)
    router = torch.tensor([[1]])
    printed = [
        patient,
        Case("doe-1947", image, image, patient, "doe", None),
        CohortRow(3, "doe-1947", Path("doe.png"), None, patient, "doe"),
        Entry("doe", Path("doe.png"), patient, None, 3),
        image,
        PlanePool(volume[0], volume[0], router, None, patients=(patient,)),  # type: ignore[arg-type]
        VolumePool((volume,), (volume[0],), router, (2, 2, 2), patients=(patient,)),
    ]
    for each in printed:
        text = f"{each!r} {each} {[each]}"
        for value in ("female", "63", "IV", "Basque", "doe", "77"):
            assert value not in text, type(each)
    assert repr(patient) == "Patient(sex=..., age=..., severity=..., language=...)"
    assert repr(image) == "SpatialImage(8 (y) x 8 (x), int64, unit=None)"


def test_a_result_prints_neither_its_pixels_nor_whom_it_was_made_for() -> None:
    loaded = dmoe.load_checkpoint("fundus-phantom")
    picture = np.zeros((32, 32, 3), np.uint8)
    result = dmoe.segment(loaded, picture, Patient(severity="glaucoma"))
    driver = result.provenance.drivers[0]
    assert driver.value == "glaucoma"
    for text in (repr(result), repr(driver), str(result.provenance.drivers)):
        assert "glaucoma" not in text
        assert "[" not in text.removeprefix("(")
