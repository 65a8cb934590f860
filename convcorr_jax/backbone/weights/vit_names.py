"""Which vision transformer a file is, and what its tensors' names mean.

Names are those of the projects' own code (facebookresearch, open_clip, TIPS), timm's, and those of Hugging
Face's ``transformers``. The network is known by what its file contains, in this order:

    normalisation before the first block        CLIP
    neither a grid of positions nor a class     refused
    no grid of positions                        DINOv3
    no class token                              SigLIP
    one register; several                       TIPS; DINOv2 with registers
    scales of the branches                      DINOv2 (Franca's files are alike, and so is what they compute)
    zeros as the class token's position         MAE
    none of these                               DINO

The number of heads is not stored: heads have 64 channels in all published networks but the largest, which
`_HEADS` lists. The activation is not stored either; CLIP's is OpenAI's unless a configuration names another.
"""

import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from convcorr_jax.backbone.networks import IMAGENET, Network, Preprocessing, ViT, vit_network
from convcorr_jax.backbone.weights.tensors import TensorFile
from convcorr_jax.errors import InputError

# What a name is, outside of blocks and in them, without the ``.weight`` and ``.bias`` of layers.
_OUTSIDE = {
    "patch": (
        *("patch_embed.proj", "embeddings.patch_embeddings.projection", "embeddings.patch_embeddings"),
        *("embeddings.patch_embedding", "conv1"),
    ),
    "class": ("cls_token", "embeddings.cls_token", "embeddings.class_embedding", "class_embedding"),
    "registers": ("register_tokens", "reg_token", "storage_tokens", "embeddings.register_tokens"),
    "positions": (
        *("pos_embed", "embeddings.position_embeddings", "embeddings.position_embedding.weight"),
        "positional_embedding",
    ),
    # The results of computations with the positions in exported graphs.
    "class_position": ("embeddings.Concat_6",),
    "patch_positions": ("embeddings.Reshape_1",),
    "pre_norm": ("norm_pre", "pre_layrnorm", "ln_pre"),
    "norm": ("norm", "layernorm", "post_layernorm", "ln_post"),
}
_INSIDE = {
    "norm1": ("norm1", "layernorm_before", "layer_norm1", "ln_1"),
    "qkv": ("attn.qkv", "attn.in_proj"),
    "query": ("attention.attention.query", "attention.q_proj", "self_attn.q_proj"),
    "key": ("attention.attention.key", "attention.k_proj", "self_attn.k_proj"),
    "value": ("attention.attention.value", "attention.v_proj", "self_attn.v_proj"),
    "out": (
        *("attn.proj", "attention.output.dense", "attention.o_proj", "self_attn.out_proj"),
        "attn.out_proj",
    ),
    "scale1": ("ls1.gamma", "gamma_1", "layer_scale1.lambda1"),
    "norm2": ("norm2", "layernorm_after", "layer_norm2", "ln_2"),
    "up": ("mlp.fc1", "mlp.c_fc", "intermediate.dense", "mlp.up_proj", "mlp.w2", "mlp.fc1_x"),
    "gate": ("mlp.gate_proj", "mlp.w1", "mlp.fc1_g"),
    "gated": ("mlp.w12", "mlp.weights_in"),
    "down": ("mlp.fc2", "mlp.c_proj", "output.dense", "mlp.down_proj", "mlp.w3", "mlp.weights_out"),
    "scale2": ("ls2.gamma", "gamma_2", "layer_scale2.lambda1"),
    # DINOv3's zeros at the biases of keys, and timm's biases beside one matrix.
    "bias_mask": ("attn.qkv.bias_mask",),
    **{"query.bias": ("attn.q_bias",), "key.bias": ("attn.k_bias",), "value.bias": ("attn.v_bias",)},
}
_OUTSIDE_NAMES = {name: role for role, names in _OUTSIDE.items() for name in names}
_INSIDE_NAMES = {name: role for role, names in _INSIDE.items() for name in names}
_BLOCK = re.compile(r"(?:blocks|encoder\.layers?|layer|transformer\.resblocks)\.(\d{1,3})\.(.+)")
_PART = re.compile(r"(.+?)[._](weight|bias)")
# Tensors of networks that were trained further, with other preprocessing; DINO's and MAE's files have none.
_CLASSIFIERS = ("head.weight", "classifier.weight", "pooler.dense.weight", "fc_norm.weight")

