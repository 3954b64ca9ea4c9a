"""Images of a folder that are more than a file: DICOM series, and folders of zarr."""

from __future__ import annotations

from pathlib import Path

from napari_dmoe.imaging.dicom.library import holds_dicom
from napari_dmoe.imaging.dicom.reading import DicomImage, images_in
from napari_dmoe.imaging.files import is_image_folder
from napari_dmoe.imaging.spatial import ImageReadError
from napari_dmoe.inference.results.sidecars import is_recorded

_SHOWN = 3


def scans_in(folder: Path, *, alone: bool) -> tuple[list[Path], list[str]]:
    """Return a folder's images of DICOM and zarr, each by the path that is read.

    Parameters
    ----------
    folder : Path
        The folder that is listed.
    alone : bool
        Whether there is nothing else in it: then its one DICOM series is called by it.

    Returns
    -------
    list of Path
        Of DICOM files in the folder itself the first of each image; a folder of DICOM
        files, or of zarr, is one image. Results of earlier runs are left out.
    list of str
        What a person should know, such as which of them cannot be read.
    """
    inner = [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    ]
    found = [path for path in inner if is_image_folder(path) and not is_recorded(path)]
    if not holds_dicom(folder):
        return found, []
    try:
        images = images_in(folder)
    except ImageReadError as error:  # pydicom is not installed, or it holds reports
        return found, [f"DICOM files left out: {error}"]
    if len(images) == 1 and alone and not inner and images[0].stack is not None:
        is_series = len(images[0].files) > 1
        return [folder if is_series else images[0].first], _told(images)
    own = [image.first for image in images if image.stack is not None]
    return [*own, *found], _told(images)


def _told(images: tuple[DicomImage, ...]) -> list[str]:
    bad = [image for image in images if image.stack is None]
    more = "; ..." if len(bad) > _SHOWN else ""
    listed = "; ".join(f"{i.title} ({i.first.name}): {i.problem}" for i in bad[:_SHOWN])
    said = [f"{len(bad):,} left out, no image: {listed}{more}"] if bad else []
    return list(dict.fromkeys(n for image in images for n in image.notices)) + said
