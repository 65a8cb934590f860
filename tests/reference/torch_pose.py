"""The pose cascade's networks in torch, from the papers, with our parameters.

Maps are ``[b, c, h, w]``, windows ``[b, j, c, n, n]``, heat-maps ``[b, j, h, w]``.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# The benchmark's environment of the peers has no JAX.
if TYPE_CHECKING:
    from convcorr_jax.pose import Architecture

Maps = list[torch.Tensor]


def pyramid(images: torch.Tensor, levels: int) -> Maps:
    """Compute locally normalized levels, with two-dimensional windows."""
    found = [normalize(images)]
    for _ in range(levels - 1):
        images = halve(images)
        found.append(normalize(images))
    return found


def normalize(images: torch.Tensor) -> torch.Tensor:
    """Subtract the local mean, divide by the local deviation, floored at its mean over the image."""
    squares = (torch.arange(9.0) - 4) ** 2
    window = torch.exp(-(squares[:, None] + squares[None]) / (2 * (9 / 4) ** 2))[None, None]
    inside = functional.conv2d(torch.ones_like(images[:1, :1]), window, padding=4)

    def local_mean(maps: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(maps.mean(1, keepdim=True), window, padding=4) / inside

    centered = images - local_mean(images)
    deviation = local_mean(centered**2).sqrt()
    return centered / torch.maximum(deviation, deviation.mean((1, 2, 3), keepdim=True))


def halve(images: torch.Tensor) -> torch.Tensor:
    """Blur by the binomial window of four and keep every second pixel."""
    height, width = images.shape[2:]
    padded = functional.pad(images, (1, 1 + width % 2, 1, 1 + height % 2), mode="replicate")
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return functional.conv2d(padded, (taps[:, None] * taps[None]).expand(3, 1, 4, 4), stride=2, groups=3)


class Coarse(nn.Module):
    """The coarse network: from a pyramid to heat-maps and the features that the fine network shares."""

    def __init__(self, architecture: "Architecture", params: dict[str, Any]) -> None:
        super().__init__()
        self.architecture = architecture
        names = [f"stage{i}" for i in range(len(architecture.features))] + ["patch"]
        banks = [params["params"][f"level{level}"] for level in range(architecture.levels)]
        self.banks = nn.ModuleList(nn.ModuleList(_layer(bank, name) for name in names) for bank in banks)
        hidden = [f"hidden{i}" for i in range(len(architecture.hidden) - 1)]
        self.hidden = nn.ModuleList(_layer(params["params"], name) for name in hidden)
        self.joints = _conv(params["params"]["joints"])

    def forward(self, pyramid: Maps) -> tuple[torch.Tensor, Maps]:
        """Compute heat-maps and shared features; in training, drop whole maps."""
        shape = self.architecture
        multiple = shape.pooling * 2 ** (shape.levels - 1)
        height, width = pyramid[0].shape[2:]
        cells = math.ceil(height / shape.pooling), math.ceil(width / shape.pooling)
        total, shared = 0, []
        for level, (maps, bank) in enumerate(zip(pyramid, self.banks, strict=True)):
            whole = [math.ceil(side / multiple) * multiple >> level for side in (height, width)]
            down, right = whole[0] - maps.shape[2], whole[1] - maps.shape[3]
            maps = functional.pad(maps, (0, right, 0, down))
            for stage, pool in enumerate(shape.pools):
                maps = functional.relu(bank[stage](maps))
                if stage < 2:
                    shared.append(maps)
                maps = functional.max_pool2d(maps, pool) if pool > 1 else maps
            patches = functional.relu(bank[-1](maps))
            total = total + functional.interpolate(patches, scale_factor=float(2**level))
        maps = functional.dropout2d(total, shape.spatial_dropout, self.training)
        for layer in self.hidden:
            maps = functional.relu(layer(maps))
        return self.joints(maps)[:, :, : cells[0], : cells[1]], shared


class Fine(nn.Module):
    """The fine network: from windows of the shared features to fine heat-maps."""

    def __init__(self, params: dict[str, Any], banks: int) -> None:
        super().__init__()
        own, detector = params["params"], params["params"]["detector"]
        self.banks = nn.ModuleList(_conv(own[f"bank{i}"]) for i in range(banks))
        self.hidden = nn.ModuleList(_conv(detector[f"hidden{i}"]) for i in range(2))
        self.kernel = nn.Parameter(_tensor(detector["kernel"]))
        self.bias = nn.Parameter(_tensor(detector["bias"]))

    def forward(self, windows: Maps) -> torch.Tensor:
        """Compute the heat-maps of all joints as one batch; only the last layer has weights of each joint."""
        joints, side, total = windows[0].shape[1], windows[0].shape[-1], 0
        for bank, maps in zip(self.banks, windows, strict=True):
            features = functional.relu(bank(maps.flatten(0, 1)))
            total = total + functional.interpolate(features, size=(side, side))
        for layer in self.hidden:
            total = functional.relu(layer(total))
        per_joint = total.unflatten(0, (-1, joints))
        return torch.einsum("bjfhw,fj->bjhw", per_joint, self.kernel) + self.bias[:, None, None]


class SpatialModel(nn.Module):
    """The spatial model: from heat-maps and the torso's map to heat-maps of one person."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__()
        own = params["params"]
        self.prior, self.bias, self.own_bias = (
            nn.Parameter(_tensor(own[name])) for name in ("prior", "bias", "own_bias")
        )

    def forward(self, heatmaps: torch.Tensor, torso: torch.Tensor) -> torch.Tensor:
        """Compute all messages at once, by the Fourier transform."""
        joints, (height, width) = heatmaps.shape[1], heatmaps.shape[2:]
        evidence = functional.relu(torch.cat([heatmaps, torso[:, None]], dim=1))
        others = [[v for v in range(joints + 1) if v != joint] for joint in range(joints)]
        lengths = (3 * height, 3 * width)
        kernels = torch.fft.rfft2(functional.softplus(self.prior), s=lengths)
        messages = torch.fft.irfft2(torch.fft.rfft2(evidence, s=lengths)[:, others] * kernels, s=lengths)
        heard = messages[..., height - 1 : 2 * height - 1, width - 1 : 2 * width - 1]
        own = evidence[:, :-1] + functional.softplus(self.own_bias)[:, None, None]
        likely = functional.relu(heard) + functional.softplus(self.bias)[..., None, None]
        log_p = own.log() + likely.log().sum(dim=2)
        found = (log_p - log_p.amax(dim=(2, 3), keepdim=True)).exp()
        return found * (found * own).amax(dim=(2, 3), keepdim=True)


