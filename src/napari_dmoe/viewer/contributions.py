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


_NOT_STATED = "not stated"


@_in_words
def ct_pelvis() -> list[LayerData]:
    """Return the real CT, with prostate and bladder as outlines."""
    from napari_dmoe.phantoms.samples import sample_ct
    from napari_dmoe.viewer.layers.samples import scan_layers

    return _shown(
        scan_layers(
            sample_ct(),
            "CT",
            ("background", "prostate", "bladder"),
            drawn_by="TotalSegmentator 2.18.0, not a physician",
            unknown=_NOT_STATED,
            model="pelvis-phantom",
        )
    )


@_in_words
def mr_brain() -> list[LayerData]:
    """Return the real MR, with the tumour as an outline."""
    from napari_dmoe.phantoms.samples import sample_mr
    from napari_dmoe.viewer.layers.samples import scan_layers

    return _shown(
        scan_layers(
            sample_mr(),
            "MR",
            ("background", "tumour"),
            drawn_by="the authors of PyRadiomics 3.0.1",
            unknown=_NOT_STATED,
        )
    )


@_in_words
def retina_colour() -> list[LayerData]:
    """Return the retina photograph that scikit-image ships (real, CC0)."""
    from skimage.data import retina

    return _retina(retina(), "retina", rgb=True)


@_in_words
def retina_green() -> list[LayerData]:
    """Return the photograph's green channel, in which vessels and cup stand out."""
    from skimage.data import retina

    return _retina(retina()[..., 1], "retina green", colormap="gray")


def _retina(pixels: Any, name: str, **look: Any) -> list[LayerData]:
    from napari_dmoe.viewer.layers.samples import photograph_layer

    known = {"unknown": _NOT_STATED, "model": "fundus-phantom"}
    return _shown([photograph_layer(pixels, name, **known, **look)])


def _phantom(case: Case, name: str, notice: str, kind: str) -> list[LayerData]:
    from napari_dmoe.viewer.layers.samples import phantom_layers

    return _shown(phantom_layers(case, name, notice, kind))


def _shown(layers: list[LayerData]) -> list[LayerData]:
    """Let the dock come up beside a sample, once its layers are in the viewer."""
    from napari_dmoe.viewer.coming_up import come_up_beside_samples

    come_up_beside_samples()
    return layers


def nifti_reader(path: Paths) -> Reader | None:
    """Return a function that opens NIfTI files; None for other files."""
    return _reader(path, (".nii", ".nii.gz"), _open_volumes)


def itk_reader(path: Paths) -> Reader | None:
    """Return a function that opens NRRD and MetaImage files; None for other files."""
    return _reader(path, (".nrrd", ".nhdr", ".mha", ".mhd"), _open_volumes)


def dicom_reader(path: Paths) -> Reader | None:
    """Return a function that opens DICOM files and folders; None for others."""
    from napari_dmoe.imaging.dicom.library import is_dicom_file, is_dicom_folder

    paths = [Path(each) for each in _listed(path)] if path else []
    are_ours = all(is_dicom_folder(each) or is_dicom_file(each) for each in paths)

    @_in_words
    def read_listed(asked: Paths) -> list[Any]:
        return _open_scans(_listed(asked))

    return read_listed if paths and are_ours else None


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


def _open_volumes(paths: list[str]) -> list[LayerData]:
    """Open volumes; integers in a file named as labels become a Labels layer."""
    from napari.utils.notifications import show_info

    from napari_dmoe.cohorts.facts import facts_of
    from napari_dmoe.imaging.files import image_stem, image_suffix, read_image
    from napari_dmoe.imaging.itk import SEGMENTS_SUFFIX
    from napari_dmoe.viewer.layers import opening

    layers = []
    for path in map(Path, paths):
        if opening.has_record(path) or image_suffix(path) == SEGMENTS_SUFFIX:
            layers += opening.mask_layers(path)
            continue
        image, name = read_image(path), image_stem(path)
        if _LABEL_NAME.search(name.lower()) and image.data.dtype.kind in "iub":
            layers.append(opening.labels_layer(image, name))
        else:
            brought = opening.facts_record(facts_of(path))
            layers.append(opening.image_layer(image, name, record=brought))
        if image.notices:
            show_info(f"{name}: {'; '.join(image.notices)}")
    return layers


