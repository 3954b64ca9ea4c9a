"""Offers the samples where there is no image yet, and opens the one that is wanted."""

from __future__ import annotations

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.contributed import PLUGIN
from napari_dmoe.viewer.segment.result_view import ResultSection
from napari_dmoe.viewer.segment.samples_view import SampleChoice, SampleSection
from napari_dmoe.viewer.ui.connections import Connections

CHOICES = (
    SampleChoice(
        "phantom-fundus",
        "fundus",
        "Fundus: disc and cup,\nby severity of glaucoma",
        "A made-up fundus with its made-up patient, and the model for it.",
    ),
    SampleChoice(
        "phantom-skin",
        "skin",
        "Skin lesion,\nby sex and age",
        "A made-up skin lesion with its made-up patient, and the model for it.",
    ),
    SampleChoice(
        "phantom-pelvis",
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
        """Open the first sample, where somebody wants any."""
        self.open(CHOICES[0].key)

    def _show(self) -> None:
        is_empty = not self._session.images()
        self._section.setVisible(is_empty)
        self._result.setVisible(not is_empty)
