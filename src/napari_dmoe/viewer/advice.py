"""Advice that errors and notices give for the command line, as the dock gives it.

What is wrong is said alike everywhere; what helps is another thing in a window.
"""

from __future__ import annotations

import re

_INSTEAD = {
    "stands for what is not annotated, name it as unlabelled": (
        "stands for what is not labelled, paint it as 0 and tick “Only painted "
        "parts count”"
    ),
    "Name no label as unlabelled, or save those masks with 1": (
        "Save those masks with 1"
    ),
    ": name no label as unlabelled": "",
    "go on with --resume: what is done is kept": (
        "segment the rest: what is done is kept"
    ),
    " (does it tell whose cases are? Then name it as the subject)": "",
}
_IN_BRACKETS = re.compile(r"\s*\([^()]*--[a-z][^()]*\)")
_CLAUSE = re.compile(r"[,;:]\s(?:or\s)?[^,;:.]*--[a-z][^;.]*")
_OPTION = re.compile(r"--[a-z][a-z-]*")
_COMMAND = re.compile(r"\bnapari-dmoe phantoms(?: --kind [a-z-]+)?")
"""How cards say that what a model was trained on was drawn here."""


def in_dock(text: str) -> str:
    """Return a text without what only the command line offers.

    Examples
    --------
    >>> in_dock("out is there: choose another folder (--overwrite would replace it)")
    'out is there: choose another folder'
    """
    for advice, instead in _INSTEAD.items():
        text = text.replace(advice, instead)
    text = _COMMAND.sub("napari-dmoe", text)
    if _OPTION.search(text) is None:
        return text
    return _CLAUSE.sub("", _IN_BRACKETS.sub("", text))


def advised(error: Exception) -> Exception:
    """Return an exception with the dock's advice in its words."""
    words = str(error)
    ours = in_dock(words)
    if ours != words:
        error.args = (ours,)
    return error
