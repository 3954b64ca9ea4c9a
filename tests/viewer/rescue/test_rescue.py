"""What only a window holds is put aside at a pause, and offered by the next one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.utils.notifications import Notification

from napari_dmoe.imaging.disk.owners import machine
from napari_dmoe.viewer.rescue import aside as putting
from napari_dmoe.viewer.rescue import control
from napari_dmoe.viewer.rescue.aside import (
    Aside,
    PaintedMask,
    decline,
    digest,
    read_mask,
)
from napari_dmoe.viewer.rescue.offer_view import told_of

pytestmark = pytest.mark.gui

DEAD = 4_000_000  # no process has such a number
SECRET = "Jane Roe 1960-01-01"


def mask(value: int = 2, shape: tuple[int, ...] = (12, 9)) -> PaintedMask:
    labels = np.zeros(shape, np.int32)
    labels[2:5, 3:6] = value
    return PaintedMask(labels, np.eye(len(shape) + 1) * 0.5, digest(IMAGE))


def die(aside: Aside) -> Aside:
    """Let the process that put something aside be dead, and return another's view."""
    for folder in aside._root.iterdir():
        folder.rename(aside._root / f"{machine()}-{DEAD}-{folder.name[-8:]}")
    aside._own = None
    return Aside(aside._root)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PAUSE_MS", 1)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    desk = make_desk(ViewerModel())
    desk.viewer.add_image(IMAGE, name=SECRET)
    desk.viewer.add_labels(np.zeros(IMAGE.shape[:2], np.uint8), name=f"{SECRET} labels")
    return desk


def paint(desk: Desk, value: int = 1) -> None:
    layer = desk.viewer.layers[f"{SECRET} labels"]
    layer.data_setitem((np.array([3, 4]), np.array([5, 5])), value)


def files(aside: Aside) -> list[Path]:
    return sorted(aside._root.glob("*/*")) if aside._root.is_dir() else []


def test_a_mask_comes_back_as_it_was_painted(put_aside: Aside) -> None:
    put_aside.put_mask(3, mask())
    assert put_aside.left() == []  # its process lives
    (left,) = die(put_aside).left()
    found = read_mask(left)
    np.testing.assert_array_equal(found.labels, mask().labels)
    np.testing.assert_array_equal(found.affine, mask().affine)
    assert (found.image, found.labels.dtype) == (digest(IMAGE), np.uint8)
    decline([left])
    assert list(put_aside._root.iterdir()) == []


