"""A vision transformer in double precision, image by image and head by head, and files of its tensors.

`Arrays` are the tensors of a network; the functions after it give them the names of its publishers.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.special
import torch

WIDTH, HEADS, PATCH, SIDE, DEPTH, HIDDEN = 24, 3, 4, 5, 3, 40
"""Heads of 8 channels, and a grid of 5 x 5 patches of 4 pixels."""

Arrays = dict[str, np.ndarray]


class Network(NamedTuple):
    """The switches of a network, as its own code states them."""

    name: str
    registers: int = 0
    has_class: bool = True
    positions: str = "class and patches"
    """What the grid has vectors for; "rotary" without one, "patches" without the class token."""
    interpolate: dict[str, Any] | None = None
    """How torch resizes the grid; the sizes are divided by the side, plus this "offset", if it is stated."""
    activation: str = "gelu"
    epsilon: float = 1e-6
    has_scales: bool = False
    has_pre_norm: bool = False


BICUBIC = {"mode": "bicubic", "align_corners": False}
NETWORKS = {
    "dino": Network("dino", interpolate={"mode": "bicubic", "offset": 0.1}),
    "mae": Network("mae", interpolate=BICUBIC),
    "dinov2": Network("dinov2", interpolate={"mode": "bicubic", "offset": 0.1}, has_scales=True),
    "swiglu": Network(
        "dinov2", interpolate={"mode": "bicubic", "offset": 0.1}, has_scales=True, activation="swiglu"
    ),
    "dinov2_reg": Network("dinov2_reg", 4, interpolate={**BICUBIC, "antialias": True}, has_scales=True),
    "timm_reg": Network(
        "dinov2_reg", 4, positions="patches", interpolate={**BICUBIC, "antialias": True}, has_scales=True
    ),
    "dinov3": Network("dinov3", 4, positions="rotary", epsilon=1e-5, has_scales=True),
    "clip": Network("clip", interpolate=BICUBIC, activation="quick_gelu", epsilon=1e-5, has_pre_norm=True),
    "siglip": Network(
        "siglip", has_class=False, positions="patches", interpolate=BICUBIC, activation="gelu_tanh"
    ),
    "tips": Network(
        "tips", 1, interpolate={"mode": "bilinear", "align_corners": False, "antialias": True}, has_scales=True
    ),
}


def random_arrays(network: Network, rng: np.random.Generator) -> Arrays:
    """Draw all tensors of a network, in the publishers' shapes."""

    def draw(*shape: int, scale: float = 0.3, mean: float = 0.0) -> np.ndarray:
        return (mean + scale * rng.standard_normal(shape)).astype(np.float32)

    arrays = {
        "patch": draw(WIDTH, 3, PATCH, PATCH, scale=0.1),
        "norm": draw(WIDTH, mean=1),
        "norm_b": draw(WIDTH),
    }
    if not network.has_pre_norm:
        arrays["patch_b"] = draw(WIDTH)
    else:
        arrays |= {"pre_norm": draw(WIDTH, mean=1), "pre_norm_b": draw(WIDTH)}
    if network.has_class:
        arrays["class"] = draw(1, 1, WIDTH)
    if network.registers:
        arrays["registers"] = draw(1, network.registers, WIDTH)
    if network.positions != "rotary":
        arrays["positions"] = draw(1, SIDE**2 + (network.positions == "class and patches"), WIDTH)
    if network.name == "mae":
        arrays["positions"][:, 0] = 0
    hidden = HIDDEN * (2 if network.activation == "swiglu" else 1)
    for i in range(DEPTH):
        block = {
            **{"norm1": draw(WIDTH, mean=1), "norm1_b": draw(WIDTH), "norm2": draw(WIDTH, mean=1)},
            **{"norm2_b": draw(WIDTH), "qkv": draw(3 * WIDTH, WIDTH), "qkv_b": draw(3 * WIDTH)},
            **{"out": draw(WIDTH, WIDTH), "out_b": draw(WIDTH), "up": draw(hidden, WIDTH)},
            **{"up_b": draw(hidden), "down": draw(WIDTH, HIDDEN), "down_b": draw(WIDTH)},
        }
        if network.has_scales:
            block |= {"scale1": draw(WIDTH), "scale2": draw(WIDTH)}
        if network.positions == "rotary":
            block["qkv_b"][WIDTH : 2 * WIDTH] = 0
        arrays |= {f"{i}/{name}": array for name, array in block.items()}
    return arrays


