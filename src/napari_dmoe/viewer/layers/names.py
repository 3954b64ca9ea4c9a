"""What the layers of this plugin are called: ``IMAGE / what it is``, all in one place.

A name is only for a person, who may give another one: nothing is found by it.
"""

from __future__ import annotations

from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.viewer.layers.records import altered_words

MASK = "mask"
DIFFERENCE = "difference"
REFERENCE = "reference"
TRUTH = "truth"
MISSED = "missed and too much"
CHANGED_BY_TUNING = "changed by tuning"
NOISE_ENTROPY = "noise entropy"
SEEN = "what the model sees"
UNFINISHED = "unfinished mask"


def layer_name(image: str, what: str) -> str:
    """Return the name of a layer on an image: ``retina / mask``."""
    return f"{image} / {what}"


def outline_of(mask: str) -> str:
    """Return the name of the lines around a mask: ``retina / mask, outline``."""
    return f"{mask}, outline"


def mask_words(record: Provenance, note: str = "") -> str:
    """Say what a run's mask is: ``mask``, or ``what-if expert 3 muted``.

    A note such as ``replayed`` sets it apart.
    """
    altered = altered_words(record)
    what = f"what-if {altered.removeprefix('if ')}" if altered else MASK
    return f"{what} {note}".rstrip()


def preview_of(axis: str, number: int) -> str:
    """Say which slice a preview is of, numbered as napari's sliders are."""
    return f"preview of {axis} {number}, unfinished"


def mask_by(model: str) -> str:
    """Say that a mask is another model's."""
    return f"{MASK} by {model}"


def probability_of(name: str) -> str:
    """Say which class' probability a map shows."""
    return f"probability of {name}"


def difference_by(what: str) -> str:
    """Say where from a mask differs: ``difference, expert 3 muted``."""
    return f"{DIFFERENCE}, {what}"


def sweep_of(title: str) -> str:
    """Say what was swept."""
    return f"sweep of {title}"


def changes_with(title: str) -> str:
    """Say what the label was swept over, where it changes."""
    return f"changes with {title}"


def vote_entropy_over(title: str) -> str:
    """Say whose votes an entropy is of."""
    return f"vote entropy over {title}"


def votes_for(name: str) -> str:
    """Say which class' votes of noise samples a map shows."""
    return f"votes for {name}"


def routing_of(words: str, place: str) -> str:
    """Say what a map of the routing shows, and where in the network.

    That of the experts themselves, whose `words` are empty, is ``routing block 3``.
    """
    return f"{words}, {place}" if words else f"routing {place}"