def windows(maps: torch.Tensor, corners: np.ndarray, *, window_px: int, stride_px: int) -> torch.Tensor:
    """Gather windows by their indices, with zeros beyond the borders."""
    cells = window_px // stride_px
    padded = functional.pad(maps, (cells,) * 4)
    # What is further away than a window's width shows as many zeros.
    last = [maps.shape[3] + cells, maps.shape[2] + cells]
    starts = torch.from_numpy(np.clip(np.asarray(corners) // stride_px + cells, 0, last))
    steps = torch.arange(cells)
    image = torch.arange(len(maps))[:, None, None, None]
    rows = starts[:, :, 1, None, None] + steps[:, None]
    return padded[image, :, rows, starts[:, :, 0, None, None] + steps].permute(0, 1, 4, 2, 3)


def channels_first(maps: np.ndarray) -> torch.Tensor:
    """Convert our ``[..., h, w, c]`` to torch's ``[..., c, h, w]``."""
    return _tensor(np.moveaxis(np.asarray(maps), -1, -3))


def channels_last(maps: torch.Tensor) -> np.ndarray:
    """Convert torch's ``[..., c, h, w]`` to our ``[..., h, w, c]``."""
    return np.moveaxis(maps.detach().numpy(), -3, -1)


def _layer(params: dict[str, Any], name: str) -> nn.Module:
    conv, norm = _conv(params[name]), params.get(f"{name}_norm")
    if norm is None:
        return conv
    count = conv.out_channels
    made = nn.GroupNorm(count // 8, count, eps=1e-6)
    made.weight, made.bias = (nn.Parameter(_tensor(norm[part])) for part in ("scale", "bias"))
    return nn.Sequential(conv, made)


def _conv(layer: dict[str, Any]) -> nn.Conv2d:
    kernel = _tensor(layer["kernel"]).permute(3, 2, 0, 1).contiguous()
    outputs, inputs, side, _ = kernel.shape
    made = nn.Conv2d(inputs, outputs, side, padding=side // 2)
    bias = layer.get("bias")
    made.weight = nn.Parameter(kernel)
    made.bias = None if bias is None else nn.Parameter(_tensor(bias))
    return made


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))


def head(
    architecture: "Architecture", params: dict[str, Any], near: torch.Tensor, wide: torch.Tensor
) -> torch.Tensor:
    """Compute the heat-maps of a coarse network on a front's maps of 8 and of 16 pixels a cell."""
    own, shape = params["params"], architecture
    maps = _with_coordinates(torch.cat([wide, functional.avg_pool2d(near, 2)], dim=1))
    for i in range(len(shape.features)):
        maps = functional.relu(_layer(own, f"wide{i}")(maps))
    maps = functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    maps = _with_coordinates(torch.cat([maps, near], dim=1))
    for i in range(len(shape.hidden)):
        maps = functional.relu(_layer(own, f"near{i}")(maps))
    return _conv(own["joints"])(maps)


def _with_coordinates(maps: torch.Tensor) -> torch.Tensor:
    count, _, height, width = maps.shape
    rows = torch.linspace(-1, 1, height)[:, None].expand(count, 1, height, width)
    columns = torch.linspace(-1, 1, width)[None].expand(count, 1, height, width)
    return torch.cat([maps, columns, rows], dim=1)
