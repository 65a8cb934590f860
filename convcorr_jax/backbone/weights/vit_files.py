"""Reader of the official files of vision transformers; `vit_names` knows their tensors' names.

Parameters are brought into the form that `convcorr_jax.backbone.vit` computes with: kernels from inputs to
outputs, queries, keys and values side by side, scales multiplied into the layers before them, the class token's
position added to it, and absent biases 0.
"""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax.backbone.networks import Network, Params, ViT
from convcorr_jax.backbone.vit import Blocks, Dense, Norm
from convcorr_jax.backbone.weights.tensors import open_tensors
from convcorr_jax.backbone.weights.vit_names import DEFAULT_HEAD, Named, named_tensors, network_of
from convcorr_jax.errors import InputError
from convcorr_jax.io import json_file

_ATTENTION = ("query", "key", "value")
_Arrays = Mapping[str, np.ndarray]


def read_vit(path: str | Path, *, heads: int | None = None) -> tuple[Network, Params]:
    """Read the parameters of a vision transformer, and make the table of the network that they are of.

    A ``config.json`` of ``transformers`` or timm beside the file, or open_clip's ``open_clip_config.json``,
    states the number of heads and the activation, which no tensor does.

    Args:
        heads: the number of heads; by default that of the configuration, or else of the published networks of
            this width.

    Raises:
        InputError: the file is damaged or in no known format; it is not a vision transformer, or one of another
            architecture than those known here; it lacks a tensor, or one has another shape than the others
            imply or holds values that are not finite.
    """
    named = named_tensors(open_tensors(path))
    config = _configuration(named)
    network = network_of(named, heads=heads or config.heads, activation=config.activation)
    assert network.vit is not None
    arrays = named.file.read([name for names in (named.outside, *named.blocks) for name in names.values()])
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{name} in {path} holds values that are not finite")
    outside = {role: arrays[name] for role, name in named.outside.items()}
    check = _Checker(path)
    params = _outside(outside, network.vit, check)
    gated = network.vit.activation == "swiglu"
    blocks = [
        _block({role: arrays[name] for role, name in block.items()}, network.vit.width, check, gated=gated)
        for block in named.blocks
    ]
    for number, block in enumerate(blocks):
        if jax.tree.map(np.shape, block) != jax.tree.map(np.shape, blocks[0]):
            raise InputError(f"block {number} in {path} has other shapes than block 0")
    params["blocks"] = jax.tree.map(lambda *x: np.stack(x), *blocks)
    return network, jax.tree.map(lambda x: jnp.asarray(np.ascontiguousarray(x)), params)


class _Configuration(NamedTuple):
    """What a configuration states beside the tensors; None if it does not."""

    heads: Any = None
    activation: Any = None


def _configuration(named: Named) -> _Configuration:
    """Read the configuration that ``transformers``, timm or open_clip store beside a file of this width."""
    is_open_clip = named.outside["patch.weight"].endswith("conv1.weight")
    path = named.file.path.with_name("open_clip_config.json" if is_open_clip else "config.json")
    if not path.is_file():
        return _Configuration()
    found, width = _Configuration(), named.shape("patch.weight")[0]
    with json_file(path, "configuration") as values:
        match values:
            case {"model_cfg": {"vision_cfg": {"width": stated, **inner}, **outer}} if stated == width:
                heads = width // max(1, inner.get("head_width", DEFAULT_HEAD))
                found = _Configuration(heads, "quick_gelu" if outer.get("quick_gelu") else "gelu")
            case {"architecture": str(name)} if "clip" in name and "siglip" not in name:
                found = _Configuration(activation="quick_gelu" if "quickgelu" in name else "gelu")
            case {"vision_config": {**inner}} | {**inner} if inner.get("hidden_size", width) == width:
                found = _Configuration(inner.get("num_attention_heads"), inner.get("hidden_act"))
    if type(found.heads) not in (int, NoneType) or type(found.activation) not in (str, NoneType):
        raise InputError(f"{path} has no number of heads or no name of an activation where they are expected")
    return found


