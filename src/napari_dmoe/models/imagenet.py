"""Starting a 2D network from ImageNet: ViT and R50+ViT weights in their JAX layout.

Only numbers are read, never pickled objects.
"""

from __future__ import annotations

import copy
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
import torch
from numpy.lib.format import (
    read_array_header_1_0,
    read_array_header_2_0,
    read_magic,
)
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.foreign import printable
from napari_dmoe.models.architectures import ARCHITECTURES, Network
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.names import count, from_published, missing, shape_of
from napari_dmoe.models.resnet import N_STAGES, ResNetConfig
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.models.vit_files import HYBRID, POSITIONS
from napari_dmoe.models.weights import BOMB_FACTOR, CheckpointError
from napari_dmoe.purpose import reason
from napari_dmoe.validation import said

_EMBEDDING = "embedding/kernel"
_POSITIONS = "Transformer/posembed_input/pos_embedding"
_ROOT = "conv_root/kernel"
_ATTENTION = "MultiHeadDotProductAttention_1"
_LAYER = "transformer.encoder.layer."

Arrays = Mapping[str, NDArray[Any]]


def read_imagenet(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the arrays of an ImageNet ``.npz`` file.

    Raises
    ------
    CheckpointError
        When it is none, is damaged, would unpack to far more than its size, or holds
        objects.
    """
    try:
        numbers, others = _read_arrays(path)
    except CheckpointError:
        raise
    # Damaged archives raise almost anything (zlib.error, struct.error, EOFError,
    # NotImplementedError ...), and all of it means the same.
    except Exception as error:
        raise CheckpointError(
            f"{path.name} holds no ImageNet weights that can be read: "
            f"{printable(reason(error))}"
        ) from error
    for name in (_EMBEDDING, _POSITIONS):
        if name in others:
            raise CheckpointError(
                f"{path.name}: {name} holds {others[name]}, where floats are expected"
            )
        if name not in numbers:
            raise CheckpointError(
                f"{path.name} is no ImageNet ViT in its JAX layout: {name} is missing"
            )
    with np.errstate(over="ignore"):  # what becomes infinite is refused below
        found = {name: array.astype(np.float32) for name, array in numbers.items()}
    broken = [n for n, a in found.items() if not np.isfinite(a).all()]
    if broken:
        raise CheckpointError(
            f"{path.name}: {printable(broken[0])} holds no finite numbers"
        )
    return found


def _read_arrays(
    path: Path,
) -> tuple[dict[str, NDArray[np.floating]], dict[str, np.dtype[Any]]]:
    """Return the arrays of floats by name, and of which type the others are.

    A header is believed only where the bytes behind it are as many as it states.
    """
    numbers: dict[str, NDArray[np.floating]] = {}
    others: dict[str, np.dtype[Any]] = {}
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        if unpacked > BOMB_FACTOR * path.stat().st_size:
            raise CheckpointError(
                f"{path.name} would unpack to {unpacked / 1e6:,.0f} MB: refused"
            )
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in numbers or name in others:
                raise CheckpointError(f"{path.name} holds {printable(name)} twice")
            if name == member.filename:
                continue
            with archive.open(member) as file:
                shape, is_column_first, dtype = _header(file)
                if dtype.hasobject:
                    raise CheckpointError(
                        f"{path.name}: {printable(name)} holds objects, which could "
                        "run code. Object arrays are refused"
                    )
                if dtype.kind != "f":
                    others[name] = dtype
                    continue
                content = file.read()
            if len(content) != math.prod(shape) * dtype.itemsize:
                raise CheckpointError(
                    f"{path.name}: {printable(name)} claims the shape {shape}, and "
                    f"has {len(content)} bytes"
                )
            order: Literal["F", "C"] = "F" if is_column_first else "C"
            numbers[name] = np.frombuffer(content, dtype).reshape(shape, order=order)
    return numbers, others


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read what stands before an array: its shape, order and type."""
    readers = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}
    version = read_magic(file)
    if version not in readers:
        raise ValueError(f"there is no version {version} of arrays here")
    shape, is_column_first, dtype = readers[version](file)
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise ValueError(f"an array has the shape {shape}")
    return shape, is_column_first, dtype


