"""Memory that runs out while a result is made, told in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari_dmoe.imaging.memory import NotEnoughMemory
from napari_dmoe.inference.running.devices import is_out_of_memory
from napari_dmoe.inference.running.planes import REMEDY


@contextmanager
def memory_told() -> Iterator[None]:
    """Turn torch's and Python's words for too little memory into ours.

    Raises
    ------
    NotEnoughMemory
        When what the block does, does not fit into memory; says what to do.
    """
    try:
        yield
    except NotEnoughMemory:
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise NotEnoughMemory(
            f"the image and its result do not fit into memory: {REMEDY} ({error})"
        ) from error
