"""What models are called where a person reads of them; their names are for programs.

The titles of bundled models stand beside the checkpoints, which are older and stay as
they are, so that records of their results still name them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources

_STAGED = frozenset({"dmoe-unet2d", "dmoe-unet3d"})
"""Architectures whose experts are in stages, each with tokens of a size of its own."""

_BUNDLED = resources.files("napari_dmoe.models") / "bundled"
_IN_BRACKETS = re.compile(r" \([^)]*\)")
_END_OF_SUBJECT = re.compile(r" \(|,")


def bundled_titles() -> Mapping[str, str]:
    """Return the titles of the bundled models by their names.

    Examples
    --------
    >>> bundled_titles()["fundus-phantom"]
    'Fundus (phantom-trained), driven by severity'
    """
    titles: dict[str, str] = json.loads((_BUNDLED / "titles.json").read_text("utf-8"))
    return titles


def unit_of(architecture: str) -> str:
    """Return what a part of a network with experts is called.

    A U-Net has stages, each with tokens and experts of its own; a transformer has
    blocks, which share both.

    Parameters
    ----------
    architecture : str
        Key in :data:`napari_dmoe.models.architectures.ARCHITECTURES`.

    Examples
    --------
    >>> unit_of("dmoe-unet2d"), unit_of("dmoe-vit")
    ('stage', 'block')
    """
    return "stage" if architecture in _STAGED else "block"


def short_title(title: str) -> str:
    """Return a title without what stands in brackets, where there is no room for it.

    Examples
    --------
    >>> short_title("Fundus (phantom-trained), driven by severity")
    'Fundus, driven by severity'
    """
    return _IN_BRACKETS.sub("", title).strip() or title


def subject_of(title: str) -> str:
    """Return what a model's title says it is of, without how it was trained.

    Examples
    --------
    >>> subject_of("Fundus (phantom-trained), driven by severity")
    'Fundus'
    """
    return _END_OF_SUBJECT.split(title, maxsplit=1)[0].strip() or title
