"""The functions behind napari's menus and files. Imports wait until one is called."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from napari_dmoe.viewer.checkpoints import CHECKPOINT_SUFFIXES

if TYPE_CHECKING:
    from napari_dmoe.cohorts.case import Case
    from napari_dmoe.viewer.layers.placement import LayerData

SOURCE = "sample"

MODEL_KEY = "model"
"""Key of the bundled model that a sample was made for, in its layer's record."""

PHANTOM_KEY = "phantom"
"""Key of the kind of phantom that a sample was drawn as, in its layer's record."""

Paths = str | Sequence[str]
Reader = Callable[[Paths], list[Any]]
P = ParamSpec("P")
T = TypeVar("T")
_LABEL_NAME = re.compile(r"(^|[^a-z])(labels?|seg|segmentation|mask)([^a-z]|$)")


def _in_words(work: Callable[P, T]) -> Callable[P, T]:
    """Let what napari calls raise what goes wrong in words alone."""

    @wraps(work)
    def done(*arguments: P.args, **named: P.kwargs) -> T:
        from napari_dmoe.viewer.uncaught import in_words

        return in_words(partial(work, *arguments, **named))

    return done


@_in_words
def phantom_fundus() -> list[LayerData]:
    """Return a made-up fundus that brings its made-up patient."""
    from napari_dmoe.phantoms.fundus.cohort import NOTICE
    from napari_dmoe.phantoms.samples import sample_fundus

    return _phantom(sample_fundus(), "phantom fundus", NOTICE, "fundus")


@_in_words
def phantom_skin() -> list[LayerData]:
    """Return a made-up skin lesion that brings its made-up patient."""
    from napari_dmoe.phantoms.samples import sample_skin
    from napari_dmoe.phantoms.skin.cohort import NOTICE

    return _phantom(sample_skin(), "phantom skin lesion", NOTICE, "skin")


@_in_words
def phantom_pelvis() -> list[LayerData]:
    """Return a made-up pelvis CT that brings its made-up patient."""
    from napari_dmoe.phantoms.pelvis.cohort import NOTICE
    from napari_dmoe.phantoms.samples import sample_pelvis

    return _phantom(sample_pelvis(), "phantom pelvis", NOTICE, "pelvis")


@_in_words
def ct_pelvis() -> list[LayerData]:
    """Return the real CT, with the labels of prostate and bladder hidden."""
    from napari_dmoe.phantoms.samples import sample_ct

    return _real(sample_ct(), "CT", "CT prostate, bladder")


@_in_words
def mr_brain() -> list[LayerData]:
    """Return the real MR, with the label of the tumour hidden."""
    from napari_dmoe.phantoms.samples import sample_mr

    return _real(sample_mr(), "MR", "MR tumour")


@_in_words
def retina_colour() -> list[LayerData]:
    """Return the retina photograph that scikit-image ships (real, CC0)."""
    from skimage.data import retina

    return [(retina(), {"name": "retina", "rgb": True}, "image")]


@_in_words
def retina_green() -> list[LayerData]:
    """Return the photograph's green channel, in which vessels and cup stand out."""
    from skimage.data import retina

    look = {"name": "retina green", "colormap": "gray"}
    return [(retina()[..., 1], look, "image")]


def _phantom(case: Case, name: str, notice: str, kind: str) -> list[LayerData]:
    """Return a made-up case that says whose image it is, and which model is for it.

    It also says that it was drawn, and as what: a name can be given to any layer.
    """
    from napari_dmoe.viewer.layers.opening import image_layer

    brought = {"patient": case.patient.known(), "source": SOURCE, "notice": notice}
    made_for = {MODEL_KEY: f"{kind}-phantom", PHANTOM_KEY: kind}
    return [image_layer(case.image, name, record=brought | made_for)]


def _real(case: Case, name: str, labels_name: str) -> list[LayerData]:
    from napari_dmoe.viewer.layers.opening import image_layer, labels_layer

    layers = [image_layer(case.image, name)]
    if case.labels is not None:
        data, arguments, kind = labels_layer(case.labels, labels_name)
        layers.append((data, arguments | {"visible": False}, kind))
    return layers


def nifti_reader(path: Paths) -> Reader | None:
    """Return a function that opens NIfTI files; None for other files."""
    return _reader(path, (".nii", ".nii.gz"), _open_nifti)


def mask_reader(path: Paths) -> Reader | None:
    """Return a function that opens masks saved here as TIFF; None for other files."""
    return _reader(path, (".labels.tif",), _open_masks)


def checkpoint_reader(path: Paths) -> Reader | None:
    """Return a function that loads a checkpoint dropped on the canvas; else None."""
    is_one = isinstance(path, str) or len(path) == 1
    return _reader(path, CHECKPOINT_SUFFIXES, _load_in_dock) if is_one else None


def _reader(
    path: Paths, suffixes: tuple[str, ...], read: Callable[[list[str]], list[Any]]
) -> Reader | None:
    """Return what reads files where the names of all end so; None for others."""
    are_ours = path and all(each.lower().endswith(suffixes) for each in _listed(path))

    @_in_words
    def read_listed(asked: Paths) -> list[Any]:
        return read(_listed(asked))

    return read_listed if are_ours else None


def _listed(path: Paths) -> list[str]:
    return [path] if isinstance(path, str) else list(path)


def _open_nifti(paths: list[str]) -> list[LayerData]:
    """Open NIfTI files; integers in a file named as labels become a Labels layer."""
    from napari.utils.notifications import show_info

    from napari_dmoe.imaging.files import image_stem, read_image
    from napari_dmoe.viewer.layers import opening

    layers = []
    for path in map(Path, paths):
        if opening.has_record(path):
            layers += opening.mask_layers(path)
            continue
        image, name = read_image(path), image_stem(path)
        is_labels = _LABEL_NAME.search(name.lower()) and image.data.dtype.kind in "iub"
        made = opening.labels_layer if is_labels else opening.image_layer
        layers.append(made(image, name))
        if image.notices:
            show_info(f"{name}: {'; '.join(image.notices)}")
    return layers


def _open_masks(paths: list[str]) -> list[LayerData]:
    from napari_dmoe.viewer.layers.opening import mask_layers

    return [layer for path in paths for layer in mask_layers(Path(path))]


def _load_in_dock(paths: list[str]) -> list[Any]:
    """Open the dock with a checkpoint. It becomes no layer, which napari is told."""
    import napari

    viewer = napari.current_viewer()
    if viewer is not None:
        _, dock = viewer.window.add_plugin_dock_widget("napari-dmoe", "dMoE")
        dock.open_model(paths[0])
    return [(None,)]


@_in_words
def write_mask_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save one labels layer as TIFF that names its classes, with its record."""
    from napari_dmoe.viewer.layers.saving import save_mask

    return save_mask(Path(path), data, meta)


@_in_words
def write_nifti_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save one image or labels layer as NIfTI, in place, with its record."""
    from napari_dmoe.viewer.layers.saving import save_layer

    return save_layer(Path(path), data, meta)