_HEADS = {("dinov3", 1280): 20, ("dinov3", 4096): 32, ("dinov2", 1152): 16}
_WIDE_HEADS = {1152: 16, 1280: 16, 1408: 16, 1664: 16}
DEFAULT_HEAD = 64
"""Channels of a head."""
_SIZES = {192: "ti", 384: "s", 768: "b", 1024: "l", 1152: "so400m", 1280: "h", 1536: "g", 4096: "7b"}

_CLIP = Preprocessing(
    bgr=False,
    mean=(0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255),
    deviation=(0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255),
)
_HALF = Preprocessing(bgr=False, mean=(127.5, 127.5, 127.5), deviation=(127.5, 127.5, 127.5))
_UNIT = Preprocessing(bgr=False, mean=(0.0, 0.0, 0.0), deviation=(255.0, 255.0, 255.0))


class _Kind(NamedTuple):
    """What the networks of a project share."""

    preprocessing: Preprocessing = IMAGENET
    resize: Literal["size", "offset", "antialias", "bilinear"] = "size"
    activation: Literal["gelu", "gelu_tanh", "quick_gelu"] = "gelu"
    epsilon: float = 1e-6


# By their names in `transformers`.
_ACTIVATIONS: dict[str, Literal["gelu", "gelu_tanh", "quick_gelu"]] = {
    **{"gelu": "gelu", "quick_gelu": "quick_gelu", "gelu_pytorch_tanh": "gelu_tanh"}
}

_KINDS = {
    "clip": _Kind(_CLIP, activation="quick_gelu", epsilon=1e-5),
    "dinov3": _Kind(epsilon=1e-5),
    "siglip": _Kind(_HALF, activation="gelu_tanh"),
    "tips": _Kind(_UNIT, "bilinear"),
    "dinov2_reg": _Kind(resize="antialias"),
    "dinov2": _Kind(resize="offset"),
    "mae": _Kind(),
    "dino": _Kind(resize="offset"),
}
# The side of the images of DINOv3's training; of others it is that of the grid of positions.
_DINOV3_CELLS = 16


class Named(NamedTuple):
    """The names in a file of the tensors of a vision transformer."""

    file: TensorFile
    outside: dict[str, str]
    """Names by role, such as ``patch.weight``."""
    blocks: list[dict[str, str]]
    others: frozenset[str]
    """What follows the same prefix and has no role."""

    def shape(self, role: str) -> tuple[int, ...]:
        """Return the shape of a tensor outside of blocks.

        Raises:
            InputError: the file has no such tensor.
        """
        if role not in self.outside:
            raise InputError(f"{self.file.path} has no {role} of a vision transformer")
        return self.file.shapes[self.outside[role]]


def is_vit(file: TensorFile) -> bool:
    """Return whether a file has tensors of vision transformers, known here or not."""
    return bool(_prefixes(file.shapes))


