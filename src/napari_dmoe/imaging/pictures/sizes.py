"""How large a file may say that its picture is, checked before anything is decoded."""

from __future__ import annotations

from napari_dmoe.imaging.memory import NotEnoughMemory, refuse_beyond_memory
from napari_dmoe.imaging.nifti import MAX_BYTES
from napari_dmoe.imaging.spatial import ImageReadError


def refuse_claim(name: str, n_bytes: int, *, can_hold: int, peak: int) -> None:
    """Refuse a picture that is larger than can be, or than there is memory for.

    Parameters
    ----------
    name : str
        The file's name.
    n_bytes : int
        What the header says that the pixels take.
    can_hold : int
        The most that the file can hold, its compression at its best.
    peak : int
        Memory that decoding takes.

    Raises
    ------
    ImageReadError
        When the pixels would take more than one of these, or than ``MAX_BYTES``.
    """
    if n_bytes > MAX_BYTES:
        raise ImageReadError(
            f"{name} claims {n_bytes / 2**30:.0f} GiB: more than the "
            f"{MAX_BYTES / 2**30:.0f} GiB that are read at once"
        )
    if n_bytes > can_hold:
        raise ImageReadError(
            f"{name} is damaged: it claims {n_bytes / 1e6:,.1f} MB of pixels, more "
            "than a file of its size can hold"
        )
    try:
        refuse_beyond_memory(
            peak, what=f"{name}: its pixels need", remedy="cut it into parts"
        )
    except NotEnoughMemory as error:
        raise ImageReadError(str(error)) from error
