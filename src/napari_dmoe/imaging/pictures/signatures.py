"""What a file is by its first bytes, so that no decoder is started for another kind.

Names are no proof: people rename JPEG files to ``.png``, and a picture that is really
a program for a printer would be handed to an interpreter.
"""

from __future__ import annotations

from pathlib import Path

_OURS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_OTHERS = {
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"%PDF": "a PDF",
    b"GIF8": "a GIF",
    b"<svg": "an SVG drawing",
    b"<?xml": "XML",
    b"<!DOC": "a web page",
    b"<html": "a web page",
    b"SIMPLE  =": "FITS",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "packed with gzip",
    b"\x89HDF": "HDF5",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"P5": "a PGM",
    b"P6": "a PPM",
    b"8BPS": "a Photoshop document",
    b"NRRD": "NRRD",
}
_BY_SUFFIX = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


def named_format(suffix: str) -> str:
    """Return which of PNG, JPEG, BMP and TIFF a suffix promises."""
    return _BY_SUFFIX[suffix]


def true_format(path: Path) -> tuple[str | None, str | None]:
    """Return what a file is by its first bytes.

    Returns
    -------
    str or None
        ``PNG``, ``JPEG``, ``BMP`` or ``TIFF``; None for anything else.
    str or None
        What else it is, where its first bytes tell that, such as ``"PostScript"``.
    """
    # Of very many files, so it is neither buffered nor asked of pathlib.
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        head = file.read(132)
    ours = next((name for sign, name in _OURS.items() if head.startswith(sign)), None)
    return ours, None if ours else _other(head)


def _other(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return "HEIC, AVIF or a film"
    if head[128:132] == b"DICM":
        return "DICOM"
    text = head.lstrip()
    return next((name for sign, name in _OTHERS.items() if text.startswith(sign)), None)