def _open_scans(paths: list[str]) -> list[Any]:
    """Open DICOM images; napari is told where a file's series is open already."""
    from napari_dmoe.viewer.layers.scans import scan_layers

    layers = [layer for path in paths for layer in scan_layers(Path(path))]
    return layers or [(None,)]


def _open_masks(paths: list[str]) -> list[LayerData]:
    from napari_dmoe.viewer.layers.opening import mask_layers

    return [layer for path in paths for layer in mask_layers(Path(path))]


def _load_in_dock(paths: list[str]) -> list[Any]:
    """Open the dock with a checkpoint. It becomes no layer, which napari is told."""
    import napari

    from napari_dmoe.viewer.coming_up import open_dock

    viewer = napari.current_viewer()
    if viewer is not None:
        open_dock(viewer).open_model(paths[0])
    return [(None,)]


@_in_words
def write_mask_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save one labels layer with the names of its classes, and its record.

    As TIFF, ``.seg.nrrd``, OME-Zarr or DICOM-SEG, by the path's ending; the last refers
    to the series in DICOM that an image of the viewer was opened from.
    """
    import napari
    from napari.utils.notifications import show_info

    from napari_dmoe.imaging.segments.dicom_seg import IDENTIFIED, SUFFIX
    from napari_dmoe.viewer.layers.saving import save_mask
    from napari_dmoe.viewer.layers.segments import dicom_sources

    viewer = napari.current_viewer()
    series = () if viewer is None else dicom_sources(viewer.layers)
    written = save_mask(Path(path), data, meta, series=series)
    if path.lower().endswith(SUFFIX):
        show_info(f"{Path(path).name}: {IDENTIFIED}.")
    return written


@_in_words
def tidy_image() -> None:
    """Remove what was added to the image that is worked on but its masks."""
    _tidy(is_everywhere=False)


@_in_words
def tidy_images() -> None:
    """Remove what was added to all images but their masks."""
    _tidy(is_everywhere=True)


def _tidy(*, is_everywhere: bool) -> None:
    import napari
    from napari.utils.notifications import show_info

    from napari_dmoe.viewer.session.session import session_of
    from napari_dmoe.viewer.session.tidying import tidy

    viewer = napari.current_viewer()
    if viewer is not None:
        session = session_of(viewer)
        one = [] if session.image is None else [session.image]
        show_info(tidy(session, session.images() if is_everywhere else one))


@_in_words
def write_nifti_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save one image or labels layer as NIfTI, in place, with its record."""
    from napari_dmoe.viewer.layers.saving import save_layer

    return save_layer(Path(path), data, meta)


@_in_words
def show_soft_tissue() -> None:
    """Show selected CTs in the window of soft tissue."""
    _show_window("soft tissue")


@_in_words
def show_lung() -> None:
    """Show selected CTs in the window of the lung."""
    _show_window("lung")


@_in_words
def show_bone() -> None:
    """Show selected CTs in the window of bone."""
    _show_window("bone")


@_in_words
def show_brain() -> None:
    """Show selected CTs in the window of the brain."""
    _show_window("brain")


@_in_words
def show_full_range() -> None:
    """Show selected CTs with all their numbers."""
    from napari_dmoe.viewer.layers.windows import FULL

    _show_window(FULL)


def _show_window(name: str) -> None:
    """Set the contrast of the selected images, or say that they are no CT."""
    import napari
    from napari.layers import Image
    from napari.utils.notifications import show_warning

    from napari_dmoe.viewer.layers.windows import is_in_hounsfield, show_window

    viewer = napari.current_viewer()
    selected = [] if viewer is None else list(viewer.layers.selection)
    images = [layer for layer in selected if isinstance(layer, Image)]
    ours = [image for image in images if is_in_hounsfield(image)]
    for image in ours:
        show_window(image, name)
    if not ours:
        show_warning(
            "No image in Hounsfield units is selected: none has grey values below -500."
        )
