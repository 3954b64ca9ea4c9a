"""Put a trained model among the bundled ones, with the words that are true of it.

    python scripts/bundle_model.py RUN/model.safetensors WORDS.json

WORDS.json states what no training can know: name, title, modality, licences, citation,
use, and a note with what was measured on images that the model never saw. It lies
beside this script as `NAME.words.json`, so that whoever has the data makes the same
file again: `docs/models.md` has the commands. What the training wrote into the card
stays; the words only fill in.
"""

import argparse
import json
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import TRAINING_KEY, save_checkpoint
from napari_dmoe.models.weights import read_weights

MOST_BYTES = 12_000_000
_OF_TRAINING = ("data", "note")
_ALLOWED = (
    *("name", "title", "modality", "weights_licence", "data_licence", "citation"),
    *("intended_use", "notice"),
)


BUNDLED = Path(str(resources.files("napari_dmoe.models"))) / "bundled"


def main(trained: Path, words: Path, *, folder: Path = BUNDLED) -> Path:
    """Write the bundled file; return where it lies."""
    stated: dict[str, Any] = json.loads(words.read_text("utf-8"))
    unknown = sorted(set(stated) - {*_ALLOWED, *_OF_TRAINING})
    if unknown or "name" not in stated:
        sys.exit(f"{words.name}: name is needed, and {unknown} are no words of a card")
    loaded = load_checkpoint(trained)
    told = {key: stated.pop(key) for key in _OF_TRAINING if key in stated}
    training = loaded.card.training.model_copy(update=told)
    card = loaded.card.model_copy(update={**stated, "training": training})
    card = type(card).model_validate(card.model_dump())
    path = folder / f"{card.name}.safetensors"
    record = read_weights(trained).header.get(TRAINING_KEY)
    sha256 = save_checkpoint(path, replace(loaded, card=card), training=record)
    if path.stat().st_size > MOST_BYTES:
        path.unlink()
        sys.exit(f"{path.name} would have more than {MOST_BYTES:,} bytes")
    print(f"{path.name}: {path.stat().st_size:,} bytes, SHA-256 {sha256}")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("trained", type=Path, metavar="MODEL")
    parser.add_argument("words", type=Path, metavar="WORDS")
    given = parser.parse_args()
    main(given.trained, given.words)
