"""What marks a result that is not the model as it is: its badge, name and kind.

A badge follows from the record alone, so that it is the same in the dock, in a layer's
name, in tables and in files that are opened again.
"""

from __future__ import annotations

from napari_dmoe.inference.results.provenance import (
    ControlRecord,
    DriverRecord,
    Provenance,
)

Kind = tuple[str, ...]
"""What sort of result a record describes; empty for the model as it is, run once."""


def badge(record: Provenance) -> str:
    """Say in what a result is not a plain run of the model; nothing where it is one."""
    sentences = []
    if record.departures:
        sentences.append(f"Not the plain model: {'; '.join(record.departures)}.")
    if record.made_by == "uncertainty":
        n = record.settings.get("samples", 1)
        sentences.append(
            f"Not one run: each pixel's most frequent class in {n} noise samples."
        )
    if record.swept:
        swept = " and ".join(name.replace("_", " ") for name in record.swept)
        sentences.append(f"From a sweep of {swept}: what this value would have got.")
    return " ".join(sentences)


def kind(record: Provenance) -> Kind:
    """Return what sort of result a record describes.

    Only results of one kind may replace each other. The values of a sweep, and places
    between trained values, are told apart by the values that they are for.
    """
    if not badge(record):
        return ()
    for_whom: Kind = ()
    if record.swept or any(driver.between is not None for driver in record.drivers):
        for_whom = tuple(f"{d.attribute}: {d.value}" for d in record.drivers)
    return (record.made_by, *record.departures, *record.swept, *for_whom)


def altered_words(record: Provenance) -> str:
    """Say in few words what was altered: ``expert 3 muted``; nothing if plain."""
    words = [
        *_experts_words(record.experts or ControlRecord(), record.unit),
        *(_between(driver) for driver in record.drivers if driver.between is not None),
    ]
    if record.swept:
        words += [
            f"if {d.attribute.replace('_', ' ')} {d.value}"
            for d in record.drivers
            if d.attribute in record.swept and d.value is not None
        ]
    if record.made_by == "uncertainty":
        words.append("vote of noise samples")
    return ", ".join(words)


def layer_name(image: str, record: Provenance, note: str = "") -> str:
    """Return what the layer of a mask is called.

    Parameters
    ----------
    image : str
        Name of the image.
    record : Provenance
        How the mask was made.
    note : str
        What else sets it apart, such as ``replayed``.

    Returns
    -------
    str
        ``retina / mask`` for a plain run. Of an altered one comes first what was
        altered, as in ``expert 3 muted · retina``: napari's list shortens long names in
        the middle.
    """
    altered = altered_words(record)
    if not altered:
        return f"{image} / mask {note}".rstrip()
    return f"{', '.join(filter(None, (altered, note)))} · {image}"


def hover_note(record: Provenance) -> tuple[str, str]:
    """Return what napari's status bar says of every pixel of an altered mask.

    Returns
    -------
    tuple of str
        A name and a text, such as ``not the plain model`` and ``expert 3 muted in all
        blocks``; both are empty for a plain run.
    """
    if record.departures:
        return "not the plain model", "; ".join(record.departures)
    if record.made_by == "uncertainty":
        n = record.settings.get("samples", 1)
        return "not one run", f"most frequent class in {n} noise samples"
    return ("not this patient", altered_words(record)) if badge(record) else ("", "")


def _between(driver: DriverRecord) -> str:
    return f"{driver.attribute.replace('_', ' ')} {driver.value} (between)"


def _experts_words(control: ControlRecord, unit: str) -> list[str]:
    """Name what was muted and pinned, block by block, in as few words as possible."""
    words = []
    for done, entries in (("muted", control.mute), ("alone", control.pin)):
        by_block: dict[int | None, list[int]] = {}
        for block, expert in entries:
            by_block.setdefault(block, []).append(expert)
        for block, experts in by_block.items():
            noun = "expert" if len(experts) == 1 else "experts"
            where = "" if block is None else f" in {unit} {block}"
            listed = ", ".join(map(str, sorted(experts)))
            words.append(f"{noun} {listed} {done}{where}")
    return words
