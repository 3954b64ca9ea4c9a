"""How the image that is worked on and the model go together, in one line."""

from __future__ import annotations

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.segment.image_view import ImageSection
from napari_dmoe.viewer.session import checks
from napari_dmoe.viewer.ui.connections import Connections


class FitControl(Control):
    """Keeps the line on how image and model go together; the image section owns it."""

    def __init__(self, bench: Bench, section: ImageSection) -> None:
        super().__init__(bench, section)
        self._section = section
        connections = Connections(self)
        connections.add(self._session.model_changed, self.show)
        connections.add(self._session.image_changed, self.show)
        self.show()

    def show(self) -> None:
        """Say how image and model go together, as far as that can be told at once."""
        session, image = self._session, self._session.image
        if image is None:
            self._section.show_fit("")
            return
        dims = session.dims
        described = checks.describe_image(image, dims)
        problem = checks.image_problem(image, dims, session.n_channels)
        if problem:
            self._section.show_fit(problem, described, "caution")
        else:
            self._section.show_fit(described, "", "good" if session.model else "")
