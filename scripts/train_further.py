"""Train a model further on the cases that it was trained on, with other settings.

    python scripts/train_further.py MODEL TABLE SETTINGS.json OUT

SETTINGS.json names the recipe that MODEL was made by, and the settings that differ now.
What was held out then is held out again, and no case counts a second time in the card,
which `fine-tune` on the same table could not know. OUT is a checkpoint for
`scripts/bundle_model.py`. `docs/models.md` has the commands.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from napari_dmoe.cohorts.datasets import patients_of
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.cases.held_out import hold_out_cases
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.recipe_files import read_recipe


def settings_of(path: Path) -> TrainSettings:
    """Return a recipe's settings with the changes that a file states."""
    stated: dict[str, Any] = json.loads(path.read_text("utf-8"))
    before = read_recipe(stated.pop("recipe")).settings.model_dump(mode="json")
    varied = {**before["augmentation"], **stated.pop("augmentation", {})}
    return TrainSettings.model_validate({**before, **stated, "augmentation": varied})


def main(model: Path, table: Path, settings_file: Path, out: Path) -> str:
    """Train, save and return the SHA-256 of what was saved."""
    settings, loaded = settings_of(settings_file), load_checkpoint(model)
    cases = open_cohort(table, needs_labels=True)
    attributes = loaded.card.attributes
    trained, held_out = hold_out_cases(cases, patients_of(cases), attributes, settings)
    fitted = fit(
        loaded,
        trained,
        settings=settings,
        held_out=held_out,
        rehearsed=len(trained),
        on_epoch=_tell,
    )
    return save_checkpoint(out, fitted.loaded)


def _tell(epoch: Epoch) -> None:
    dice = ", ".join(f"{name} {value:.3f}" for name, value in epoch.dice.items())
    print(f"epoch {epoch.number + 1}: loss {epoch.loss:.4f} {dice}", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("table", type=Path, metavar="TABLE")
    parser.add_argument("settings", type=Path, metavar="SETTINGS")
    parser.add_argument("out", type=Path, metavar="OUT")
    given = parser.parse_args()
    print(f"SHA-256 {main(given.model, given.table, given.settings, given.out)}")
