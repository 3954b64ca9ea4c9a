"""Partial files: ours alone are known, foreign ones and links stay as they are."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dead_ones import a_dead_ones_partial_file, dead_process

from napari_dmoe.imaging.disk import atomic, owners
from napari_dmoe.imaging.disk.atomic import atomic_path, remove_leftovers, write_text

posix = pytest.mark.skipif(os.name == "nt", reason="signals and links of POSIX")


def as_if_next(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the name that the next partial file would have."""
    monkeypatch.setattr(atomic, "_counter", iter(range(7, 1000)))
    return folder / f".napari-dmoe-partial-{owners.owner_tag()}-7-{name}"


@posix
def test_a_link_where_the_partial_file_would_be_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("theirs")
    link = as_if_next(tmp_path, "a.json", monkeypatch)
    link.symlink_to(precious)
    write_text(tmp_path / "a.json", "ours")
    assert (tmp_path / "a.json").read_text() == "ours"
    assert precious.read_text() == "theirs"
    assert link.is_symlink()


def test_a_foreign_file_where_the_partial_file_would_be_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = as_if_next(tmp_path, "a.json", monkeypatch)
    theirs.write_text("theirs")
    write_text(tmp_path / "a.json", "ours")
    assert (tmp_path / "a.json").read_text() == "ours"
    assert theirs.read_text() == "theirs"


@posix
def test_a_link_at_the_place_itself_is_replaced_and_not_followed(
    tmp_path: Path,
) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("theirs")
    (tmp_path / "a.json").symlink_to(precious)
    write_text(tmp_path / "a.json", "ours")
    assert precious.read_text() == "theirs"
    assert not (tmp_path / "a.json").is_symlink()


@pytest.mark.parametrize("name", ["x" * 251 + ".tif", "ä" * 125 + ".tif", "x" * 255])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    with atomic_path(tmp_path / name) as partial:
        assert len(os.fsencode(partial.name)) <= 255
        assert partial.suffix == Path(name).suffix
        partial.write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_file_reaches_the_disk_before_it_takes_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_text(tmp_path / "a.json", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_only_dead_processes_partial_files_are_removed(tmp_path: Path) -> None:
    alive = f"{owners.machine()}-{os.getppid()}"
    elsewhere = f"00000000-{dead_process()}"
    kept = [
        ".partial-1-a.tif",
        ".napari-dmoe-partial-a.tif",
        f".napari-dmoe-partial-{alive}-0-a.tif",
        f".napari-dmoe-partial-{elsewhere}-0-a.tif",
    ]
    for name in kept:
        (tmp_path / name).write_text("theirs")
    dead = f".napari-dmoe-partial-{owners.machine()}-{dead_process()}-0-"
    (tmp_path / f"{dead}folder").mkdir()
    kept.append(f"{dead}folder")
    if os.name != "nt":
        (tmp_path / f"{dead}link").symlink_to(tmp_path / kept[0])
        kept.append(f"{dead}link")
    a_dead_ones_partial_file(tmp_path, "a.tif")
    assert remove_leftovers(tmp_path) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(kept)


def test_what_is_being_written_here_is_no_leftover(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.tif") as partial:
        partial.write_text("half")
        assert remove_leftovers(tmp_path) == 0
        assert partial.exists()
    a_former = f".napari-dmoe-partial-{owners.owner_tag()}-99999999-a.tif"
    (tmp_path / a_former).write_text("of a process that had our number")
    assert remove_leftovers(tmp_path) == 1


@posix
def test_a_killed_writer_leaves_what_the_next_one_removes(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from napari_dmoe.imaging.disk.atomic import atomic_path\n"
        "with atomic_path(Path(sys.argv[1]) / 'a.tif') as p:\n"
        "    p.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    assert remove_leftovers(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_process_that_nobody_reaped_is_not_alive() -> None:
    zombie = subprocess.Popen([sys.executable, "-S", "-c", ""], stdout=subprocess.PIPE)
    assert zombie.stdout is not None
    zombie.stdout.read()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert sys.platform != "linux" or not owners.is_alive(zombie.pid)
    zombie.communicate()
    assert not owners.is_alive(zombie.pid)
    assert owners.is_alive(os.getpid())
