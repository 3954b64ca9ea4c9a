"""Tidy from napari's menu, where nobody has opened the dock."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from npe2 import PluginManifest

from napari_dmoe.viewer import contributions
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.session.session import session_of

LABELS = np.zeros((4, 4), np.uint8)


@pytest.mark.parametrize(
    ("command", "left", "said"),
    [
        (contributions.tidy_image, ["first", "first map", "second"], "1 layer removed"),
        (contributions.tidy_images, ["first", "second"], "2 layers removed"),
    ],
    ids=["image", "images"],
)
def test_the_menu_tidies_one_image_or_all(
    viewer: ViewerModel,
    monkeypatch: pytest.MonkeyPatch,
    notifications: list[Notification],
    command: Callable[[], None],
    left: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    session = session_of(viewer)
    for name in ("first", "second"):
        image = viewer.add_image(np.zeros((4, 4)), name=name)
        made = LABELS, {"name": f"{name} map"}, "labels"
        session.groups.put(image, Group.ROUTING, made, "routing", is_under_masks=True)
    assert session.image is image
    command()
    assert [layer.name for layer in viewer.layers] == left
    assert said in notifications[-1].message


def test_the_menu_names_both() -> None:
    text = resources.files("napari_dmoe").joinpath("napari.yaml")
    with resources.as_file(text) as path:
        menus = PluginManifest.from_file(path).contributions.menus
    entries = [each.command for each in menus["napari/layers/visualize"]]
    ours = ["napari-dmoe.tidy_image", "napari-dmoe.tidy_images"]
    assert [each for each in entries if "tidy" in each] == ours