def _prefixes(names: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return what precedes the names of networks in a file: dictionaries, wrappers, parts of larger models."""
    found = []
    for stem in _OUTSIDE["patch"]:
        found += [
            name.removesuffix(f"{stem}.weight")
            for name in names
            if name == f"{stem}.weight" or name.endswith((f".{stem}.weight", f"/{stem}.weight"))
        ]
    return [
        prefix for prefix in dict.fromkeys(found) if any(_BLOCK.match(n.removeprefix(prefix)) for n in names)
    ]


def named_tensors(file: TensorFile) -> Named:
    """Find the vision transformer among the tensors of a file.

    Raises:
        InputError: there is none, or several, or one with other parts than those known here.
    """
    prefixes = _prefixes(file.shapes)
    if not prefixes:
        some = ", ".join(list(file.shapes)[:4]) or "none"
        raise InputError(f"{file.path} is no vision transformer known here; its first tensors are {some}")
    if len(prefixes) > 1:
        listed = ", ".join(prefix or "(no prefix)" for prefix in prefixes)
        raise InputError(f"{file.path} has several networks, {listed}; one is expected")
    outside: dict[str, str] = {}
    blocks: dict[int, dict[str, str]] = {}
    others = []
    for name in file.shapes:
        if not name.startswith(prefixes[0]):
            continue
        plain = name.removeprefix(prefixes[0])
        if inside := _BLOCK.match(plain):
            role = _role(inside[2], _INSIDE_NAMES)
            if role is None:
                raise InputError(f"{name} in {file.path} is of no vision transformer known here")
            blocks.setdefault(int(inside[1]), {})[role] = name
        elif role := _role(plain, _OUTSIDE_NAMES):
            outside[role] = name
        else:
            others.append(plain)
    if sorted(blocks) != list(range(len(blocks))):
        raise InputError(f"{file.path} has blocks {sorted(blocks)}; numbers from 0 without gaps are expected")
    every = dict.fromkeys(role for names in blocks.values() for role in names)
    for number, names in blocks.items():
        absent = [role for role in every if role not in names]
        if absent:
            raise InputError(f"block {number} in {file.path} has no {absent[0]}, which another block has")
    return Named(file, outside, [blocks[i] for i in range(len(blocks))], frozenset(others))


def _role(name: str, roles: Mapping[str, str]) -> str | None:
    if name in roles:
        return roles[name]
    part = _PART.fullmatch(name)
    return f"{roles[part[1]]}.{part[2]}" if part and part[1] in roles else None


def _kind(named: Named) -> str:
    outside, path = named.outside, named.file.path
    has_positions = "positions" in outside or "patch_positions" in outside
    if "pre_norm.weight" in outside:
        return "clip"
    if not has_positions:
        if "class" not in outside:
            raise InputError(f"{path} has neither positions nor a class token, as no network known here")
        return "dinov3"
    if "class" not in outside:
        return "siglip"
    if registers := _registers(named):
        return "tips" if registers == 1 else "dinov2_reg"
    if "scale1" in named.blocks[0]:
        return "dinov2"
    further = [name for name in _CLASSIFIERS if name in named.others]
    if further:
        raise InputError(
            f"{path} has {further[0]}, which neither DINO nor MAE has: its preprocessing is not known here"
        )
    is_mae = "positions" in outside and not _first_position(named).any()
    return "mae" if is_mae else "dino"


def _first_position(named: Named) -> np.ndarray:
    name = named.outside["positions"]
    return named.file.read([name])[name].reshape(-1, named.file.shapes[name][-1])[0]


def network_of(named: Named, *, heads: int | None = None, activation: str | None = None) -> Network:
    """Return the table that the shapes of the patches, the positions and the first block imply.

    Args:
        heads: the number of heads; by default that of the published networks of this width.
        activation: the name of the activation in ``transformers``, if it is known.

    Raises:
        InputError: the shapes are not those of a network known here.
    """
    path, outside = named.file.path, named.outside
    patch = named.shape("patch.weight")
    if len(patch) != 4 or patch[1] != 3 or patch[2] != patch[3]:
        raise InputError(f"the patches in {path} have shape {patch}; (width, 3, side, side) is expected")
    width, _, side, _ = patch
    kind = _kind(named)
    heads = heads or _HEADS.get((kind, width)) or _WIDE_HEADS.get(width) or width // DEFAULT_HEAD
    if heads < 1 or width % heads:
        raise InputError(f"{path} has tokens of {width} channels, which are not those of {heads} heads")
    cells = None if kind == "dinov3" else _grid_side(named, width)
    traits = _KINDS[kind]
    gated = bool({"gate.weight", "gated.weight"} & named.blocks[0].keys()) or _is_packed(named)
    if not (gated or activation in (None, *_ACTIVATIONS)):
        raise InputError(f"{path} has the activation {activation!r}; {', '.join(_ACTIVATIONS)} are known here")
    vit = ViT(
        patch_px=side,
        width=width,
        depth=len(named.blocks),
        heads=heads,
        prefix=int("class" in outside) + _registers(named),
        grid=cells,
        resize=traits.resize,
        activation="swiglu" if gated else _ACTIVATIONS[activation] if activation else traits.activation,
        epsilon=traits.epsilon,
    )
    name = f"{kind}_{_SIZES.get(width, f'w{width}_')}{side}"
    return vit_network(name, vit, traits.preprocessing, image_side=side * (cells or _DINOV3_CELLS))


def _registers(named: Named) -> int:
    return math.prod(named.shape("registers")[:-1]) if "registers" in named.outside else 0


def _grid_side(named: Named, width: int) -> int:
    role = "positions" if "positions" in named.outside else "patch_positions"
    count = math.prod(named.shape(role)[:-1])
    side = math.isqrt(count)
    # All tokens have positions, or all but the class token; two numbers in a row are no squares.
    if side**2 != count and "class" in named.outside:
        side = math.isqrt(count - 1)
    if count - side**2 not in (0, 1) or side < 1 or named.shape(role)[-1] != width:
        raise InputError(
            f"{named.file.path} has positions of shape {named.shape(role)}, which are no square grid"
        )
    return side


def _is_packed(named: Named) -> bool:
    """Return whether gate and other are packed into fc1, which then has twice as many outputs as fc2 inputs."""
    shapes = [named.file.shapes.get(named.blocks[0].get(f"{role}.weight", ""), ()) for role in ("up", "down")]
    return all(len(shape) == 2 for shape in shapes) and shapes[0][0] == 2 * shapes[1][1]
