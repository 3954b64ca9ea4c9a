"""One writer a folder: the second is refused, and a dead one holds nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from dead_ones import a_dead_ones_partial_file, dead_process
from holding import another_process

from napari_dmoe.imaging.disk.claims import LOCK, FolderError, FolderTaken, claimed
from napari_dmoe.imaging.disk.owners import machine


def test_a_second_process_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    with another_process(tmp_path) as first:
        with (
            pytest.raises(FolderTaken, match="wait for it, or choose") as caught,
            claimed(tmp_path),
        ):
            pytest.fail("both hold the folder")
        assert f"process {first.pid}, since 20" in str(caught.value)
        assert f"writes into {tmp_path}" in str(caught.value)
    with claimed(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_process_holds_no_folder(tmp_path: Path) -> None:
    with another_process(tmp_path) as first:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        a_dead_ones_partial_file(tmp_path, "a.tif")
        with claimed(tmp_path):
            said = json.loads((tmp_path / LOCK).read_text())
            assert said["process"] == os.getpid()
        assert list(tmp_path.iterdir()) == []


def test_one_that_just_ends_is_waited_for_where_that_is_asked(tmp_path: Path) -> None:
    with another_process(tmp_path) as first:
        assert first.stdin is not None
        threading.Timer(0.5, first.stdin.close).start()
        with claimed(tmp_path, patience=60):
            assert (tmp_path / LOCK).exists()


def test_a_second_thread_is_refused_and_the_same_one_goes_on(tmp_path: Path) -> None:
    found: list[type] = []

    def second() -> None:
        try:
            with claimed(tmp_path):
                found.append(int)
        except FolderTaken as error:
            found.append(type(error))

    with claimed(tmp_path):
        with claimed(tmp_path / "."):
            (tmp_path / "a.txt").write_text("of the same run")
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert found == [FolderTaken]
        assert (tmp_path / LOCK).exists()
    second()
    assert found == [FolderTaken, int]


def test_a_folder_that_nothing_was_written_into_is_taken_away(tmp_path: Path) -> None:
    with claimed(tmp_path / "new" / "run") as folder:
        assert folder.is_dir()
    assert not folder.exists()
    with claimed(folder):
        (folder / "a.txt").write_text("done")
    assert [p.name for p in folder.iterdir()] == ["a.txt"]


def test_too_little_room_is_said_before_the_work(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with (
        pytest.raises(
            FolderError, match=r"has room for [\d,.]+ MB, but [\d,.]+ MB are"
        ),
        claimed(tmp_path, needs_bytes=free + 10**12),
    ):
        pytest.fail("there is no room")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/run"])
def test_a_file_in_the_way_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("theirs")
    with (
        pytest.raises(FolderError, match=r"nothing can be written to .*a file of that"),
        claimed(tmp_path / place),
    ):
        pytest.fail("that is no folder")
    assert (tmp_path / "file").read_text() == "theirs"


def test_a_folder_that_may_not_be_written_is_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with (
        pytest.raises(FolderError, match=r"nothing can be written to .*: Permission"),
        claimed(tmp_path / "run"),
    ):
        pytest.fail("it cannot be written")


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
@pytest.mark.parametrize("is_hard", [False, True])
def test_a_link_in_the_place_of_the_lock_costs_no_file(
    tmp_path: Path, is_hard: bool
) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("theirs")
    (tmp_path / "run").mkdir()
    link = tmp_path / "run" / LOCK
    if is_hard:
        os.link(precious, link)
    else:
        link.symlink_to(precious)
    with pytest.raises(FolderError, match="not a lock"), claimed(tmp_path / "run"):
        pytest.fail("it is a link")
    assert precious.read_text() == "theirs"
    assert os.path.lexists(link)


def a_disk_that_fails(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fcntl = pytest.importorskip("fcntl")

    def lock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", lock)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_on_a_disk_without_locks_a_note_stands_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    a_disk_that_fails(monkeypatch, number)
    with claimed(tmp_path / "run") as folder:
        said = json.loads((folder / LOCK).read_text())
        (folder / "a.txt").write_text("done")
    assert [p.name for p in folder.iterdir()] == ["a.txt"]
    alive = os.getppid()
    note = {"process": alive, "since": "2026", "owner": f"{machine()}-{alive}"}
    (folder / LOCK).write_text(json.dumps(note))
    with (
        pytest.raises(
            FolderTaken, match=rf"process {alive}, .* knows no locks: .*delete \.nap"
        ),
        claimed(folder),
    ):
        pytest.fail("both hold the folder")
    assert json.loads((folder / LOCK).read_text()) == note
    note["owner"] = f"{machine()}-{dead_process()}"
    (folder / LOCK).write_text(json.dumps(note))
    with claimed(folder):
        assert json.loads((folder / LOCK).read_text())["owner"] == said["owner"]
    assert [p.name for p in folder.iterdir()] == ["a.txt"]


def test_a_lock_that_fails_leaves_neither_a_file_nor_a_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_disk_that_fails(monkeypatch, errno.EIO)
    with pytest.raises(FolderError, match="nothing can be written"):
        claimed(tmp_path / "run").__enter__()
    assert list(tmp_path.iterdir()) == []
