"""What the models of a session are called, and whose choice one was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakMethod, WeakSet

from napari.layers import Layer

from napari_dmoe.viewer.checkpoints import is_path
from napari_dmoe.viewer.layers.placement import plain

if TYPE_CHECKING:
    from napari_dmoe.viewer.engines import Surroundings
    from napari_dmoe.viewer.session.session import Session


def title_of(name: str, surroundings: Surroundings) -> str:
    """Return what a person calls a model that can be loaded.

    A bundled one has its title, a file its name; what has neither keeps its own name.
    """
    if is_path(name):
        return Path(name).name
    return surroundings.titles.get(name, name)


def titles_of(names: Sequence[str], surroundings: Surroundings) -> list[str]:
    """Return what a person calls several models: files of one name by their folder."""
    called = {name: title_of(name, surroundings) for name in names}
    titles = list(called.values())  # a model that is named twice is one
    return [
        f"{title} ({Path(name).parent.name or Path(name).parent})"
        if is_path(name) and titles.count(title) > 1
        else title
        for name, title in ((name, called[name]) for name in names)
    ]


def model_title(session: Session) -> str:
    """Return what a person calls the loaded model; nothing without one."""
    model, origin = session.model, session.model_origin
    if model is None:
        return ""
    return title_of(origin, session.surroundings) if origin else model.card.title


def is_unsaved(session: Session) -> bool:
    """Say whether the loaded model is in no file: it was tuned here, and kept."""
    origin, there = session.model_origin, session.surroundings.models
    is_known = not origin or is_path(origin) or origin in there or not there
    return session.model is not None and not is_known


def offer_model(session: Session, path: str) -> None:
    """Offer a file that was opened or saved, before all others."""
    there = session.surroundings.models
    files = [each for each in there if is_path(each) and each != path]
    models = (*(each for each in there if not is_path(each)), path, *files)
    if models != there:
        session.set_surroundings(replace(session.surroundings, models=models))


def bundled_origin(session: Session) -> str:
    """Return the name of the loaded model where it is a bundled one; else nothing."""
    origin = session.model_origin if session.model is not None else ""
    is_bundled = origin in session.surroundings.models and not is_path(origin)
    return origin if is_bundled else ""


class ModelsChosen:
    """Images for which a person decided about the model: no sample changes it."""

    def __init__(self) -> None:
        self._images: WeakSet[Layer] = WeakSet()
        self.stays = False
        """Whether a person chose the model that is loaded, or none: no photograph
        brings another."""

    def note(self, image: Layer | None) -> None:
        """Take note that a person chose the model for an image, or chose none."""
        self.stays = True
        if image is not None:
            self._images.add(plain(image))

    def of(self, image: Layer) -> bool:
        """Say whether a person did."""
        return plain(image) in self._images


class LeavingModel:
    """Asks before a model that is not saved makes room for another.

    Whoever holds one says how to ask; it is referred to weakly.
    """

    def __init__(self) -> None:
        self._ask: WeakMethod[Callable[[], bool]] | None = None

    def ask_by(self, may_leave: Callable[[], bool]) -> None:
        """Let a bound method ask from now on; it returns whether to go on."""
        self._ask = WeakMethod(may_leave)

    def may_go(self) -> bool:
        """Ask, where there is something to ask."""
        ask = None if self._ask is None else self._ask()
        return ask is None or ask()