def imagenet_config(path: Path, **changes: Any) -> ViTConfig:
    """Return the shape of the network that ImageNet weights fit.

    Parameters
    ----------
    path : Path
        The ``.npz`` file.
    **changes
        What it does not tell: ``n_classes``, ``n_routers``, ``grid``, the decoder.

    Raises
    ------
    CheckpointError
        See :func:`read_imagenet`.
    """
    arrays = read_imagenet(path)
    shapes = {name: array.shape for name, array in arrays.items()}
    block = "Transformer/encoderblock_0/"
    try:
        width = shape_of(shapes, _EMBEDDING, 4)[-1]
        stated = {
            "width": width,
            "depth": count(shapes, "Transformer/encoderblock_", separator="/"),
            "n_heads": shape_of(shapes, f"{block}{_ATTENTION}/query/kernel", 3)[1],
            "mlp_width": shape_of(shapes, f"{block}MlpBlock_3/Dense_0/kernel", 2)[1],
            "expert_width": 4 * width,
            "stem": _stem(shapes),
        }
        return ViTConfig.model_validate(stated | changes)
    except KeyError as error:
        raise CheckpointError(f"{path.name}: {missing(error)} is missing") from error
    except ValidationError as error:
        raise CheckpointError(
            f"{path.name} fits no network here: {said(error)}"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{path.name}: {reason(error)}") from error


def _stem(shapes: Mapping[str, tuple[int, ...]]) -> ResNetConfig | None:
    if _ROOT not in shapes:
        return None
    blocks = [f"block{stage + 1}/unit" for stage in range(N_STAGES)]
    units = [count(shapes, block, first=1, separator="/") for block in blocks]
    width = shape_of(shapes, _ROOT, 4)[-1]
    return ResNetConfig(width=width, units=(units[0], units[1], units[2]))


def start_from_imagenet(loaded: LoadedModel, path: Path) -> LoadedModel:
    """Return a 2D model whose patches, transformer and stem come from ImageNet.

    Parameters
    ----------
    loaded : LoadedModel
        The model, whose MoE, decoder and head stay as they are. It is not changed.
    path : Path
        A ``ViT-B_16.npz``, ``R50+ViT-B_16.npz`` or the like.

    Raises
    ------
    CheckpointError
        When the weights are of a network of another shape.

    Notes
    -----
    The class token's position is dropped; positions of another grid are resized
    bilinearly.

    References
    ----------
    .. [1] Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021,
       arXiv:2010.11929.
    """
    config = loaded.config
    if not isinstance(config, ViTConfig):
        raise CheckpointError(f"{path.name} is for 2D networks, and the model is 3D")
    arrays = read_imagenet(path)
    try:
        named = dict(_published(arrays, config))
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path.name} does not fit a network of {config.depth} blocks of width "
            f"{config.width} and {config.n_heads} heads"
            f"{' behind a ResNet' if config.stem else ''}: {_first_line(error)}"
        ) from error
    rows = [
        row
        for row in ARCHITECTURES[loaded.architecture].names(config)
        if set(row.published) <= set(named)
    ]
    module = copy.deepcopy(loaded.module)
    state = module.state_dict()
    for name, tensor in from_published(rows, named).items():
        if state[name].shape != tensor.shape:
            raise CheckpointError(
                f"{path.name}: {name} is {tuple(tensor.shape)}, where the network has "
                f"{tuple(state[name].shape)}"
            )
        state[name] = tensor
    module.load_state_dict(state)
    return replace(loaded, network=cast("Network", module))


def _first_line(error: Exception) -> str:
    """Return what went wrong; a KeyError says nothing but the name that is missing."""
    if isinstance(error, KeyError):
        return f"{missing(error)} is missing"
    return printable(reason(error))