def _outside(arrays: _Arrays, vit: ViT, check: "_Checker") -> dict[str, Any]:
    width, side = vit.width, vit.patch_px
    kernel = check(arrays, "patch.weight", (width, 3, side, side)).transpose(2, 3, 1, 0).reshape(-1, width)
    is_clip = "pre_norm.weight" in arrays
    params: dict[str, Any] = {
        # CLIP's patches have none.
        "patch": Dense(kernel, check(arrays, "patch.bias", (width,), absent=0.0 if is_clip else None)),
        "norm": check.norm(arrays, "norm", width),
    }
    if is_clip:
        params["pre_norm"] = check.norm(arrays, "pre_norm", width)
    first = check.rows(arrays, "class", width)
    if vit.grid is not None:
        role = "patch_positions" if "patch_positions" in arrays else "positions"
        patches = check.rows(arrays, role, width)
        of_class = np.concatenate([check.rows(arrays, "class_position", width), patches[: -(vit.grid**2)]])
        # timm has added the position to some class tokens.
        first = first + of_class if len(of_class) else first
        params["positions"] = patches[-(vit.grid**2) :].reshape(vit.grid, vit.grid, width)
    params["prefix"] = np.concatenate([first, check.rows(arrays, "registers", width)])
    if len(params["prefix"]) != vit.prefix:
        raise InputError(
            f"{check.path} has {len(params['prefix'])} tokens before the patches, not {vit.prefix}"
        )
    return params


class _Checker:
    """Returns arrays by role, of the shapes that the width implies."""

    def __init__(self, path: str | Path) -> None:
        self.path = path

    def __call__(
        self, arrays: _Arrays, role: str, shape: tuple[int | None, ...], *, absent: float | None = None
    ) -> np.ndarray:
        if role not in arrays:
            if absent is None:
                raise InputError(f"{self.path} has no {role} of a vision transformer")
            return np.full([length or 0 for length in shape], absent, np.float32)
        found = arrays[role].shape
        fits = len(found) == len(shape) and all(b in (None, a) for a, b in zip(found, shape, strict=True))
        if not fits:
            expected = tuple("any" if length is None else length for length in shape)
            raise InputError(f"{role} in {self.path} has shape {found}; {expected} is expected")
        return arrays[role]

    def rows(self, arrays: _Arrays, role: str, width: int) -> np.ndarray:
        """Return tokens ``[n, width]``, none if they are absent."""
        found = arrays.get(role, np.zeros((0, width), np.float32))
        if found.shape[-1:] != (width,):
            raise InputError(f"{role} in {self.path} has shape {found.shape}; (..., {width}) is expected")
        return found.reshape(-1, width)

    def norm(self, arrays: _Arrays, role: str, width: int) -> Norm:
        """Return scale and shift."""
        return Norm(self(arrays, f"{role}.weight", (width,)), self(arrays, f"{role}.bias", (width,)))

    def dense(self, arrays: _Arrays, role: str, shape: tuple[int | None, int | None]) -> Dense:
        """Return the kernel, transposed from ``shape``, and the bias; attention may have none, which is 0."""
        kernel = self(arrays, f"{role}.weight", shape)
        absent = 0.0 if role in ("qkv", *_ATTENTION) else None
        return Dense(kernel.T, self(arrays, f"{role}.bias", kernel.shape[:1], absent=absent))


def _block(arrays: _Arrays, width: int, check: _Checker, *, gated: bool) -> Blocks:
    if "qkv.weight" in arrays:
        attention = check.dense(arrays, "qkv", (3 * width, width))
        if "qkv.bias" not in arrays:
            thirds = [check(arrays, f"{role}.bias", (width,), absent=0.0) for role in _ATTENTION]
            attention = attention._replace(bias=np.concatenate(thirds))
        if "bias_mask" in arrays:
            bias = attention.bias.copy()
            bias[width : 2 * width] = 0
            attention = Dense(attention.kernel, bias)
    else:
        parts = [check.dense(arrays, role, (width, width)) for role in _ATTENTION]
        attention = Dense(*(np.concatenate(x, axis=-1) for x in zip(*parts, strict=True)))
    output = _scaled(check.dense(arrays, "out", (width, width)), arrays, "scale1", width, check)
    if "gate.weight" in arrays:
        halves = [check.dense(arrays, role, (None, width)) for role in ("gate", "up")]
        up = Dense(*(np.concatenate(x, axis=-1) for x in zip(*halves, strict=True)))
    else:
        up = check.dense(arrays, "gated" if "gated.weight" in arrays else "up", (None, width))
    hidden = up.kernel.shape[1] // 2 if gated else up.kernel.shape[1]
    down = _scaled(check.dense(arrays, "down", (width, hidden)), arrays, "scale2", width, check)
    norms = [check.norm(arrays, role, width) for role in ("norm1", "norm2")]
    return Blocks(norms[0], attention, output, norms[1], up, down)


def _scaled(dense: Dense, arrays: _Arrays, role: str, width: int, check: _Checker) -> Dense:
    scale = check(arrays, role, (width,), absent=1.0)
    return Dense(dense.kernel * scale[None, :], dense.bias * scale)
