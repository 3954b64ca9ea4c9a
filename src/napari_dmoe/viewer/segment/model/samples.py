"""Offers the samples where there is no image yet, and opens the one that is wanted."""

from __future__ import annotations

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.checkpoints import TUNED
from napari_dmoe.viewer.contributed import PLUGIN
from napari_dmoe.viewer.segment.model.samples_view import SampleChoice, SampleSection
from napari_dmoe.viewer.segment.result.view import ResultSection
from napari_dmoe.viewer.ui.connections import Connections

CHOICES = (
    SampleChoice(
        "phantom-fundus",
        "fundus-phantom",
        "fundus",
        "Fundus: disc and cup,\nby severity of glaucoma",
        "A made-up fundus with its made-up patient, and the model for it.",
    ),
    SampleChoice(
        "phantom-skin",
        "skin-phantom",
        "skin",
        "Skin lesion,\nby sex and age",
        "A made-up skin lesion with its made-up patient, and the model for it.",
    ),
    SampleChoice(
        "phantom-pelvis",
        "pelvis-phantom",
        "pelvis",
        "Pelvis CT in 3D: target,\nby T stage",
        "A made-up pelvis CT with its made-up patient, and the model for it.",
    ),
)


class SampleOffer(Control):
    """Shows the samples instead of the result as long as the viewer has no image."""

    def __init__(
        self, bench: Bench, section: SampleSection, result: ResultSection
    ) -> None:
        super().__init__(bench, section)
        self._section, self._result = section, result
        section.offer(CHOICES)
        section.sample_requested.connect(self.open)
        Connections(self).add(bench.session.images_changed, self._show)
        self._show()

    def open(self, key: str) -> None:
        """Open a sample, as napari's own menu does."""
        viewer = self._session.viewer
        if viewer is not None:
            viewer.open_sample(PLUGIN, key)

    def open_first(self) -> None:
        """Open the sample that goes with the loaded model, where any is wanted."""
        self.open(self._first.key)

    @property
    def which_first(self) -> str:
        """Say which that is."""
        name = self._first.text.replace("\n", " ")
        return f"Opens “{name}”; the others are offered below."

    @property
    def _first(self) -> SampleChoice:
        session = self._session
        model, kinds = session.model, session.surroundings.dims
        if model is None:
            return CHOICES[0]
        names = session.model_origin, model.card.name.removesuffix(TUNED)
        of_model = [each for name in names for each in CHOICES if each.model == name]
        of_kind = [each for each in CHOICES if kinds.get(each.model) == session.dims]
        return (*of_model, *of_kind, *CHOICES)[0]

    def _show(self) -> None:
        is_empty = not self._session.images()
        self._section.setVisible(is_empty)
        self._result.setVisible(not is_empty)
