"""Make the screenshots in docs/images: the real window, driven through its widgets.

Needs a display; Xvfb will do:
``xvfb-run -a -s "-screen 0 1920x1080x24" python docs/make_screenshots.py``
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
from napari.settings import get_settings
from screenshots.contact_sheet import make_contact_sheet
from screenshots.fairness import fairness
from screenshots.fine_tune import fine_tune
from screenshots.routing import routing_fundus, routing_pelvis, routing_skin
from screenshots.segment import ct, many, pelvis, phantom, retina, skin, states
from screenshots.tools import WINDOW, Shooter, load, wait
from screenshots.two_hundred import two_hundred
from screenshots.volumes import long_scan
from screenshots.what_if import (
    whatif_experts,
    whatif_noise,
    whatif_replay,
    whatif_sweep,
    whatif_volume,
)

from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.segment.control import SegmentControl

IMAGES = Path(__file__).parent / "images"
SCENES = (
    *(states, retina, phantom, many, two_hundred, skin, pelvis, ct, long_scan),
    *(routing_fundus, routing_skin, routing_pelvis),
    *(whatif_sweep, whatif_experts, whatif_noise, whatif_replay),
    whatif_volume,
    fine_tune,
    fairness,
)


def main() -> None:
    """Make all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="checkpoint to use instead of the bundled one")
    parser.add_argument("--output", type=Path, default=IMAGES)
    parser.add_argument("--only", default="", help="name of one scene")
    parser.add_argument(
        "--contact-sheet",
        action="store_true",
        help="make contact-sheet.png alone: all states of all tabs in one picture",
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    get_settings().appearance.theme = "dark"
    if options.contact_sheet:
        viewer = napari.Viewer(show=True)
        make_contact_sheet(viewer, options.output / "contact-sheet.png")
        viewer.close()
        return
    # One window each: software OpenGL may crash when a Labels layer was removed.
    chosen = [make for make in SCENES if options.only in ("", make.__name__)]
    for make in chosen:
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*WINDOW)
        dock = open_dock(viewer)
        shoot = Shooter(viewer, dock, options.output)
        if make is states:
            shoot.state("empty")
        wait(lambda dock=dock: not dock.control(SegmentControl).loader.is_busy)
        if options.model:
            load(dock, options.model)
        make(viewer, dock, shoot)
        viewer.close()


if __name__ == "__main__":
    main()
