"""Segment an image for a patient.

:func:`segment` runs a 2D model plane by plane over whatever other axes an image has,
and a 3D model window by window over each volume. An unknown driver is never an index:
every value is run and the probabilities are mixed.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.routing import (
    ALL_ROUTING,
    FOR_MAPS,
    NO_ROUTING,
    KeptRouting,
)
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.controls import checked_control
from napari_dmoe.inference.running.drivers import Priors, choose_routers
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.inference.running.volume_masks import SlabHook
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook, silent


def segment(
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    patient: Patient | None = None,
    *,
    settings: InferenceSettings | None = None,
    progress: ProgressHook | None = None,
    experts: ExpertControl | None = None,
    priors: Priors | None = None,
    finished: SlabHook | None = None,
    routing: KeptRouting = ALL_ROUTING,
) -> Segmentation:
    """Segment an image for a patient.

    Parameters
    ----------
    loaded : LoadedModel
        The model. Its network is moved to the device and put in evaluation mode.
    image : SpatialImage or array
        Axes y and x (and z for a 3D model), optionally channels, and any others, which
        are run over one by one. The axes of a plain array are told from its shape
        where that is possible.
    patient : Patient, optional
        Only the attributes that drive the model are used. Unknown by default. What
        nobody knows by name is told in the notices of the record.
    settings : InferenceSettings, optional
        How to run it.
    progress : callable, optional
        Called with a :class:`Progress` once a second or so; may raise ``Cancelled``.
    experts : ExpertControl, optional
        Experts to mute or pin. The record says so; such a result is not ``is_plain``.
    priors : mapping of str to sequence of float, optional
        Shares of the values of unknown drivers, instead of the card's frequencies.
    finished : callable, optional
        Of a 3D model, called with each :class:`FinishedSlab` of the mask; one of 2D
        has none.
    routing : KeptRouting
        What is kept of the routing, which of a volume takes several times as much
        memory as the mask: everything, unless less is asked for.

    Returns
    -------
    Segmentation
        Labels, routing and provenance.

    Raises
    ------
    ImageError
        When the image cannot be used.
    PatientError
        When the model does not know a driver's value, or one is unknown and
        ``unknown="refuse"``; and for an attribute whose name is misspelt.
    ValueError
        When a block or expert does not exist, a block would have none left, or a
        prior does not fit its attribute; and for routing of a block that the network
        does not have.
    DeviceError
        When a device that was named is not there, or does not work.
    NotEnoughMemory
        When the image or its result does not fit into memory.

    Notes
    -----
    For known drivers the labels are the argmax of the logits, resampled linearly to
    the source grid; for unknown ones, of the probabilities averaged over their values
    with the card's training frequencies (uniform where it states none). In a volume,
    overlapping windows are first averaged with Gaussian weights.

    Examples
    --------
    >>> import skimage.data
    >>> from napari_dmoe.models.checkpoint import load_checkpoint
    >>> loaded = load_checkpoint("fundus-phantom")
    >>> result = segment(loaded, skimage.data.retina(), Patient(severity="suspect"))
    >>> result.labels.shape
    (1411, 1411)
    """
    settings = settings or InferenceSettings()
    image = SpatialImage.of(image)
    patient = patient or Patient()
    choice = choose_routers(loaded, patient, settings, priors)
    choice = choice.with_experts(checked_control(loaded, experts))
    hook = progress or silent
    which = loaded, image, [choice], settings, hook
    return next(segment_variants(*which, keep=routing, finished=finished))


MOST_VOXELS_OF_VALUES = 2**22
"""Of a volume of which the gates of several values are kept for maps of them."""


def routing_of_values(loaded: LoadedModel, image: SpatialImage) -> KeptRouting:
    """Return what is kept for maps where each of several values is run.

    Of a large volume nothing: the gates of all values would take many times what their
    masks do, and a map of two of them is a run for each.
    """
    if loaded.card.dims == 2:
        return ALL_ROUTING
    is_small = math.prod(image.spatial_shape) <= MOST_VOXELS_OF_VALUES
    return FOR_MAPS if is_small else NO_ROUTING


def segment_for_maps(
    loaded: LoadedModel, *arguments: Any, **options: Any
) -> Segmentation:
    """Segment as :func:`segment` does, and keep what maps of the routing need.

    Of a picture that is all of it, which is next to nothing; of a volume
    :data:`FOR_MAPS`.
    """
    routing = FOR_MAPS if loaded.card.dims == 3 else ALL_ROUTING
    return segment(loaded, *arguments, **{"routing": routing} | options)
