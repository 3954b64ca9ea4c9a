"""States to resume that no training saved: one line that names what cannot be."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training_cases import mixed_squares, squares, tiny_model
from training_runs import SETTINGS, StopAt, train

from napari_dmoe.models.saving import write_safetensors
from napari_dmoe.progress import Cancelled, silent
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop.folder import BEST, STATE_KEY, RunFolder
from napari_dmoe.training.loop.preparing import prepare_run
from napari_dmoe.training.loop.resuming import RESUME, read_facts
from napari_dmoe.training.loop.run import Run

formats = pytest.mark.formats
Facts = dict[str, Any]
Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training that was stopped within its second epoch."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.raises(Cancelled):
        train(folder, progress=StopAt(4))
    return folder


@pytest.fixture(scope="module")
def run() -> Run:
    held_out = squares(2, "healthy", 20) + squares(2, "glaucoma", 30)
    return prepare_run(
        tiny_model(),
        mixed_squares(12),
        SETTINGS,
        held_out=held_out,
        watch=None,
        are_classes=False,
        progress=silent,
    )


@pytest.fixture(scope="module")
def state(stopped: Path) -> tuple[Tensors, Facts]:
    tensors, facts = RunFolder(stopped).read_state()
    return dict(tensors), facts


def refused(
    run: Run, tensors: Tensors, facts: object, cause: str, text: str | None = None
) -> None:
    before = run.weights()
    with pytest.raises(TrainingError) as caught:
        run.restore(tensors, read_facts(text or json.dumps(facts)))
    message = str(caught.value)
    assert cause in message
    assert message.startswith(
        ("the training cannot be resumed: resume.safetensors: ", "resume.safetensors h")
    )
    assert message.isprintable()
    assert len(message) < 600
    for foreign in ("Input should", "validation error", "pydantic"):
        assert foreign not in message
    after = run.weights()
    assert all(torch.equal(before[name], after[name]) for name in before)


def put(*place: Any) -> Callable[[Facts], None]:
    *path, name, value = place

    def change(facts: Facts) -> None:
        at: Any = facts
        for part in path:
            at = at[part]
        at[name] = value

    return change


HISTORY = ("history", 0)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param(
            put("step", "7"),
            "step cannot be '7': it must be a whole number",
            marks=formats("a state to resume whose facts cannot be"),
        ),
        (put("step", True), "step cannot be true"),
        (put("step", -1), "step cannot be -1"),
        (put("step", 10**30), "step cannot be"),
        (put("step", 3), "step is 3, where 4 were taken"),
        (put("epoch", 9), "epoch is 9"),
        (put("epoch", None), "epoch cannot be null"),
        (put("position", 99), "position is 99"),
        (put("position", 0), "losses are 1 after 0 steps"),
        (put("losses", []), "losses are 0 after 1 steps"),
        (put("losses", ["a"]), "losses.0 cannot be 'a'"),
        (put("losses", {"a": 1}), "losses cannot be an object"),
        (put("seconds", -1.0), "seconds cannot be -1.0"),
        (put("history", []), "its history is another"),
        (put("history", [1]), "history.0 cannot be 1"),
        (put(*HISTORY, "number", 5), "its history is another"),
        (put(*HISTORY, "dice", {"moon": 0.5}), "names no class of the model: moon"),
        (put(*HISTORY, "dice", {"rim": 7.0}), "history.0.dice is no Dice"),
        (put(*HISTORY, "dice", None), "history.0.dice cannot be null"),
        (put(*HISTORY, "worst", 2.0), "history.0.worst cannot be 2"),
        (put(*HISTORY, "groups", {"g": []}), "history.0.groups.g cannot be"),
        (put(*HISTORY, "expert_load", [[-1.0]]), "expert_load is below 0"),
        (put(*HISTORY, "notices", "x"), "history.0.notices cannot be 'x'"),
        (put(*HISTORY, "odd", 1), "history.0.odd: there is no such field"),
        (put("best_epoch", 3), "best_epoch is 3, of which nothing is known"),
        (put("waited", 50), "waited is 50 after 1 epochs"),
        (put("is_stopped", 1), "is_stopped cannot be 1"),
        (put("notices", [1]), "notices.0 cannot be 1"),
        (put("belongs_to", []), "belongs_to cannot be a list"),
        (put("belongs_to", "settings", "batch", 0), "belongs_to.settings: batch"),
        (put("belongs_to", "settings", "\x1b", 0), "there is no such field"),
        (put("belongs_to", "classes", 1), "belongs_to.classes cannot be 1"),
        (put("schema_version", "one"), "schema_version cannot be 'one'"),
        (lambda facts: facts.pop("step"), "step: is missing"),
        (lambda facts: facts.pop("schema_version"), "no training to resume"),
        (lambda facts: facts.clear(), "no training to resume"),
    ],
)
def test_facts_that_no_run_states_are_refused_by_name(
    run: Run, state: tuple[Tensors, Facts], change: Any, cause: str
) -> None:
    tensors, facts = state
    facts = copy.deepcopy(facts)
    change(facts)
    refused(run, tensors, facts, cause)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", '{"a": 1, "a": 2}', "NaN", "7"])
def test_facts_that_are_no_json_are_refused(
    run: Run, state: tuple[Tensors, Facts], text: str
) -> None:
    refused(run, state[0], None, "", text)


NETWORK, MEMORY = "network.position_embedding", "optimiser.0.exp_avg"
Change = Callable[[Tensors], object]


def into(name: str, how: Callable[[Tensor], Tensor]) -> Change:
    return lambda tensors: tensors.update({name: how(tensors[name])})


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param(
            into(NETWORK, lambda t: t[:, :1]),
            f"{NETWORK} is float32 (1, 1, ",
            marks=formats("a state to resume whose tensors are not the run's"),
        ),
        (into(NETWORK, lambda t: t.double()), f"{NETWORK} is float64"),
        (into(NETWORK, lambda t: t * torch.nan), f"{NETWORK} holds values that are no"),
        (lambda t: t.pop(NETWORK), f"1 tensors are missing: {NETWORK}"),
        (lambda t: t.update({"network.\x1bx": torch.ones(1)}), r"network.\x1bx is not"),
        (into(MEMORY, lambda t: t[:1]), f"{MEMORY} is float32"),
        (into(MEMORY, lambda t: t * torch.inf), f"{MEMORY} holds values that are no"),
        (lambda t: t.pop(MEMORY), f"missing: {MEMORY}"),
        (into("optimiser.0.exp_avg_sq", lambda t: t - 9), "exp_avg_sq is below 0"),
        (into("optimiser.0.step", lambda t: t + 99), "optimiser.0.step is 103 after 4"),
        (
            lambda t: t.update({"optimiser.999.step": torch.tensor(1.0)}),
            "optimiser.999.step belongs to no parameter",
        ),
        (lambda t: t.update({"optimiser.x.y": torch.ones(1)}), "optimiser.x.y belongs"),
        (lambda t: t.update({"optimiser.0": torch.ones(1)}), "optimiser.0 belongs"),
        (into("random.draws", lambda t: t[:9]), "random.draws is no state"),
        (into("random.torch", lambda t: t.float()), "random.torch is no state"),
        (lambda t: t.pop("random.torch"), "missing: random.torch"),
        (into("sampler.shares", lambda t: t[:1]), "sampler.shares is float64 (1,)"),
        (into("sampler.shares", lambda t: t * 0), "no shares that sum to 1"),
        (into("order", lambda t: t + 1000), "order names a case that is not among"),
        (into("order", lambda t: t.float()), "order is float32"),
        (into("order", lambda t: t[:3]), "order is int64 (3,)"),
        (lambda t: t.pop("order"), "missing: order"),
        (into("load.0", lambda t: t[:1]), "load.0 is no load of 4 experts"),
        (lambda t: t.update({"load.7": t["load.0"]}), "load.7 is no load"),
    ],
)
def test_tensors_that_no_run_saves_are_refused_by_name(
    run: Run, state: tuple[Tensors, Facts], change: Change, cause: str
) -> None:
    tensors = {name: tensor.clone() for name, tensor in state[0].items()}
    change(tensors)
    refused(run, tensors, state[1], cause)


def test_a_state_without_the_list_of_its_tensors_is_resumed_as_before(
    run: Run, state: tuple[Tensors, Facts]
) -> None:
    tensors, facts = state
    older = {name: fact for name, fact in facts.items() if name != "tensors"}
    less = {n: t for n, t in tensors.items() if not n.startswith("optimiser.")}
    refused(run, less, older, "the optimiser's memory is missing")
    less = {n: t for n, t in tensors.items() if n != MEMORY}
    refused(run, less, older, f"{MEMORY} is missing")


def test_the_best_model_must_be_there_and_of_this_network(stopped: Path) -> None:
    best = stopped / BEST
    content = best.read_bytes()
    try:
        write_safetensors(best, {"a": torch.ones(1)}, header={})
        with pytest.raises(ValueError, match=r"best\.safetensors is no dMoE network"):
            train(stopped, resume=True)
        best.unlink()
        with pytest.raises(TrainingError, match=r"best\.safetensors, .* is gone"):
            train(stopped, resume=True)
    finally:
        best.write_bytes(content)


def test_the_untouched_state_is_resumed(stopped: Path) -> None:
    saved, facts = RunFolder(stopped).read_state()
    header = {STATE_KEY: json.dumps(facts)}
    write_safetensors(stopped / RESUME, saved, header=header)
    assert train(stopped, resume=True).history == train(None).history
