"""The same eye for every severity, and for an unknown one: areas and cup-to-disc ratio.

Run it with ``python examples/every_value.py``. What differs between the rows is this
model's behaviour; in the bundled model it was invented.
"""

from __future__ import annotations

import napari_dmoe as dmoe
from napari_dmoe.inference.masks.measures import class_sizes, cup_to_disc
from napari_dmoe.phantoms.samples import sample_fundus

loaded = dmoe.load_checkpoint("fundus-phantom")
image = sample_fundus().image

for severity in (*loaded.card.attributes[0].values, None):
    result = dmoe.segment(loaded, image, dmoe.Patient(severity=severity))
    labels = dmoe.SpatialImage(result.labels, result.axes, image.affine, image.unit)
    sizes = class_sizes(labels, result.classes)
    ratio = cup_to_disc(result.labels, result.classes)
    areas = ", ".join(f"{s.name} {s.size:.2f} {s.unit}" for s in sizes)
    print(f"{severity or 'unknown':<10}{areas}, cup/disc {ratio.area:.2f}")