def test_what_was_written_by_halves_goes_with_what_is_declined(
    put_aside: Aside,
) -> None:
    put_aside.put_mask(3, mask())
    half = f".napari-dmoe-partial-{machine()}-{DEAD}-1-mask-3.npz"
    (put_aside._folder() / half).write_bytes(b"half")
    decline(die(put_aside).left())
    assert list(put_aside._root.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_a_process_that_took_over_the_number_of_a_dead_one_hides_nothing(
    put_aside: Aside,
) -> None:
    put_aside.put_mask(3, mask())
    (folder,) = put_aside._root.iterdir()
    os.utime(folder, (0, 1_000_000_000))  # long before this process began
    assert len(Aside(put_aside._root).left()) == 1


def test_only_its_owner_may_look(put_aside: Aside) -> None:
    put_aside.put_mask(0, mask())
    for folder in (put_aside._root, *put_aside._root.iterdir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_ends_as_it_should_leaves_nothing(put_aside: Aside) -> None:
    put_aside.put_mask(0, mask())
    put_aside.remove()
    assert files(put_aside) == []


def test_old_and_many_things_are_not_kept(put_aside: Aside) -> None:
    for number in range(putting.MOST + 3):
        put_aside.put_mask(number, mask())
    old = put_aside._folder() / "mask-5.npz"
    os.utime(old, (0, time.time() - (putting.DAYS + 1) * 86_400))
    left = die(put_aside).left()
    assert len(left) == putting.MOST
    assert "mask-5.npz" not in [each.path.name for each in left]
    assert len(files(put_aside)) == putting.MOST


def test_what_is_too_large_is_not_put_aside(
    put_aside: Aside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putting, "MOST_BYTES", 10)
    assert not put_aside.put_mask(0, mask())
    assert files(put_aside) == []


def test_a_painted_mask_is_put_aside_without_a_name(
    desk: Desk, put_aside: Aside
) -> None:
    paint(desk)
    desk.qtbot.waitUntil(lambda: bool(files(put_aside)))
    (path,) = files(put_aside)
    held = path.read_bytes() + str(path).encode()
    assert SECRET.split()[0].encode() not in held
    with np.load(path) as stored:
        assert set(stored) == {"labels", "affine", "image"}
        assert stored["labels"][3, 5] == 1


def test_what_is_undone_after_the_pause_is_not_what_is_put_aside(
    desk: Desk, put_aside: Aside
) -> None:
    paint(desk)
    desk.qtbot.waitUntil(lambda: bool(files(put_aside)))
    desk.qtbot.waitUntil(lambda: not desk.dock.rescue._files.is_busy)
    desk.viewer.layers[f"{SECRET} labels"].undo()

    def is_undone() -> bool:
        with np.load(files(put_aside)[0]) as stored:
            return not stored["labels"].any()

    desk.qtbot.waitUntil(is_undone)


def test_untouched_labels_are_not_put_aside(desk: Desk, put_aside: Aside) -> None:
    desk.qtbot.waitUntil(lambda: not desk.dock.rescue._files.is_busy)
    assert not desk.dock.rescue._pause.isActive()
    assert files(put_aside) == []


def test_a_mask_that_is_taken_away_is_forgotten(desk: Desk, put_aside: Aside) -> None:
    paint(desk)
    desk.qtbot.waitUntil(lambda: bool(files(put_aside)))
    desk.viewer.layers.remove(f"{SECRET} labels")
    desk.qtbot.waitUntil(lambda: not files(put_aside))


def test_a_mask_that_is_saved_is_forgotten(desk: Desk, put_aside: Aside) -> None:
    paint(desk)
    desk.qtbot.waitUntil(lambda: bool(files(put_aside)))
    desk.dock._session.mask_saved.emit(desk.viewer.layers[f"{SECRET} labels"])
    desk.qtbot.waitUntil(lambda: not files(put_aside))


def test_nothing_is_offered_where_nothing_was_left(desk: Desk) -> None:
    assert desk.dock.rescue_offer.isHidden()


def test_a_left_mask_is_restored_onto_its_image(
    make_desk: Callable[..., Desk], put_aside: Aside
) -> None:
    put_aside.put_mask(0, mask(shape=IMAGE.shape[:2]))
    die(put_aside)
    desk = make_desk(ViewerModel())
    desk.viewer.add_image(IMAGE + 1, name="another")
    desk.viewer.add_image(IMAGE, name="retina")
    offer = desk.dock.rescue_offer
    desk.qtbot.waitUntil(lambda: not offer.isHidden())
    assert offer.text.text().startswith("1 painted mask from ")
    offer.restore_button.click()
    name = f"retina / {control.RESTORED}"
    desk.qtbot.waitUntil(lambda: name in desk.viewer.layers)
    np.testing.assert_array_equal(
        desk.viewer.layers[name].data, mask(shape=IMAGE.shape[:2]).labels
    )
    assert offer.isHidden()
    # Until it is saved it is put aside again, by this process.
    desk.qtbot.waitUntil(lambda: bool(files(put_aside)) and not die_names(put_aside))


def die_names(aside: Aside) -> list[str]:
    return [path.name for path in aside._root.iterdir() if f"-{DEAD}-" in path.name]


def test_without_its_image_a_mask_has_a_neutral_name(
    make_desk: Callable[..., Desk], put_aside: Aside
) -> None:
    put_aside.put_mask(0, mask())
    die(put_aside)
    desk = make_desk(ViewerModel())
    desk.qtbot.waitUntil(lambda: not desk.dock.rescue_offer.isHidden())
    desk.dock.rescue_offer.restore_button.click()
    desk.qtbot.waitUntil(lambda: control.RESTORED in desk.viewer.layers)


def test_what_is_declined_is_gone(
    make_desk: Callable[..., Desk], put_aside: Aside
) -> None:
    put_aside.put_mask(0, mask())
    die(put_aside)
    desk = make_desk(ViewerModel())
    desk.qtbot.waitUntil(lambda: not desk.dock.rescue_offer.isHidden())
    desk.dock.rescue_offer.decline_button.click()
    desk.qtbot.waitUntil(lambda: not files(put_aside))
    assert desk.dock.rescue_offer.isHidden()


def test_a_full_disk_is_told_once_and_painting_goes_on(
    desk: Desk,
    put_aside: Aside,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[object] = []

    def full(number: int, mask: PaintedMask) -> bool:
        tried.append(mask)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(put_aside, "put_mask", full)
    for value in (1, 2):
        paint(desk, value)
        desk.qtbot.waitUntil(lambda n=value: len(tried) == n)
        desk.qtbot.waitUntil(lambda: not desk.dock.rescue._files.is_busy)
    assert len(notifications) == 1
    assert "only this window holds it" in notifications[0].message


@pytest.mark.parametrize(
    ("masks", "models", "said"),
    [
        (1, 0, "1 painted mask from 10:42 was not saved."),
        (2, 0, "2 painted masks from 10:42 were not saved."),
        (1, 1, "1 painted mask and 1 tuned model from 10:42 were not saved."),
        (0, 0, ""),
    ],
)
def test_the_offer_says_what_and_when(masks: int, models: int, said: str) -> None:
    today = time.localtime()
    at = time.mktime((*today[:3], 10, 42, 0, 0, 0, -1))
    assert told_of([at] * masks, [at] * models) == said


KILLED = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from napari_dmoe.viewer.rescue.aside import Aside, PaintedMask
aside = Aside(Path(sys.argv[1]))
aside.put_mask(0, PaintedMask(np.ones((4, 4), np.uint8), np.eye(3)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_what_a_killed_process_held_is_left(put_aside: Aside) -> None:
    command = [sys.executable, "-c", KILLED, str(put_aside._root)]
    assert subprocess.run(command, check=False).returncode == -9
    (left,) = put_aside.left()
    assert read_mask(left).labels.sum() == 16
