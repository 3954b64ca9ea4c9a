from dataclasses import dataclass

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient


@dataclass(frozen=True)
class Case:
    id: str
    image: SpatialImage
    labels: SpatialImage | None
    patient: Patient
