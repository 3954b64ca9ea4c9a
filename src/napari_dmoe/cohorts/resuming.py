"""What a series finds of an earlier one: what is in its way, and what is done already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_dmoe.cohorts.listing import Entry
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.export import FileFormat
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.replacing import is_painted, refuse_foreign
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.results.sidecars import (
    in_order_of_result,
    new_record_path,
    recorded,
    same_image,
)
from napari_dmoe.inference.running.drivers import Priors, choose_routers
from napari_dmoe.inference.running.recording import image_record
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.imaging.spatial import Grid