def blocks(image: np.ndarray, arrays: Arrays, network: Network) -> list[Arrays]:
    """Compute output, query, key, value and normed output ``[token, width]`` of every block."""
    arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    rows, columns = (side // PATCH for side in image.shape[:2])
    tokens = []
    for row in range(rows):
        for column in range(columns):
            patch = image[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
            token = np.einsum("cijk,jki->c", arrays["patch"], patch.astype(np.float64))
            tokens.append(token + arrays.get("patch_b", 0))
    x = np.stack(tokens)
    prefix = [arrays["class"][0]] if network.has_class else []
    if network.positions != "rotary":
        x = x + _positions(arrays["positions"][0][-(SIDE**2) :], (rows, columns), network.interpolate or {})
        if network.positions == "class and patches":
            prefix = [arrays["class"][0] + arrays["positions"][0][:1]]
    if network.registers:
        prefix.append(arrays["registers"][0])
    x = np.concatenate([*prefix, x])
    if network.has_pre_norm:
        x = _norm(x, arrays["pre_norm"], arrays["pre_norm_b"], network)
    found = []
    for i in range(DEPTH):
        block = {name.removeprefix(f"{i}/"): a for name, a in arrays.items() if name.startswith(f"{i}/")}
        record = _block(x, block, network, (rows, columns))
        x = record["output"]
        record["normed"] = _norm(x, arrays["norm"], arrays["norm_b"], network)
        found.append(record)
    return found


def _positions(grid: np.ndarray, size: tuple[int, int], options: dict[str, Any]) -> np.ndarray:
    if size == (SIDE, SIDE):
        return grid
    options = dict(options)
    offset = options.pop("offset", None)
    target = {"size": size} if offset is None else {"scale_factor": [(n + offset) / SIDE for n in size]}
    maps = torch.from_numpy(grid.reshape(1, SIDE, SIDE, WIDTH)).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(maps, **options, **target)
    return resized.permute(0, 2, 3, 1).reshape(-1, WIDTH).numpy()


def _block(x: np.ndarray, block: Arrays, network: Network, grid: tuple[int, int]) -> Arrays:
    n = _norm(x, block["norm1"], block["norm1_b"], network)
    query, key, value = np.split(n @ block["qkv"].T + block["qkv_b"], 3, axis=1)
    mixed = []
    for head in range(HEADS):
        channels = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
        q, k = query[:, channels], key[:, channels]
        if network.positions == "rotary":
            q, k = _rotated(q, grid), _rotated(k, grid)
        weights = scipy.special.softmax(q @ k.T / np.sqrt(q.shape[1]), axis=1)
        mixed.append(weights @ value[:, channels])
    x = x + block.get("scale1", 1) * (np.concatenate(mixed, axis=1) @ block["out"].T + block["out_b"])
    up = _norm(x, block["norm2"], block["norm2_b"], network) @ block["up"].T + block["up_b"]
    down = _activated(up, network.activation) @ block["down"].T + block["down_b"]
    x = x + block.get("scale2", 1) * down
    return {"output": x, "query": query, "key": key, "value": value}


def _activated(x: np.ndarray, name: str) -> np.ndarray:
    if name == "swiglu":
        gate, other = np.split(x, 2, axis=1)
        return gate * scipy.special.expit(gate) * other
    if name == "gelu_tanh":
        return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x * (scipy.special.expit(1.702 * x) if name == "quick_gelu" else scipy.special.ndtr(x))


def _norm(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, network: Network) -> np.ndarray:
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + network.epsilon) * scale + shift


def _rotated(x: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Turn pairs of numbers as complex numbers; half of the pairs by the row, half by the column."""
    rows, columns = grid
    half, quarter = x.shape[1] // 2, x.shape[1] // 4
    x = x.copy()
    first = len(x) - rows * columns
    for token in range(first, len(x)):
        row, column = divmod(token - first, columns)
        place = (2 * (row + 0.5) / rows - 1, 2 * (column + 0.5) / columns - 1)
        for pair in range(half):
            period = 100 ** (2 * (pair % quarter) / half)
            angle = 2 * np.pi * place[pair // quarter] / period
            turned = complex(x[token, pair], x[token, pair + half]) * np.exp(1j * angle)
            x[token, pair], x[token, pair + half] = turned.real, turned.imag
    return x


def facebook_names(arrays: Arrays) -> Arrays:
    """Name tensors as the code of DINO, MAE, DINOv2, DINOv3 and TIPS, and timm, do."""
    rotary = "positions" not in arrays
    outside = {
        **{"patch": "patch_embed.proj.weight", "patch_b": "patch_embed.proj.bias", "norm": "norm.weight"},
        **{"norm_b": "norm.bias", "class": "cls_token", "positions": "pos_embed"},
        **{"pre_norm": "norm_pre.weight", "pre_norm_b": "norm_pre.bias"},
        "registers": "storage_tokens" if rotary else "register_tokens",
    }
    inside = {"out": "attn.proj", "up": "mlp.fc1", "down": "mlp.fc2", "qkv": "attn.qkv"}
    named = {}
    for name, array in arrays.items():
        number, _, part = name.rpartition("/")
        if not number:
            named[outside[name]] = array
            continue
        stem, is_bias = part.removesuffix("_b"), part.endswith("_b")
        if stem.startswith("scale"):
            named[f"blocks.{number}.ls{stem[-1]}.gamma"] = array
        else:
            named[f"blocks.{number}.{inside.get(stem, stem)}.{'bias' if is_bias else 'weight'}"] = array
    if rotary:
        for i in range(DEPTH):
            mask = np.repeat([1, 0, 1], WIDTH).astype(np.float32)
            named[f"blocks.{i}.attn.qkv.bias_mask"] = mask
            # What the mask hides does not matter.
            named[f"blocks.{i}.attn.qkv.bias"] = np.where(mask, arrays[f"{i}/qkv_b"], np.float32(7))
    return named


def clip_names(arrays: Arrays) -> Arrays:
    """Name tensors as CLIP and SigLIP are named in the library ``transformers``."""
    outside = {
        "patch": "embeddings.patch_embedding.weight",
        "patch_b": "embeddings.patch_embedding.bias",
        "positions": "embeddings.position_embedding.weight",
        "class": "embeddings.class_embedding",
        **{"norm": "post_layernorm.weight", "norm_b": "post_layernorm.bias"},
        **{"pre_norm": "pre_layrnorm.weight", "pre_norm_b": "pre_layrnorm.bias"},
    }
    inside = {"out": "self_attn.out_proj", "up": "mlp.fc1", "down": "mlp.fc2"}
    inside |= {"norm1": "layer_norm1", "norm2": "layer_norm2"}
    named = {}
    for name, array in arrays.items():
        number, _, part = name.rpartition("/")
        if not number:
            named[outside[name]] = array.reshape(array.shape[-2:]) if array.ndim == 3 else array
            continue
        stem, ending = part.removesuffix("_b"), "bias" if part.endswith("_b") else "weight"
        if stem == "qkv":
            for letter, third in zip("qkv", np.split(array, 3), strict=True):
                named[f"encoder.layers.{number}.self_attn.{letter}_proj.{ending}"] = third
        else:
            named[f"encoder.layers.{number}.{inside[stem]}.{ending}"] = array
    return {f"vision_model.{name}": array for name, array in named.items()}
