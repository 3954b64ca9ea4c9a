"""How fast the tunings of a session were, to say how long the next will take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dmoe.training.pacing import Paces, Pacing

if TYPE_CHECKING:
    from napari_dmoe.estimate import Estimate
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.training.guarding.guard import Guard
    from napari_dmoe.training.settings import TrainSettings


class KnownPaces:
    """Remembers the paces of tunings, for those of the same kind."""

    def __init__(self) -> None:
        self._paces: dict[tuple[object, ...], Paces] = {}

    def of(self, loaded: LoadedModel, settings: TrainSettings) -> Paces | None:
        """Return the paces of such a tuning; None before the first."""
        return self._paces.get(_kind(loaded, settings))

    def note(
        self,
        loaded: LoadedModel,
        settings: TrainSettings,
        work: Pacing,
        estimate: Estimate,
    ) -> None:
        """Take note of how fast some work turned out to be."""
        self._paces[_kind(loaded, settings)] = work.learnt(estimate.rate)

    def work(
        self,
        loaded: LoadedModel,
        settings: TrainSettings,
        guard: Guard,
        *,
        n_cases: int,
        n_trained: int,
        n_guard: int | None = None,
    ) -> Pacing:
        """Return what a tuning is made of; `n_guard` cases, where they are counted."""
        return Pacing.of(
            loaded.card,
            settings,
            n_trained=n_trained,
            n_measured=n_cases,
            n_drawn=guard.n_drawn,
            n_guard=guard.n_expected if n_guard is None else n_guard,
            paces=self.of(loaded, settings),
        )


def _kind(loaded: LoadedModel, settings: TrainSettings) -> tuple[object, ...]:
    """Return what tunings share that are equally fast."""
    name = loaded.card.name.removesuffix("-tuned")
    return name, settings.device, settings.batch * settings.accumulate
