"""What readers, samples and writers raise reaches napari in words alone."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.errors import ReaderPluginError
from napari.utils.notifications import Notification, notification_manager

from napari_dmoe.faults import Fault
from napari_dmoe.imaging.spatial import ImageReadError
from napari_dmoe.viewer import contributions

SECRET = "Jane Doe, 63, female"


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put napari's hooks back, which ours stand before."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    vars(notification_manager).pop("receive_error", None)


def crash(*_: object, **__: object) -> Any:
    error = KeyError(SECRET, str(np.full(3, 7777)))
    error.add_note(SECRET)
    raise error


def reading(path: Path) -> object:
    reader = contributions.nifti_reader(str(path))
    assert reader is not None
    return reader(str(path))


OPENED = {
    "napari_dmoe.imaging.files.read_image": lambda: reading(Path("a.nii.gz")),
    "napari_dmoe.viewer.layers.opening.has_record": lambda: reading(Path("a.nii")),
    "napari_dmoe.phantoms.samples.sample_fundus": contributions.phantom_fundus,
    "napari_dmoe.phantoms.samples.sample_ct": contributions.ct_pelvis,
    "napari_dmoe.viewer.layers.samples.image_layer": contributions.mr_brain,
    "skimage.data.retina": contributions.retina_colour,
    "napari_dmoe.viewer.layers.saving.save_layer": lambda: (
        contributions.write_nifti_layer("a.nii", np.zeros(3), {})
    ),
}


@pytest.mark.parametrize("place", OPENED)
def test_what_napari_asks_for_fails_in_words_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    """As ``napari FILE`` logs it: with traceback, causes and context."""
    monkeypatch.setattr(place, crash)
    with pytest.raises(Fault) as caught:
        OPENED[place]()
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    try:
        raise ReaderPluginError("failed", "napari-dmoe", ["a.nii"]) from error
    except ReaderPluginError:
        logging.getLogger("napari").exception("Loading failed")
    assert "KeyError in napari-dmoe" in caplog.text or "KeyError in" in caplog.text
    assert "Doe" not in caplog.text
    assert "7777" not in caplog.text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"x" * 400), "a.nii is no NIfTI file"),
        (lambda path: None, "a.nii: there is no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_dropped_and_told_in_its_own_words(
    tmp_path: Path,
    notifications: list[Notification],
    make: Callable[[Path], object],
    words: str,
) -> None:
    path = tmp_path / "a.nii"
    make(path)
    with notification_manager:
        try:
            try:
                reading(path)
            except ImageReadError as error:  # as napari does where a file is dropped
                raise ReaderPluginError("failed", "napari-dmoe", [path]) from error
        except ReaderPluginError as error:
            sys.excepthook(type(error), error, error.__traceback__)
    assert [note.message.startswith(words) for note in notifications] == [True]
    assert "a fault of napari-dmoe" not in notifications[0].message
