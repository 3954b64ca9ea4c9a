"""What a label stands for, in the words, colours and codes of clinical programs.

References
----------
.. [1] SNOMED CT, as DICOM PS3.16 (context groups 7150 to 7199) uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.segments.colours import Rgb

_OTHER_COLOUR: Rgb = (128, 128, 128)


class Coded(NamedTuple):
    """A concept of SNOMED CT."""

    value: str
    meaning: str


ANATOMY = Coded("123037004", "Anatomical Structure")
ABNORMAL = Coded("49755003", "Morphologically Abnormal Structure")
TISSUE = Coded("85756007", "Tissue")
"""What is neither known as anatomy nor as a finding."""

_ANATOMY = {
    "prostate": Coded("41216001", "Prostate"),
    "bladder": Coded("89837001", "Bladder"),
    "rectum": Coded("34402009", "Rectum"),
    "seminal vesicle": Coded("64739004", "Seminal Vesicle"),
    "uterus": Coded("35039007", "Uterus"),
    "liver": Coded("10200004", "Liver"),
    "kidney": Coded("64033007", "Kidney"),
    "spleen": Coded("78961009", "Spleen"),
    "pancreas": Coded("15776009", "Pancreas"),
    "stomach": Coded("69695003", "Stomach"),
    "colon": Coded("71854001", "Colon"),
    "gallbladder": Coded("28231008", "Gallbladder"),
    "lung": Coded("39607008", "Lung"),
    "heart": Coded("80891009", "Heart"),
    "aorta": Coded("15825003", "Aorta"),
    "brain": Coded("12738006", "Brain"),
    "femur": Coded("71341001", "Femur"),
    "sacrum": Coded("54735007", "Sacrum"),
    "bone": Coded("272673000", "Bone"),
    "skin": Coded("39937001", "Skin"),
    "optic disc": Coded("81016008", "Optic nerve head"),
    "disc": Coded("81016008", "Optic nerve head"),
}
_FINDINGS = {
    "lesion": Coded("52988006", "Lesion"),
    "tumour": Coded("108369006", "Neoplasm"),
    "tumor": Coded("108369006", "Neoplasm"),
    "neoplasm": Coded("108369006", "Neoplasm"),
    "mass": Coded("4147007", "Mass"),
    "nodule": Coded("27925004", "Nodule"),
    "cyst": Coded("367643001", "Cyst"),
    "edema": Coded("79654002", "Edema"),
    "oedema": Coded("79654002", "Edema"),
    "necrosis": Coded("6574001", "Necrosis"),
}


@dataclass(frozen=True)
class Segment:
    """A label and what it means."""

    label: int
    """Its number in the mask, from 1 on."""
    name: str
    colour: Rgb
    """Red, green and blue from 0 to 255."""

    @property
    def codes(self) -> tuple[Coded, Coded]:
        """Category and type: a known structure or finding, else tissue."""
        name = " ".join(self.name.lower().replace("_", " ").split())
        for known, category in ((_ANATOMY, ANATOMY), (_FINDINGS, ABNORMAL)):
            if name in known:
                return category, known[name]
        return TISSUE, TISSUE

    @property
    def is_known(self) -> bool:
        """Whether there is a concept for its name."""
        return self.codes != (TISSUE, TISSUE)


def segments_of(
    labels: NDArray[Any],
    classes: Sequence[str] | Mapping[int, str] = (),
    colours: Mapping[int, Rgb] | None = None,
) -> tuple[Segment, ...]:
    """Return what the labels of a mask mean: all named classes, and what else occurs.

    Parameters
    ----------
    labels : integer array
        The mask; 0 is the background.
    classes : sequence of str, or mapping of int to str
        What labels mean, the first being 0; empty where nobody knows.
    colours : mapping of int to (red, green, blue), optional
        Colours by label; grey for others.

    Examples
    --------
    >>> found = segments_of(np.array([0, 7]), ("background", "lesion"))
    >>> [(each.label, each.name) for each in found]
    [(1, 'lesion'), (7, 'label 7')]
    """
    known = classes if isinstance(classes, Mapping) else dict(enumerate(classes))
    present = {int(label) for label in np.unique(labels)} if labels.size else set()
    shown = colours or {}
    return tuple(
        Segment(
            label,
            known.get(label, "").strip() or f"label {label}",
            shown.get(label, _OTHER_COLOUR),
        )
        for label in sorted({*present, *known} - {0})
    )