def _published(arrays: Arrays, config: ViTConfig) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors under their published names."""
    if (_ROOT in arrays) != (config.stem is not None):
        raise ValueError("one of the two has a ResNet, the other has none")

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(arrays[name]))

    def kernel(name: str) -> Tensor:
        return tensor(f"{name}/kernel").permute(3, 2, 0, 1)  # HWIO to OIHW

    embedding = "transformer.embeddings.patch_embeddings"
    yield f"{embedding}.weight", kernel("embedding")
    yield f"{embedding}.bias", tensor("embedding/bias")
    yield POSITIONS, _positions(tensor(_POSITIONS), config.grid)
    for ours, theirs in _norms(config):
        yield f"{ours}.weight", tensor(f"{theirs}/scale").flatten()
        yield f"{ours}.bias", tensor(f"{theirs}/bias").flatten()
    for block in range(config.depth):
        ours, theirs = f"{_LAYER}{block}.", f"Transformer/encoderblock_{block}/"
        for part in ("query", "key", "value", "out"):
            weight = tensor(f"{theirs}{_ATTENTION}/{part}/kernel")
            heads = weight.shape[0 if part == "out" else 1]
            if heads != config.n_heads:
                raise ValueError(f"it has {heads} heads")
            square = weight.reshape(config.width, config.width)
            yield f"{ours}attn.{part}.weight", square.T
            bias = tensor(f"{theirs}{_ATTENTION}/{part}/bias")
            yield f"{ours}attn.{part}.bias", bias.flatten()
        for layer in (0, 1):
            dense = f"{theirs}MlpBlock_3/Dense_{layer}"
            yield f"{ours}ffn.fc{layer + 1}.weight", tensor(f"{dense}/kernel").T
            yield f"{ours}ffn.fc{layer + 1}.bias", tensor(f"{dense}/bias")
    for ours, theirs in _convs(config):
        yield f"{ours}.weight", kernel(theirs)


def _norms(config: ViTConfig) -> Iterator[tuple[str, str]]:
    yield "transformer.encoder.encoder_norm", "Transformer/encoder_norm"
    for block in range(config.depth):
        ours, theirs = f"{_LAYER}{block}.", f"Transformer/encoderblock_{block}/"
        yield f"{ours}attention_norm", f"{theirs}LayerNorm_0"
        yield f"{ours}ffn_norm", f"{theirs}LayerNorm_2"
    for ours, theirs, is_first in _units(config):
        for norm in ("gn1", "gn2", "gn3", *(("gn_proj",) if is_first else ())):
            yield f"{ours}{norm}", f"{theirs}{norm}"
    if config.stem is not None:
        yield f"{HYBRID}root.gn", "gn_root"


def _convs(config: ViTConfig) -> Iterator[tuple[str, str]]:
    if config.stem is not None:
        yield f"{HYBRID}root.conv", "conv_root"
    for ours, theirs, is_first in _units(config):
        for conv in ("conv1", "conv2", "conv3"):
            yield f"{ours}{conv}", f"{theirs}{conv}"
        if is_first:
            yield f"{ours}downsample", f"{theirs}conv_proj"


def _units(config: ViTConfig) -> Iterator[tuple[str, str, bool]]:
    """Yield both prefixes of each unit, and whether it is the first of its stage."""
    for stage, n_units in enumerate(config.stem.units if config.stem else (), start=1):
        for unit in range(1, n_units + 1):
            ours = f"{HYBRID}body.block{stage}.unit{unit}."
            yield ours, f"block{stage}/unit{unit}/", unit == 1


def _positions(positions: Tensor, grid: int) -> Tensor:
    """Drop the class token's position, and resize the others (1, N, H) to a grid."""
    tokens = positions[:, 1:]
    side = round(tokens.shape[1] ** 0.5)
    if side**2 != tokens.shape[1]:
        raise ValueError(f"{tokens.shape[1]} positions are no square grid")
    planes = tokens.unflatten(1, (side, side)).movedim(-1, 1)
    if side != grid:
        planes = F.interpolate(planes, (grid, grid), mode="bilinear")
    resized: Tensor = planes.flatten(2).transpose(1, 2)
    return resized
