from __future__ import annotations

from pathlib import Path

import pytest

from napari_dmoe.models.checkpoint import CheckpointError, load_checkpoint


def refused(path: Path, *causes: str, kind: type = CheckpointError) -> str:
    """Load, expect exactly one kind of error with the file and causes named."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert type(caught.value) is kind, message
    for cause in (path.name, *causes):
        assert cause in message
    assert "\n" not in message
    return message
