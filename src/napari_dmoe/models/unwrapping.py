"""The networks of a file, whatever training scripts wrapped around them.

Wrappers put prefixes before a network's names (DataParallel ``module.``, torch.compile
``_orig_mod.``, Lightning the attribute that holds it, averages ``ema_model.`` and so
on), in any order and depth, and put losses, metrics and optimisers beside it. Nothing
here knows a list of prefixes: a network is where the names that tell it begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from napari_dmoe.foreign import printable
from napari_dmoe.models.refusals import CheckpointError, listed

TRANSPARENT = frozenset(
    {
        "module",
        "_orig_mod",
        "_forward_module",
        "_fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
    }
)
"""Parts of names that wrappers of whole networks, or of parts of them, put there."""

COUNT = "n_averaged"
"""Torch's ``AveragedModel`` counts beside its ``module`` how often it averaged."""

_BEGUN = (COUNT, "initted", "step", "steps", "num_updates", "updates")
"""What averages of several packages keep beside themselves; 0 where there was no step
yet, and the average is still the network as it was drawn."""

_AVERAGES = frozenset(
    {"ema", "swa", "averaged", "average", "avg", "shadow", "polyak", "lawa"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""The words of ``model_ema``, ``modelEma`` and ``netEMA``."""

_BEFORE_AVERAGING = "current_model_state"
"""Where Lightning keeps the last step's weights, its average being the state_dict."""

_EXCHANGED, _EXCHANGED_COUNT = "ema_state_dict.module.", "ema_state_dict.steps"
"""MMEngine's EMAHook exchanges the two when it saves: the average is the state_dict,
and the last step's weights lie here, beside this count."""

_TRAINING = re.compile(r"optim|grad|sched|scaler|momentum", re.IGNORECASE)
"""What holds tensors under the network's names that are not its weights."""

_BESIDE = re.compile(
    r"loss|criteri|metric|dice|jaccard|accura|auroc|confusion|aux|head|classif|optim"
    r"|sched|scaler|averag|pos_weight|class_weight|entropy|focal"
    r"|^(train|val|valid|test|ema|swa|iou|miou|f1|ce|bce|mse|step|epoch|num|decay)(_|$)",
    re.IGNORECASE,
)
"""Losses, metrics and further heads: no part of what turns an image into a mask."""


@dataclass(frozen=True)
class Found:
    """One network of a file."""

    prefix: str
    """What stands before each of its names, with a dot at the end; "" for nothing."""
    tensors: Mapping[str, Tensor]
    """Its tensors, without prefixes and wrappers."""
    named: Mapping[str, str]
    """Their names in the file."""
    is_average: bool = False
    """Whether it is an average over steps of another network in the file."""
    is_begun: bool = True
    """Whether an average holds anything yet."""

    @property
    def place(self) -> str:
        """Where it lies, for a person."""
        return repr(printable(self.prefix)) if self.prefix else "no prefix"

    def in_file(self, name: str) -> str:
        """Return a tensor's name as it is, or would be, in the file."""
        return self.named.get(name, f"{self.prefix}{name}")


def networks_in(
    tensors: Mapping[str, Tensor], anchors: Sequence[str], where: str
) -> list[Found]:
    """Return the networks of a file.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        All tensors of the file under their full names.
    anchors : sequence of str
        Names of which each network has one at least.
    where : str
        Name of the file, for errors.

    Raises
    ------
    CheckpointError
        When two unequal tensors have one name once the wrappers are taken off.
    """
    split = {name: tuple(name.split(".")) for name in tensors}
    prefixes = _prefixes(split.values(), [tuple(a.split(".")) for a in anchors])
    members: dict[tuple[str, ...], dict[str, str]] = {p: {} for p in prefixes}
    for name, parts in split.items():
        owner = next((p for p in prefixes if parts[: len(p)] == p), None)
        if owner is None:
            continue
        bare = ".".join(p for p in parts[len(owner) :] if p not in TRANSPARENT)
        other = members[owner].setdefault(bare, name)
        if not _same(tensors[other], tensors[name]):
            raise CheckpointError(
                f"{where} holds {printable(other)} and {printable(name)}, which differ "
                "and are one tensor of the network: save the network alone"
            )
    found = [_found(p, names, tensors) for p, names in members.items()]
    found.sort(key=lambda each: len(each.prefix))
    return _with_exchanged_average(_with_lightnings_average(found), tensors)


def _prefixes(
    names: Iterable[tuple[str, ...]], anchors: Sequence[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Return what stands before the anchors, the longest first."""
    found = set()
    for parts in names:
        kept = [i for i, part in enumerate(parts) if part not in TRANSPARENT]
        for anchor in anchors:
            places = kept[-len(anchor) :]
            if tuple(parts[i] for i in places) == anchor:
                prefix = parts[: places[0]]
                if not any(map(_TRAINING.search, prefix)):
                    found.add(prefix)
    return sorted(found, key=lambda prefix: (-len(prefix), prefix))


def _found(
    prefix: tuple[str, ...], names: Mapping[str, str], tensors: Mapping[str, Tensor]
) -> Found:
    words = {word.lower() for part in prefix for word in _WORD.findall(part)}
    is_counted = any(
        part == "module" and ".".join((*prefix[:i], COUNT)) in tensors
        for i, part in enumerate(prefix)
    )
    return Found(
        prefix="".join(f"{part}." for part in prefix),
        tensors={bare: tensors[name] for bare, name in names.items()},
        named=names,
        is_average=is_counted or not words.isdisjoint(_AVERAGES),
        is_begun=not any(_is_zero(count) for count in _counts(prefix, tensors)),
    )


def _counts(prefix: tuple[str, ...], tensors: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """Yield what is counted beside a network, or beside what it lies in."""
    for i in range(len(prefix)):
        for name in _BEGUN:
            count = tensors.get(".".join((*prefix[:i], name)))
            if count is not None:
                yield count


def _is_zero(count: Tensor) -> bool:
    return count.numel() == 1 and count.device.type == "cpu" and not count.item()


def _with_lightnings_average(found: list[Found]) -> list[Found]:
    if not any(each.prefix.startswith(f"{_BEFORE_AVERAGING}.") for each in found):
        return found
    return [
        replace(each, is_average=True)
        if each.prefix.startswith("state_dict.")
        else each
        for each in found
    ]


def _with_exchanged_average(
    found: list[Found], tensors: Mapping[str, Tensor]
) -> list[Found]:
    is_exchanged = _EXCHANGED_COUNT in tensors and any(
        each.prefix.startswith(_EXCHANGED) for each in found
    )
    if not is_exchanged:
        return found
    averages = {each.prefix: each.prefix.startswith("state_dict.") for each in found}
    count = tensors[_EXCHANGED_COUNT]
    return [
        replace(each, is_average=averages[each.prefix], is_begun=not _is_zero(count))
        for each in found
    ]


def _same(one: Tensor, other: Tensor) -> bool:
    return one is other or (
        one.shape == other.shape
        and one.dtype == other.dtype
        and bool(torch.equal(one, other))
    )


def are_equal(one: Found, other: Found) -> bool:
    """Say whether two networks are one that the file holds twice."""
    names = one.tensors.keys() & other.tensors.keys()
    return any(one.tensors[n].is_floating_point() for n in names) and all(
        _same(one.tensors[name], other.tensors[name]) for name in names
    )


def is_beside(name: str, own: Iterable[str]) -> bool:
    """Say whether a tensor beside a network's `own` belongs to its training alone."""
    first = name.partition(".")[0]
    if any(other.partition(".")[0] == first for other in own):
        return False
    return _BESIDE.search(first) is not None


def said_of(found: Found, tensors: Mapping[str, Tensor], used: Iterable[str]) -> str:
    """Say how a network was unwrapped and what was left out; "" where nothing was.

    Parameters
    ----------
    found : Found
        The network.
    tensors : mapping of str to Tensor
        All tensors of its file.
    used : iterable of str
        The names of its own, without wrappers.
    """
    own = {found.named[name] for name in used}
    wrappers = {
        part
        for bare, name in found.named.items()
        for part in name.removeprefix(found.prefix).split(".")
        if part in TRANSPARENT and bare in found.tensors and name in own
    }
    said = [f"the prefix {found.place}"] if found.prefix else []
    said += [f"the wrapper {name}" for name in sorted(wrappers)]
    parts = [f"read without {' and '.join(said)}"] if said else []
    left = [name for name in tensors if name not in own]
    if left:
        parts.append(f"left out, as no part of the network: {_grouped(left, found)}")
    return "; ".join(parts)


def _grouped(names: Sequence[str], found: Found) -> str:
    """List what was left out; what lies beside the network's place as one."""
    place = found.prefix.split(".")[:-1]
    groups: dict[str, list[str]] = {}
    for name in names:
        parts = name.split(".")
        pairs = zip(parts, place, strict=False)
        shared = next((i for i, (a, b) in enumerate(pairs) if a != b), len(place))
        group = ".".join(parts[: shared + 1]) if found.prefix else name
        groups.setdefault(group, []).append(name)
    return listed(
        f"{group} ({len(its)} tensors)" if len(its) > 1 else _alone(group, its[0])
        for group, its in groups.items()
    )


def _alone(group: str, name: str) -> str:
    """Name a single tensor, but not where in another part of the file it lies."""
    return name if "." in group or "." not in name else group
