"""What goes wrong in the dock is told in words, and repeats nothing of the patient."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from desk import Desk
from napari.utils.notifications import Notification, notification_manager

from napari_dmoe.imaging.spatial import ImageError
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.viewer.uncaught import tell_ours_in_words

SECRET = "Jane Doe 1947"


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put napari's hooks back, which the dock stands before."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    vars(notification_manager).pop("receive_error", None)


def crash(*_: object, **__: object) -> None:
    {}[SECRET, str(np.full(3, 7777))]


def told(notes: list[Notification], caplog: pytest.LogCaptureFixture) -> str:
    """Return all that napari would show, print and log."""
    texts = [note.message + str(note) for note in notes]
    return "".join(texts) + caplog.text


@pytest.mark.parametrize("kind", [KeyError, RuntimeError, TypeError, AssertionError])
def test_an_engine_that_crashes_repeats_no_patient(
    desk: Desk,
    notifications: list[Notification],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: type[Exception],
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.segment.error = kind(f"{SECRET}: {np.full(3, 7777)}")
    desk.run()
    shown = told(notifications, caplog) + desk.status + "".join(capfd.readouterr())
    assert "Doe" not in shown
    assert "7777" not in shown
    assert desk.status.startswith(f"Failed: {kind.__name__} in viewer/session/")
    assert "a fault of napari-dmoe" in desk.status
    assert len(notifications) == 1
    assert desk.dock.footer.button.isEnabled()


def test_a_slot_of_ours_that_crashes_is_told_in_words(
    desk: Desk,
    notifications: list[Notification],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Qt calls it: what it raises goes to the hook of exceptions."""
    caplog.set_level(logging.DEBUG)
    with notification_manager:
        tell_ours_in_words()
        monkeypatch.setattr(type(desk.session), "inquire", crash)
        try:
            desk.dock.segment()
        except KeyError as error:
            sys.excepthook(type(error), error, error.__traceback__)
    shown = told(notifications, caplog)
    assert "KeyError in viewer/" in shown
    assert "Doe" not in shown


def test_hooks_are_set_before_and_within_the_event_loop_of_napari(
    notifications: list[Notification],
) -> None:
    error = ImageError(SECRET)
    tell_ours_in_words()
    tell_ours_in_words()
    with notification_manager:  # as napari.run() does
        try:
            desk_free()
        except KeyError as raised:
            error = raised
        sys.excepthook(type(error), error, error.__traceback__)
    assert len(notifications) == 1
    assert "Doe" not in str(notifications[0]) + notifications[0].message


def desk_free() -> None:
    """Let something of ours crash that needs no window."""
    from napari_dmoe.progress import Progress, part_of

    part_of(crash, 0, 2)(Progress(0, 1))


def test_what_others_raise_is_left_to_napari(
    notifications: list[Notification],
) -> None:
    with notification_manager:
        tell_ours_in_words()
        try:
            crash()
        except KeyError as error:
            sys.excepthook(type(error), error, error.__traceback__)
    assert SECRET in notifications[0].message


def test_a_layer_that_can_no_longer_be_read_is_named_in_words(
    make_desk: Callable[..., Desk], notifications: list[Notification]
) -> None:
    array = pytest.importorskip("dask.array")
    is_there = [True]

    def block(part: np.ndarray) -> np.ndarray:
        if not is_there[0]:
            raise FileNotFoundError(2, "No such file or directory", f"/{SECRET}.tif")
        return part

    pixels = np.zeros((40, 40), np.uint8)
    lazy = array.from_array(pixels).map_blocks(block, meta=pixels[:0, :0])
    desk = make_desk(segment=segment)
    desk.viewer.add_image(lazy, name="retina", contrast_limits=(0, 255))
    is_there[0] = False
    desk.run()
    words = "Failed: the image's pixels cannot be read (No such file or directory)"
    assert desk.status.startswith(words)
    assert [SECRET in note.message for note in notifications] == [False]
    assert desk.masks == []


def test_a_tensor_as_a_layer_is_segmented_as_the_array_that_it_holds(
    make_desk: Callable[..., Desk],
) -> None:
    torch = pytest.importorskip("torch")
    desk = make_desk(segment=segment)
    tensor = torch.arange(1600, dtype=torch.int16).reshape(40, 40)
    desk.viewer.add_image(tensor, name="retina", contrast_limits=(0, 1600))
    desk.run()
    assert desk.status.startswith("Done")
    assert [mask.data.shape for mask in desk.masks] == [(40, 40)]
