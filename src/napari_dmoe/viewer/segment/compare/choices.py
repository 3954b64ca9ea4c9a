"""What a result can be compared with: masks and models of a class in common.

Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from napari.layers import Image, Labels

from napari_dmoe.inference.masks.comparison import BACKGROUNDS
from napari_dmoe.viewer.layers.label_meanings import class_map, stated_names
from napari_dmoe.viewer.session.models import titles_of
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.session.truths import offered_truths


@dataclass(frozen=True)
class Choice:
    """One thing to compare with; one of the three is stated."""

    title: str
    result: weakref.ref[Result] | None = None
    labels: weakref.ref[Labels] | None = None
    model: str = ""


def choices(
    session: Session, image: Image | None, result: Result | None
) -> list[Choice]:
    """Return what the result that is looked at can be compared with.

    Those are other results of its image, its truth and other labels on it, and models
    that see as many axes. Each has a class in common with the result, as far as that is
    known without loading it.
    """
    if image is None or result is None or result.mask() is None:
        return []
    others = [
        Choice(f"result “{each.title}”", result=weakref.ref(each))
        for each in session.results_of(image)
        if each is not result and _is_alike(each, result)
    ]
    return [*others, *_of_labels(session, image, result), *_of_models(session, result)]


def in_common(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that both have, backgrounds left out."""
    return tuple(name for name in foreground(first) if name in foreground(second))


def numbers_in(first: Sequence[str], second: Sequence[str]) -> dict[int, int] | None:
    """Return which label of a first mask has the class of each label of a second one.

    That of the background is 0; classes of the second alone have numbers beyond those
    of the first. None where both have the same classes.
    """
    if tuple(first) == tuple(second):
        return None
    shared, own = in_common(first, second), foreground(second)
    numbers = {name: first.index(name) for name in shared}
    beyond = {name: len(first) + i for i, name in enumerate(own) if name not in shared}
    return {i: (numbers | beyond).get(name, 0) for i, name in enumerate(second)}


def foreground(classes: Sequence[str]) -> tuple[str, ...]:
    """Return classes without the background, which may stand anywhere."""
    named = [
        i for i, name in enumerate(classes) if name.strip().casefold() in BACKGROUNDS
    ]
    place = next(iter(named), 0)
    return tuple(name for i, name in enumerate(classes) if i != place)


def _is_alike(other: Result, result: Result) -> bool:
    ours, theirs = result.mask(), other.mask()
    if ours is None or theirs is None or ours.data.shape != theirs.data.shape:
        return False
    return bool(in_common(result.segmentation.classes, other.segmentation.classes))


def _of_labels(session: Session, image: Image, result: Result) -> list[Choice]:
    truth = session.truths.of(image)
    own = None if truth is None else truth.labels
    found = []
    for labels in offered_truths(session, image):
        names = stated_names(labels)
        classes = result.segmentation.classes
        is_said = class_map(labels, classes) is not None
        if names and not is_said and not in_common(classes, names):
            continue
        what = "truth" if labels is own else "labels"
        title = f"{what} “{labels.name}”"
        found.append(Choice(title, labels=weakref.ref(labels)))
    return sorted(found, key=lambda choice: not choice.title.startswith("truth"))


def _of_models(session: Session, result: Result) -> list[Choice]:
    there, made = session.surroundings, result.segmentation
    own = len(made.grid.shape), made.classes
    known = {name: there.finds.get(name, own) for name in there.models}
    offered = [
        name
        for name, (dims, classes) in known.items()
        if name != session.model_origin
        and dims == own[0]
        and in_common(made.classes, classes)
    ]
    titles = titles_of(offered, there)
    return [
        Choice(title, model=name) for name, title in zip(offered, titles, strict=True)
    ]
