"""Which bundled model a sample was made for, and what a model expects of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.contributions import MODEL_KEY

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.viewer.session.session import Session


def model_for(image: Image | None) -> str:
    """Return the bundled model that a sample was made for; nothing for other images."""
    record = None if image is None else image.metadata.get(METADATA_KEY)
    return str(record.get(MODEL_KEY, "")) if isinstance(record, Mapping) else ""


def other_model(session: Session) -> str:
    """Return the model of the sample that is worked on, where another one is loaded."""
    wanted, model = model_for(session.image), session.model
    if model is None or not wanted:
        return ""
    return "" if wanted in (session.model_origin, model.card.name) else wanted


def expectation(session: Session) -> str:
    """Say what the model expects of an image; nothing where its card does not say."""
    model = session.model
    modality = None if model is None else model.card.modality
    return f"The model is for: {modality}" if modality else ""
