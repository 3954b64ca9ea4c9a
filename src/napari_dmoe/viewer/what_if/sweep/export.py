"""A sweep as one picture, and as files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import imageio.v3 as iio
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.ui.picture import PictureDialog
from napari_dmoe.viewer.ui.work import Order
from napari_dmoe.viewer.what_if.sweep.control import SweepControl
from napari_dmoe.viewer.what_if.sweep.layers import sweep_title
from napari_dmoe.viewer.what_if.sweep.view import SweepSection


class SweepExport(Control):
    """Draws and saves the sweep that is shown, which `sweeps` knows."""

    def __init__(
        self, bench: Bench, sweeps: SweepControl, section: SweepSection
    ) -> None:
        super().__init__(bench, section)
        self._sweeps, self._section = sweeps, section
        section.picture_requested.connect(self._on_picture)
        section.save_requested.connect(self._on_save)

    def _on_picture(self) -> None:
        shown = self._sweeps.swept
        if shown is None:
            return
        image, sweep = shown[0], shown[1].sweep
        pixels, draw = to_image(image, len(sweep.grid.shape)), self._engines.draw_sweep
        name = f"sweep-{'-'.join(sweep.attributes)}"
        title = f"Sweep of {sweep_title(sweep)} on “{image.name}”"
        order = Order(
            title="dMoE: drawing the sweep",
            status="Drawing all masks side by side …",
            work=lambda hook: draw(pixels, sweep),
            then=partial(self._on_drawn, name, title),
        )
        self._work.start(order)

    def _on_drawn(self, name: str, title: str, picture: Any) -> str:
        dialog = PictureDialog(picture, name, title, self._section)
        dialog.save_requested.connect(self._on_save_picture)
        dialog.show()
        return "All masks stand side by side."

    def _on_save_picture(self, path: Path, picture: Any) -> None:
        self._work.save(path, partial(_write_png, picture))

    def _on_save(self) -> None:
        shown = self._sweeps.swept
        if shown is None:
            return
        folder = QFileDialog.getExistingDirectory(
            self._section, "Folder for masks, maps, table, picture and records"
        )
        if not folder:
            return
        target, stem, sweep = Path(folder), shown[0].name, shown[1].sweep
        pixels = to_image(shown[0], len(sweep.grid.shape))
        save = self._engines.save_sweep
        order = Order(
            title="dMoE: saving the sweep",
            status=f"Saving into {target.name} …",
            work=lambda hook: save(target, stem, sweep, pixels),
            then=lambda _: f"Saved into {target.name}.",
        )
        self._work.start_beside(order)


def _write_png(picture: Any, path: Path) -> None:
    with atomic_path(path) as part:
        iio.imwrite(part, picture, extension=".png")
