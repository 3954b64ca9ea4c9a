"""State what some bundled models were trained on, in files beside their checkpoints.

Run it with ``python benchmarks/describe_bundled.py [MODEL ...]``. Their checkpoints are
older than the card's fields `training_images` and `class_spans`, and stay as they are,
so that records of their results still name them. What ``napari-dmoe train`` would state
is computed of the first phantoms of the cohort that each was trained on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib import resources
from pathlib import Path

from napari_dmoe.imaging.fitting import Fit
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.training_images import IMAGES_SUFFIX, KnownImages
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.facts.image_facts import with_images
from napari_dmoe.training.facts.span_facts import spans_of

SEED = 1
"""Of the cohorts that the models were trained on; see docs/models.md."""

NUMBER = {"fundus-race": 400, "skin": 300, "pelvis": 100}
"""The first phantoms of each cohort, which are drawn; the models saw more of them (2400
and, of pelvis, 400), and further ones change the figures little."""

FIT: Fit = "pad"
"""How planes meet them; phantoms of skin, which are not square, were stretched."""

EVERY = 25
"""Each 25th was held out."""


def describe(model: str) -> Path:
    """Write one model's facts; return where they lie."""
    loaded, kind = seen_whole(load_checkpoint(model)), model.removesuffix("-phantom")
    cases = list(KINDS[kind].cohort(NUMBER[kind], seed=SEED))
    cases = [case for i, case in enumerate(cases) if i % EVERY]
    pool = read_pool(cases, loaded.card)
    images = with_images(loaded, pool, before=None)
    facts = images.card.training_images
    if facts is None:
        raise ValueError(f"{model}: too few phantoms")
    known = KnownImages(
        sha256=loaded.sha256,
        phantoms=kind,
        class_spans=spans_of(pool, loaded.card.classes),
        fit=None if loaded.card.dims == 3 else FIT,
        training_images=facts,
    )
    folder = Path(str(resources.files("napari_dmoe.models"))) / "bundled"
    path = folder / f"{model}{IMAGES_SUFFIX}"
    path.write_text(known.model_dump_json() + "\n", "utf-8")
    return path


def seen_whole(loaded: LoadedModel) -> LoadedModel:
    """Return a model that planes meet as they are to, whatever was stated before."""
    how = loaded.preprocessing
    if not isinstance(how, Preprocessing):
        return loaded
    card = loaded.card.model_copy(update={"preprocessing": how.fitted(FIT)})
    return replace(loaded, card=card)


def main() -> None:
    """Describe the models that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models",
        nargs="*",
        default=[f"{kind}-phantom" for kind in NUMBER],
    )
    for model in parser.parse_args().models:
        print(describe(model))


if __name__ == "__main__":
    main()
