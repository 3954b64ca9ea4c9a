"""``--new-value``, ``--like`` and ``--new-attribute`` say what they need, and stop."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import run
from training_cases import CARD, CONFIG, mixed_squares, square, tiny_model

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import load_checkpoint, new_model
from napari_dmoe.models.saving import save_checkpoint

SEX = "--new-attribute"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "start.safetensors", tiny_model())
    return tmp_path / "start.safetensors"


def tuned(
    tmp_path: Path, checkpoint: Path, cases: list[Case], *options: object
) -> tuple[int, str, str]:
    """Fine-tune for an epoch on some cases."""
    write_cohort(tmp_path / "cohort", cases)
    out = ("--output", tmp_path / "o", "--epochs", 1)
    return run("fine-tune", checkpoint, tmp_path / "cohort", *out, *options)


def absolutes() -> list[Case]:
    """Return cases of a severity that the model does not know."""
    return [square(i, "absolute") for i in range(4)]


def of_both_sexes() -> list[Case]:
    return [square(i, "healthy", sex=("female", "male")[i % 2]) for i in range(4)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--like", "suspect"], "--like says as what the router of a new value"),
        (["--like", "nearest"], "name the value with --new-value ATTRIBUTE=VALUE"),
        (["--like", "suspect", SEX, "sex=female,male"], "--like says as what"),
        (["--new-value", "severity"], "--new-value: expected ATTRIBUTE=VALUE, such as"),
        (["--new-value", "severity="], "expected ATTRIBUTE=VALUE, such as severity=T5"),
        (["--new-value", "=absolute"], "expected ATTRIBUTE=VALUE, such as severity=T5"),
        (["--new-value", "severity=n/a"], "means that a value is not known"),
        (["--new-value", "severity=suspect"], "the model knows severity 'suspect' alr"),
        (["--new-value", "Severity= Suspect "], "the model knows severity 'Suspect' a"),
        (["--new-value", "severity=T5"], "no case of the cohort has the severity 'T5'"),
        (["--new-value", "sex=other"], "'sex' does not drive the model: severity does"),
        (["--new-value", "sex=other"], "use --new-attribute sex=VALUE,VALUE"),
        (
            ["--new-value", "severity=absolute", "--like", "mild"],
            "the model knows no severity 'mild': it knows healthy, suspect, glaucoma",
        ),
        (
            ["--new-value", "severity=absolute", "--mode", "single-router"],
            "--mode single-router has no routers of values",
        ),
        (["--new-value", "sex=other", SEX, "SEX=female,male"], "is new with all its"),
    ],
)
def test_a_new_value_says_what_it_needs(
    tmp_path: Path, checkpoint: Path, options: list[object], said: str
) -> None:
    code, out, told = tuned(tmp_path, checkpoint, absolutes(), *options)
    assert (code, out, told.strip().count("\n")) == (2, "", 0), told
    assert said in told
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("sex", "--new-attribute: expected ATTRIBUTE=VALUE,VALUE,..., such as sex=fe"),
        ("sex=", "--new-attribute: expected ATTRIBUTE=VALUE,VALUE,..."),
        ("sex=,", "sex needs two values or more"),
        ("sex=female", "sex needs two values or more"),
        ("sex=female,F", "sex has the value 'female' twice"),
        ("sex=female,male,FEMALE", "sex has the value 'female' twice"),
        ("sex=female,unknown", "'unknown' means that sex is not known"),
        ("sex=female,male,other", "no case of the cohort has the sex 'other'"),
        ("race=Asian,Black", "race is not known of any case of the cohort"),
        ("race=Asian,Black", "The table states sex, severity"),
        ("bmi=high,low", "bmi is not known of any case of the cohort"),
        ("severitys=high,low", "The table states sex, severity. Is severity meant?"),
        ("Severity=healthy,suspect", "severity drives the model already"),
    ],
)
def test_a_new_attribute_says_what_it_needs(
    tmp_path: Path, checkpoint: Path, options: str, said: str
) -> None:
    code, out, told = tuned(tmp_path, checkpoint, of_both_sexes(), SEX, options)
    assert (code, out, told.strip().count("\n")) == (2, "", 0), told
    assert said in told
    assert not (tmp_path / "o").exists()


def test_an_attribute_that_is_unknown_in_every_case_is_none_to_learn(
    tmp_path: Path, checkpoint: Path
) -> None:
    cases = [square(i, "healthy") for i in range(4)]
    code, _, told = tuned(tmp_path, checkpoint, cases, SEX, "sex=female,male")
    assert code == 2
    assert "sex is not known of any case of the cohort" in told


def test_an_attribute_in_numbers_is_told_of(tmp_path: Path, checkpoint: Path) -> None:
    cases = [square(i, "healthy", age=40 + i) for i in range(4)]
    code, _, told = tuned(tmp_path, checkpoint, cases, SEX, "age=40-59,60-79")
    assert code == 2
    assert "age is a number in the cohort" in told


def test_a_band_of_numbers_is_no_value_to_add(tmp_path: Path) -> None:
    ages = CardAttribute(name="age", values=("below 60", "from 60"), edges=(60,))
    card = CARD.model_copy(update={"attributes": (ages,)})
    config = CONFIG.model_copy(update={"n_routers": 2})
    path = tmp_path / "ages.safetensors"
    save_checkpoint(path, new_model("dmoe-vit", config, card))
    cases = [square(i, age=70) for i in range(4)]
    code, _, told = tuned(tmp_path, path, cases, "--new-value", "age=70-79")
    assert code == 2
    assert "age is a number in bands" in told


def test_values_are_understood_however_they_are_written(
    tmp_path: Path, checkpoint: Path
) -> None:
    new = ("--new-value", " Severity = Absolute ", "--like", "SUSPECT")
    code, _, told = tuned(tmp_path, checkpoint, absolutes(), *new)
    assert code == 0, told
    (severity,) = load_checkpoint(tmp_path / "o/model.safetensors").card.attributes
    assert (severity.name, severity.values[-1]) == ("severity", "Absolute")
    assert severity.values[:3] == ("healthy", "suspect", "glaucoma")


@pytest.mark.parametrize("stated", ["SEX = F , m", "Gender=female,Male"])
def test_a_new_attribute_is_understood_however_it_is_written(
    tmp_path: Path, checkpoint: Path, stated: str
) -> None:
    code, _, told = tuned(tmp_path, checkpoint, of_both_sexes(), SEX, stated)
    assert code == 0, told
    card = load_checkpoint(tmp_path / "o/model.safetensors").card
    assert card.attributes[-1].name == "sex"
    assert card.attributes[-1].values == ("female", "male")


def test_a_value_and_an_attribute_are_learnt_together(
    tmp_path: Path, checkpoint: Path
) -> None:
    cases = [*mixed_squares(4), *absolutes()]
    both = [
        Case(
            str(i),
            case.image,
            case.labels,
            case.patient.with_value("sex", ("female", "male")[i % 2]),
        )
        for i, case in enumerate(cases)
    ]
    new = ("--new-value", "severity=absolute", SEX, "sex=female,male")
    code, _, told = tuned(tmp_path, checkpoint, both, *new)
    assert code == 0, told
    card = load_checkpoint(tmp_path / "o/model.safetensors").card
    assert [len(a.values) for a in card.attributes] == [4, 2]


def test_a_new_model_has_no_values_to_add_to(tmp_path: Path) -> None:
    from napari_dmoe.training.cases.annotation import TrainingError
    from napari_dmoe.training.tasks.task import TrainingTask, run_task

    task = TrainingTask(
        kind="train",
        cohort=tmp_path / "none",
        output=tmp_path / "o",
        new_value="severity=absolute",
    )
    with pytest.raises(TrainingError, match="are for a model that exists"):
        run_task(task)
