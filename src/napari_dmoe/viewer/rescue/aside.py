"""A private folder for each process, with copies of what is saved nowhere else.

It holds labels, where they lie and a digest of their image: no name, no path and
nothing of a patient. It goes when its process ends as it should; what a dead process
left is offered by the next. Number, age and size of what is kept are bounded.
"""

from __future__ import annotations

import atexit
import hashlib
import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.imaging.disk.owners import OWNER, is_gone, owner_tag

MOST_BYTES = 2**30
"""Of one mask or model. A larger one is not put aside."""

DAYS, MOST = 14, 20
"""How long what is left is kept, and of how many things."""

_NAME = re.compile(rf"(?P<owner>{OWNER.pattern})-\w+")
_FILE = re.compile(r"(mask|model)-\d+\.(npz|safetensors)")
_SAMPLES = 2**20


@dataclass(frozen=True, eq=False)
class PaintedMask:
    """A mask as it was painted.

    Parameters
    ----------
    labels : integer array
        Along the axes of its layer.
    affine : (n + 1, n + 1) float array
        From its indices to the world.
    image : str
        What :func:`digest` says of its image; empty where it has none.
    """

    labels: NDArray[Any]
    affine: NDArray[np.float64]
    image: str = ""


@dataclass(frozen=True)
class Left:
    """Something that a dead process left."""

    path: Path
    at: float
    """When it was put aside, in seconds since 1970."""

    @property
    def is_model(self) -> bool:
        """Whether it is a tuned model, and not a mask."""
        return self.path.suffix == ".safetensors"


def digest(samples: object) -> str:
    """Return what an image is known again by; of a lazy one its shape alone."""
    told = hashlib.blake2s(str(getattr(samples, "shape", "")).encode())
    if isinstance(samples, np.ndarray):
        step = max(1, samples.size // _SAMPLES)
        told.update(str(samples.dtype).encode())
        told.update(np.ascontiguousarray(samples.reshape(-1)[::step]).tobytes())
    return told.hexdigest()


class Aside:
    """What a process puts aside, and what dead ones left."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._own: Path | None = None

    def _folder(self) -> Path:
        if self._own is None or not self._own.is_dir():
            self._root.mkdir(parents=True, exist_ok=True)
            self._root.chmod(0o700)
            own = self._root / f"{owner_tag()}-{secrets.token_hex(4)}"
            own.mkdir(mode=0o700)
            self._own = own
        return self._own

    def put_mask(self, number: int, mask: PaintedMask) -> bool:
        """Write a mask, in place of the last one of that number.

        Returns False for one that is too large.

        Raises
        ------
        OSError
            When it cannot be written; what was there before stays.
        """
        labels = np.array(mask.labels)  # painted on meanwhile, it is written again
        labels = labels.astype(np.min_scalar_type(int(labels.max(initial=0))))
        if labels.nbytes > MOST_BYTES:
            return False
        with (
            atomic_path(self._folder() / f"mask-{number}.npz") as path,
            path.open("wb") as file,
        ):
            image = np.array(mask.image)
            np.savez_compressed(file, labels=labels, affine=mask.affine, image=image)
        return True

    def put_model(self, source: Path) -> bool:
        """Copy a tuned model's file; return False for one that is too large.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        if source.stat().st_size > MOST_BYTES:
            return False
        with atomic_path(self._folder() / "model-0.safetensors") as path:
            shutil.copyfile(source, path)
        return True

    def forget_mask(self, number: int) -> None:
        """Delete a mask that was put aside: it is saved, or nobody's any more."""
        self._delete(f"mask-{number}.npz")

    def forget_model(self) -> None:
        """Delete the model that was put aside."""
        self._delete("model-0.safetensors")

    def _delete(self, name: str) -> None:
        if self._own is not None:
            with suppress(OSError):
                (self._own / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete everything of this process: it ends as it should."""
        own, self._own = self._own, None
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)

    def left(self) -> list[Left]:
        """Return what dead processes left, the newest first; delete what is too old."""
        found = []
        with suppress(OSError):
            for folder in self._root.iterdir():
                named = _NAME.fullmatch(folder.name)
                # Its time is when something was last put into it: it lived then.
                made = folder.stat().st_mtime
                if named is not None and is_gone(named["owner"], made=made):
                    found += _left_in(folder)
        found.sort(key=lambda each: -each.at)
        oldest = time.time() - DAYS * 86_400
        kept = [each for each in found[:MOST] if each.at > oldest]
        decline([each for each in found if each not in kept])
        return kept


def _left_in(folder: Path) -> list[Left]:
    files = [path for path in folder.iterdir() if _FILE.fullmatch(path.name)]
    if not files:
        shutil.rmtree(folder, ignore_errors=True)
    return [Left(path, path.stat().st_mtime) for path in files]


def read_mask(left: Left) -> PaintedMask:
    """Read a mask that was left.

    Raises
    ------
    ValueError, OSError
        When it is gone, such as into another window, or damaged.
    """
    with np.load(left.path, allow_pickle=False) as stored:
        try:
            labels, affine = stored["labels"], stored["affine"]
            return PaintedMask(labels, affine, str(stored["image"]))
        except KeyError as error:
            raise ValueError("the mask that was put aside is damaged") from error


def decline(left: list[Left]) -> None:
    """Delete what was left, and folders in which nothing is left that was whole."""
    for each in left:
        with suppress(OSError):
            each.path.unlink(missing_ok=True)
            _left_in(each.path.parent)


@cache
def aside() -> Aside:
    """Return what this process puts aside; deleted when Python ends as it should."""
    made = Aside(Path(user_data_path("napari-dmoe", appauthor=False)) / "rescue")
    atexit.register(made.remove)
    return made
