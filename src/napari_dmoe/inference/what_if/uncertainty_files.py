"""Noise samples on disk: the vote, the votes of every class, and their entropy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_dmoe.imaging.files import safe_stem
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.export import FileFormat, ResultWriter
from napari_dmoe.inference.what_if.uncertainty import Uncertainty


@dataclass(frozen=True)
class SavedUncertainty:
    """Where noise samples were written; the record lies beside each file.

    Parameters
    ----------
    labels : Path
        The class that most samples give.
    votes : Path
        How many samples give each pixel each class, uint8, the class first.
    entropy : Path
        Entropy of the votes in bits, float32.
    """

    labels: Path
    votes: Path
    entropy: Path


def save_uncertainty(
    folder: Path,
    stem: str,
    found: Uncertainty,
    image: SpatialImage,
    *,
    file_format: FileFormat = "auto",
) -> SavedUncertainty:
    """Write what noise samples agree on, but not their experts' votes.

    Parameters
    ----------
    folder : Path
        Where to; made where it does not exist.
    stem : str
        Beginning of the file names; made safe for files.
    found : Uncertainty
        What to write.
    image : SpatialImage
        The image it was made from, for its place in the world.
    file_format : {"auto", "tiff", "nifti"}
        As :func:`save_segmentation` takes it.

    Returns
    -------
    SavedUncertainty
        Where they are.

    Raises
    ------
    ImageReadError
        For samples of a 2D model as NIfTI.
    OSError
        When something cannot be written. No file is left half-written.
    """
    record = found.provenance.model_dump_json(indent=2) + "\n"
    writer = ResultWriter.of(
        folder / safe_stem(stem), image, record, found.grid, file_format
    )
    return SavedUncertainty(
        labels=writer.write("labels", found.labels, found.axes, found.grid),
        votes=writer.write("votes", found.votes, ("k", *found.axes), found.grid),
        entropy=writer.write("entropy", found.entropy, found.axes, found.grid),
    )
