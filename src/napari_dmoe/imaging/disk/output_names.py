"""What files are called that are written for an input: each input has a stem its own.

Stems are alike on every system: they differ in more than upper and lower case, and in
more than the two ways in which Unicode writes an accent. They do not depend on the
order of the inputs; where names do not clash, not on the other inputs either.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

from napari_dmoe.imaging.files import MAX_NAME, image_stem, safe_stem

LONGEST = 150
"""Characters of a stem that was put together, such as ``NAME.0-VALUE``."""

_MOST_BYTES = 190
"""Of a stem: names may have 255, and endings such as ``.labels.tif`` need some."""

_HASH = 8


class OutputNameError(ValueError):
    """Two inputs would be written to the same files."""


def output_stem(name: str, longest: int = MAX_NAME) -> str:
    """Return the stem that a name has where no other input clashes with it.

    It is made safe for every file system. Longer names end in a hash of the whole, so
    that names which begin alike stay apart.

    Parameters
    ----------
    name : str
        Any name: that of a file, an id, a path.
    longest : int
        Characters that the stem may have.

    Examples
    --------
    >>> output_stem("case 1")
    'case_1'
    """
    name = normalize("NFC", name)
    n_bytes = len(name.encode("utf-8", "surrogatepass"))
    if len(name) > longest or n_bytes > _MOST_BYTES:
        return _hashed(name, name, longest)
    return safe_stem(name, longest)


def output_stems(names: Sequence[str], files: Sequence[str]) -> tuple[str, ...]:
    """Give each input of a run a stem of its own.

    Parameters
    ----------
    names : sequence of str
        What the inputs are called.
    files : sequence of str
        The name of each one's file, which tells apart ``X.jpg`` and ``X.png``.

    Returns
    -------
    tuple of str
        :func:`output_stem` of each name. Of names that clash, one that is its own stem
        keeps it if it is the only such one; others become the name of their file where
        that is a stem of its own, else they end in a hash of both names.

    Raises
    ------
    OutputNameError
        When two stems are the same all the same.
    """
    stems = [output_stem(name) for name in names]
    clashing = sorted({*_sharing(stems)} - _keepers(names, stems))
    for i in clashing:
        is_of_file = image_stem(Path(files[i])) == names[i]
        stems[i] = output_stem(files[i]) if is_of_file else ""
    still = {i for i in clashing if not stems[i]} | {*clashing} & {*_sharing(stems)}
    times: Counter[str] = Counter()
    for i in sorted(still):
        identity = f"{names[i]}\0{files[i]}"
        times[identity] += 1
        nth = f"\0{times[identity]}" if times[identity] > 1 else ""
        stems[i] = _hashed(names[i], identity + nth, MAX_NAME)
    _refuse_doubles(stems, names)
    return tuple(stems)


def _sharing(stems: Sequence[str]) -> list[int]:
    """Return the places of stems that are not the only ones of their kind."""
    count = Counter(map(_key, stems))
    return [place for place, stem in enumerate(stems) if count[_key(stem)] > 1]


def _keepers(names: Sequence[str], stems: Sequence[str]) -> set[int]:
    """Return the places of names that are their own stem, alone of their kind."""
    own = [i for i, stem in enumerate(stems) if stem == normalize("NFC", names[i])]
    count = Counter(_key(stems[i]) for i in own)
    return {i for i in own if count[_key(stems[i])] == 1}


def _refuse_doubles(stems: Sequence[str], names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for place, stem in enumerate(stems):
        other = first.setdefault(_key(stem), place)
        if other != place:
            raise OutputNameError(
                f"{names[other]!r} and {names[place]!r} would both be written to "
                f"{stem}.*: rename one of them"
            )


def _key(stem: str) -> str:
    """Return what file systems compare that are least strict."""
    return normalize("NFC", normalize("NFD", stem).casefold())


def _hashed(name: str, identity: str, longest: int) -> str:
    """Return the beginning of a name, and a hash of what tells it from others."""
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    stem = safe_stem(normalize("NFC", name), longest - _HASH - 1)
    while len(stem.encode()) > _MOST_BYTES - _HASH - 1:
        stem = stem[:-1]
    return f"{stem}-{digest[:_HASH]}"
