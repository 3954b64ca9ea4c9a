"""Several patients in one viewer, with a window or without."""

from __future__ import annotations

from collections.abc import Callable

import napari
import pytest
from desk import Desk
from napari.components import ViewerModel
from patients import NAMES, Ward
from what_if_fakes import FakeAblate, FakeUncertainty


@pytest.fixture
def ward(make_desk: Callable[..., Desk]) -> Ward:
    """Return a desk with three patients; the last one is seen."""
    ward = Ward(
        make_desk(ViewerModel(), ablate=FakeAblate(), uncertainty=FakeUncertainty())
    )
    ward.admit(*NAMES)
    ward.see_only("cle")
    return ward


@pytest.fixture
def window_ward(
    make_desk: Callable[..., Desk], make_napari_viewer: Callable[..., napari.Viewer]
) -> Ward:
    """Return a ward in a window that is seen, without any image."""
    return Ward(make_desk(make_napari_viewer(show=True)))
