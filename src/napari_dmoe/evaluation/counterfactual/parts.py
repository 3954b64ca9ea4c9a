"""What an audit has done so far, on disk, so that a killed one goes on where it was.

Cases are done in parts of a fixed size, whatever the batch. A part is a file that
appears whole or not at all, under a key of all that decides what it holds: the model,
the settings, and the cases with their files. One of another key is done again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.counterfactual.audited import (
    AuditedCase,
    AuditedValue,
    CaseSweep,
    Dependence,
    RegionFound,
)
from napari_dmoe.evaluation.counterfactual.sweeping import CaseRouting
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.patient import Patient

PARTS = "audit.parts"
"""Folder of an audit that is not finished, within its output."""

_DIGITS = 6
"""Of loads and divergences, which are means over tokens."""


@dataclass(frozen=True)
class DoneCase:
    """A case with how its experts were used; None where it failed."""

    case: AuditedCase
    routing: CaseRouting | None


@dataclass(frozen=True)
class KeptPart:
    """A part that was done."""

    cases: list[DoneCase]
    reading: Mapping[str, Any]
    """What its masks decide of further ones; see ``LabelReading.so_far``."""
    n_threads: int
    """Of the network: other numbers of them may decide the last bits."""


class Parts:
    """The parts of one audit.

    Parameters
    ----------
    folder : Path
        The audit's output.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / PARTS

    @property
    def are_there(self) -> bool:
        """Whether an earlier audit of this folder was not finished."""
        return any(self._files())

    def keep(
        self,
        number: int,
        key: str,
        cases: Sequence[DoneCase],
        *,
        reading: Mapping[str, Any],
        n_threads: int,
    ) -> None:
        """Write a part, what its masks decide of further ones, and its threads.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {"key": key, "reading": dict(reading)}
        content["threads"] = n_threads
        content |= {"cases": [_as_json(each) for each in cases]}
        write_text(self._path(number), json.dumps(content, ensure_ascii=False))

    def kept(self, number: int, key: str) -> KeptPart | None:
        """Return a part, None where there is none of this key."""
        try:
            content = json.loads(self._path(number).read_text("utf-8"))
            if content["key"] != key:
                return None
            cases = [_from_json(each) for each in content["cases"]]
            return KeptPart(cases, content["reading"], int(content["threads"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # not there, or damaged: it is done again

    def remove(self) -> None:
        """Delete the parts, and nothing else."""
        for path in list(self._files()):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # somebody else's file may lie in it
            self.folder.rmdir()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"

    def _files(self) -> Iterator[Path]:
        yield from self.folder.glob("[0-9][0-9][0-9][0-9][0-9][0-9].json")


def key_of(*facts: Any) -> str:
    """Return one key of facts, which JSON can hold."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_facts(path: Path | None) -> tuple[str, int, int] | None:
    """Return by what a file is told to be the same: name, bytes, time of change."""
    if path is None or path == Path():
        return None
    try:
        stated = path.stat()
    except OSError:
        return path.name, -1, -1
    return path.name, stated.st_size, stated.st_mtime_ns


def _as_json(done: DoneCase) -> dict[str, Any]:
    case = done.case
    routing = done.routing or CaseRouting({}, {})
    return {
        "id": case.id,
        "number": case.number,
        "status": case.status,
        "said": case.said,
        "subject": case.subject,
        "patient": case.patient.stated(),
        "further": dict(case.further),
        "has_truth": case.has_truth,
        "sweeps": [_sweep_as_json(each) for each in case.sweeps],
        "loads": {name: _listed(each) for name, each in routing.loads.items()},
        "divergence": {n: _listed(each) for n, each in routing.divergence.items()},
    }


def _sweep_as_json(sweep: CaseSweep) -> dict[str, Any]:
    regions = [
        [r.region, _known(r.share), *r.between, _known(r.yardstick), r.says]
        for r in sweep.regions
    ]
    values = [
        [v.name, v.kind, v.is_trained]
        + [[r.region, r.n_pixels, _known(r.changed), _known(r.dice)] for r in v.regions]
        for v in sweep.values
    ]
    head = {"attribute": sweep.attribute, "own": sweep.own, "says": sweep.says}
    return {**head, "regions": regions, "values": values}


def _from_json(stated: Mapping[str, Any]) -> DoneCase:
    case = AuditedCase(
        id=stated["id"],
        number=stated["number"],
        status=stated["status"],
        said=stated["said"],
        subject=stated["subject"],
        patient=Patient.from_values(stated["patient"]),
        further=stated["further"],
        has_truth=stated["has_truth"],
        sweeps=tuple(map(_sweep_from_json, stated["sweeps"])),
    )
    loads = {n: np.array(v, np.float32) for n, v in stated["loads"].items()}
    apart = {n: np.array(v, np.float32) for n, v in stated["divergence"].items()}
    return DoneCase(case, CaseRouting(loads, apart) if loads else None)


def _sweep_from_json(stated: Mapping[str, Any]) -> CaseSweep:
    regions = tuple(
        Dependence(name, _number(share), (one, two), _number(yardstick), says)
        for name, share, one, two, yardstick, says in stated["regions"]
    )
    values = tuple(
        AuditedValue(
            name,
            kind,
            is_trained,
            tuple(RegionFound(r, n, _number(c), _number(d)) for r, n, c, d in found),
        )
        for name, kind, is_trained, *found in stated["values"]
    )
    own, says = stated["own"], stated["says"]
    return CaseSweep(stated["attribute"], own, says, regions, values)


def _listed(values: NDArray[np.float32]) -> Any:
    return np.round(values.astype(np.float64), _DIGITS).tolist()


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
