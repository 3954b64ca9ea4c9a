"""Computes the prediction of a case again, where it was not kept. Knows no Qt.

Only by the model that was evaluated: its file is known by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dmoe.progress import Progress, ProgressHook

if TYPE_CHECKING:
    from napari_dmoe.evaluation.evaluating.scored import EvaluationFacts
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.patient import Patient
    from napari_dmoe.viewer.engines import Engines

MODEL = "model"
"""Source of an evaluation whose predictions can be computed again."""


class NoModelError(ValueError):
    """The model that was evaluated is not at hand."""


@dataclass(frozen=True)
class Computing:
    """What computes predictions of an evaluation again; called in a job."""

    facts: EvaluationFacts
    engines: Engines
    open_model: LoadedModel | None = None
    """The one that is open in the dMoE dock."""
    names: tuple[str, ...] = ()
    """Bundled and recent models, by name or path."""

    def predict(
        self, image: SpatialImage, patient: Patient, progress: ProgressHook
    ) -> SpatialImage:
        """Return the model's mask of an image, on its pixels.

        Raises
        ------
        NoModelError
            When the model is not at hand; the message says what to do.
        """
        from napari_dmoe.inference.running.settings import InferenceSettings

        progress(Progress(0, 1, "loading the model"))
        loaded = self._model()
        known = InferenceSettings.model_fields
        stated = {k: v for k, v in self.facts.settings.items() if k in known}
        settings = InferenceSettings.model_validate(stated)
        settings = settings.model_copy(update={"scored_at": "source"})
        made = self.engines.segment(
            loaded, image, patient, settings=settings, progress=progress
        )
        affine = image.affine_along([a for a in made.axes if a in image.spatial_axes])
        return replace(image, data=made.labels, axes=tuple(made.axes), affine=affine)

    def _model(self) -> LoadedModel:
        wanted = self.facts.sha256
        if self.open_model is not None and self.open_model.sha256 == wanted:
            return self.open_model
        for name in _likely(self.names, self.facts.model):
            loaded = self.engines.load_checkpoint(name, self.facts.card or None)
            if loaded.sha256 == wanted:
                return loaded
        raise NoModelError(
            f"it was not kept, and the model {self.facts.model} is not at hand: open "
            "it in the dMoE dock, or evaluate again and keep the masks"
        )


def _likely(names: Sequence[str], model: str) -> list[str]:
    """Return the names that may be of a model, by its file's or bundled name."""
    return [name for name in names if model in (name, Path(name).name)]
