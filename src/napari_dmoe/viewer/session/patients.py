"""Whose image a layer is: a patient for each, and where each value came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from napari.layers import Layer

from napari_dmoe.attributes import ATTRIBUTES, misspelt
from napari_dmoe.foreign import printable
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.patient import (
    Patient,
    PatientError,
    Proposal,
    attribute_called,
)
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.samples import why_unknown

UNKNOWN = "unknown"
TYPED, CHOSEN = "typed", "chosen"
EARLIER = "from the earlier result"


@dataclass(frozen=True)
class _Record:
    """A patient, and where each known value came from."""

    patient: Patient = field(default_factory=Patient)
    sources: Mapping[str, str] = field(default_factory=dict)
    left_out: str = ""
    """Why nothing, or not everything, was taken of what the layer says of it."""
    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    """What its file says of attributes that are not taken unasked."""


class Patients:
    """The patients of image layers.

    A new image starts with everything unknown, unless its layer brings a patient in
    ``metadata["napari-dmoe"]["patient"]``.
    """

    def __init__(self) -> None:
        self._records: WeakKeyDictionary[Layer, _Record] = WeakKeyDictionary()

    def of(self, image: Layer) -> Patient:
        """Return an image's patient; everything unknown until something is known."""
        return self._record(image).patient

    def source(self, image: Layer, attribute: str) -> str:
        """Say where the value of an attribute came from, or why it is unknown."""
        sources, why = self._record(image).sources, why_unknown(plain(image))
        return sources.get(attribute_called(attribute), why or UNKNOWN)

    def left_out(self, image: Layer) -> str:
        """Say what an image's layer brought and nobody understood; often nothing."""
        return self._record(image).left_out

    def proposals(self, image: Layer) -> Mapping[str, Proposal]:
        """Return what an image's file says of attributes that are still unknown."""
        record = self._record(image)
        known = record.patient.known()
        return {n: each for n, each in record.proposals.items() if n not in known}

    def change(self, image: Layer, patient: Patient, source: str) -> None:
        """Change an image's patient; `source` gave the values that are new."""
        before = self._record(image)
        old = before.patient.stated()
        sources = {
            name: before.sources[name] if old.get(name) == value else source
            for name, value in patient.stated().items()
        }
        kept = before.left_out, before.proposals
        self._records[plain(image)] = _Record(patient, sources, *kept)

    def _record(self, image: Layer) -> _Record:
        layer = plain(image)
        if layer not in self._records:
            self._records[layer] = _brought_by(layer)
        return self._records[layer]


def _brought_by(layer: Layer) -> _Record:
    """Return the patient that a layer's metadata names; unknown if it names none."""
    record = layer.metadata.get(METADATA_KEY)
    values = record.get("patient") if isinstance(record, Mapping) else None
    if not isinstance(values, Mapping):
        return _Record()
    try:
        patient = Patient.from_values(values)
    except PatientError as error:
        # A file's metadata may hold anything; a wrong patient is worse than none.
        return _Record(left_out=f"What the layer says of its patient: {error}.")
    # Nobody could correct the name of an attribute that no form shows.
    meant = {n: near for n in patient.further if (near := _meant(n))}
    listed = ", ".join(f"{printable(n, 40)} (is {m} meant?)" for n, m in meant.items())
    source = str(record.get("source", "from the layer"))
    patient = patient.without(meant)
    sources = dict.fromkeys(patient.stated(), source)
    said = f"Not used of what the layer says of its patient: {listed}." if meant else ""
    return _Record(patient, sources, said, _proposed(record.get("proposed")))


def _proposed(stated: object) -> dict[str, Proposal]:
    """Return what a layer's metadata proposes; nothing of what is no such thing."""
    found: dict[str, Proposal] = {}
    for name, each in stated.items() if isinstance(stated, Mapping) else ():
        if name in ATTRIBUTES and isinstance(each, Mapping):
            said = printable(str(each.get("said", "")), 40)
            found[name] = Proposal(said, str(each.get("value", "")))
    return found


def _meant(name: str) -> str:
    return "" if name in ATTRIBUTES else misspelt(name)
