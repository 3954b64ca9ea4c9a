"""A sweep as one picture, and as files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog

from napari_dmoe.inference.what_if.steps import Swept
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.ui.picture import PictureDialog
from napari_dmoe.viewer.ui.work import Order
from napari_dmoe.viewer.what_if.sweep.control import SweepControl
from napari_dmoe.viewer.what_if.sweep.layers import sweep_title
from napari_dmoe.viewer.what_if.sweep.view import SweepSection


class SweepExport(Control):
    """Draws and saves the sweep that is shown.

    Parameters
    ----------
    sweeps : SweepControl
        Knows the sweep.
    """

    def __init__(
        self, bench: Bench, sweeps: SweepControl, section: SweepSection
    ) -> None:
        super().__init__(bench, section)
        self._sweeps = sweeps
        self._section = section
        section.picture_requested.connect(self._on_picture)
        section.save_requested.connect(self._on_save)

    def _on_picture(self) -> None:
        shown = self._sweeps.swept
        if shown is None:
            return
        image, swept = shown
        pixels = to_image(image, len(swept.sweep.grid.shape))
        name = f"sweep-{'-'.join(swept.sweep.attributes)}"
        title = f"Sweep of {sweep_title(swept.sweep)} on “{image.name}”"
        order = Order(
            title="dMoE: drawing the sweep",
            status="Drawing all masks side by side …",
            work=partial(_draw, self._engines, pixels, swept),
            then=partial(self._on_drawn, name, title),
        )
        self._work.start(order)

    def _on_drawn(self, name: str, title: str, picture: Any) -> str:
        PictureDialog(picture, name, title, self._section).show()
        return "All masks stand side by side."

    def _on_save(self) -> None:
        shown = self._sweeps.swept
        if shown is None:
            return
        folder = QFileDialog.getExistingDirectory(
            self._section, "Folder for masks, maps, table, picture and records"
        )
        if not folder:
            return
        image, swept = shown
        pixels = to_image(image, len(swept.sweep.grid.shape))
        target = Path(folder)
        order = Order(
            title="dMoE: saving the sweep",
            status=f"Saving into {target.name} …",
            work=partial(_save, self._engines, target, image.name, swept, pixels),
            then=lambda _: f"Saved into {target.name}.",
        )
        self._work.start_beside(order)


def _draw(engines: Engines, pixels: Any, swept: Swept, hook: ProgressHook) -> Any:
    return engines.draw_sweep(pixels, swept.sweep)


def _save(
    engines: Engines,
    folder: Path,
    stem: str,
    swept: Swept,
    pixels: Any,
    hook: ProgressHook,
) -> None:
    engines.save_sweep(folder, stem, swept.sweep, pixels)
