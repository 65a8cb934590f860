"""Slow formulas of ResNet, ConvNeXt and MobileNetV2 in double precision, by torchvision's names of tensors.

Tensors are drawn at random where a formula first needs them, so that `Tensors` holds those of a file.
"""

import math

import numpy as np

Maps = dict[str, np.ndarray]
"""The outputs of layers, ``[row, column, channel]``, by our names."""

MOBILENET = [
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
]


class Tensors(dict[str, np.ndarray]):
    """Tensors by name, in single precision; the formulas read them in double precision."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self.rng = rng

    def draw(self, name: str, shape: tuple[int, ...], *, around: float = 0.0) -> np.ndarray:
        """Return a tensor, which is drawn at its first use."""
        if name not in self:
            spread = math.prod(shape[1:]) ** -0.5 if around == 0 and len(shape) > 1 else 0.2
            self[name] = (around + spread * self.rng.standard_normal(shape)).astype(np.float32)
        return self[name].astype(np.float64)


def convolve(x: np.ndarray, kernel: np.ndarray, *, stride: int = 1, padding: int = 0) -> np.ndarray:
    """Correlate ``[h, w, c]`` with ``[outputs, c or 1, r, r]``; of depth 1, channel by channel."""
    window = kernel.shape[2]
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(0, 1))
    windows = windows[::stride, ::stride]
    if kernel.shape[1] == 1 and x.shape[2] > 1:
        return np.einsum("hwcuv,cuv->hwc", windows, kernel[:, 0])
    return np.einsum("hwcuv,ocuv->hwo", windows, kernel)


def batch_norm(x: np.ndarray, tensors: Tensors, name: str) -> np.ndarray:
    shape = (x.shape[-1],)
    scale, variance = (tensors.draw(f"{name}.{part}", shape, around=1.0) for part in ("weight", "running_var"))
    shift, mean = (tensors.draw(f"{name}.{part}", shape) for part in ("bias", "running_mean"))
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift


def layer_norm(x: np.ndarray, tensors: Tensors, name: str) -> np.ndarray:
    normed = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    shape = (x.shape[-1],)
    return normed * tensors.draw(f"{name}.weight", shape, around=1.0) + tensors.draw(f"{name}.bias", shape)


def resnet(image: np.ndarray, tensors: Tensors, *, units: list[int], width: int, bottleneck: bool) -> Maps:
    """Compute the layers of a ResNet whose first stage has this width."""

    def step(x, conv, norm, outputs, window, stride=1):
        kernel = tensors.draw(f"{conv}.weight", (outputs, x.shape[2], window, window))
        return batch_norm(convolve(x, kernel, stride=stride, padding=window // 2), tensors, norm)

    maps = {"conv1": np.maximum(step(image, "conv1", "bn1", width, 7, 2), 0)}
    padded = np.pad(maps["conv1"], ((1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    pooled = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))[::2, ::2].max((3, 4))
    maps["maxpool"] = x = pooled
    for stage, count in enumerate(units, start=1):
        inner = width * 2 ** (stage - 1)
        outer = 4 * inner if bottleneck else inner
        for i in range(count):
            name, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            plan = [(inner, 1, 1), (inner, 3, stride), (outer, 1, 1)]
            plan = plan if bottleneck else [(inner, 3, stride), (outer, 3, 1)]
            y = x
            for k, (outputs, window, by) in enumerate(plan, start=1):
                y = step(y, f"{name}.conv{k}", f"{name}.bn{k}", outputs, window, by)
                y = np.maximum(y, 0) if k < len(plan) else y
            if stride > 1 or x.shape[2] != outer:
                x = step(x, f"{name}.downsample.0", f"{name}.downsample.1", outer, 1, stride)
            x = np.maximum(x + y, 0)
            maps[f"layer{stage}_{i}"] = x
    return maps


def convnext(image: np.ndarray, tensors: Tensors, *, units: list[int], width: int) -> Maps:
    """Compute the layers of a ConvNeXt whose first stage has this width."""
    gelu = np.vectorize(lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2))))

    def step(x, name, outputs, window, *, depth=None, stride=1, padding=0):
        kernel = tensors.draw(f"{name}.weight", (outputs, depth or x.shape[2], window, window))
        bias = tensors.draw(f"{name}.bias", (outputs,))
        return convolve(x, kernel, stride=stride, padding=padding) + bias

    def linear(x, name, outputs):
        weight = tensors.draw(f"{name}.weight", (outputs, x.shape[2]))
        return x @ weight.T + tensors.draw(f"{name}.bias", (outputs,))

    x = layer_norm(step(image, "features.0.0", width, 4, stride=4), tensors, "features.0.1")
    maps = {"stem": x}
    for stage, count in enumerate(units, start=1):
        if stage > 1:
            width, at = 2 * width, f"features.{2 * stage - 2}"
            x = step(layer_norm(x, tensors, f"{at}.0"), f"{at}.1", width, 2, stride=2)
            maps[f"down{stage}"] = x
        for i in range(count):
            at = f"features.{2 * stage - 1}.{i}"
            y = step(x, f"{at}.block.0", width, 7, depth=1, padding=3)
            y = linear(layer_norm(y, tensors, f"{at}.block.2"), f"{at}.block.3", 4 * width)
            y = linear(gelu(y), f"{at}.block.5", width)
            x = x + y * tensors.draw(f"{at}.layer_scale", (width, 1, 1), around=0.5)[:, 0, 0]
            maps[f"stage{stage}_{i}"] = x
    return maps


def mobilenet(image: np.ndarray, tensors: Tensors, *, divide_by: int) -> Maps:
    """Compute the layers of a MobileNetV2 with fewer channels."""

    def step(x, conv, norm, outputs, window, *, depth=None, stride=1):
        kernel = tensors.draw(f"{conv}.weight", (outputs, depth or x.shape[2], window, window))
        return batch_norm(convolve(x, kernel, stride=stride, padding=window // 2), tensors, norm)

    def relu6(x):
        return np.clip(x, 0, 6)

    x = relu6(step(image, "features.0.0", "features.0.1", 32 // divide_by, 3, stride=2))
    maps = {"features0": x}
    for factor, channels, count, first_stride in MOBILENET:
        for i in range(count):
            at, stride, y = f"features.{len(maps)}.conv", first_stride if i == 0 else 1, x
            inner, outputs, n = factor * x.shape[2], channels // divide_by, int(factor > 1)
            if factor > 1:
                y = relu6(step(y, f"{at}.0.0", f"{at}.0.1", inner, 1))
            y = relu6(step(y, f"{at}.{n}.0", f"{at}.{n}.1", inner, 3, depth=1, stride=stride))
            y = step(y, f"{at}.{n + 1}", f"{at}.{n + 2}", outputs, 1)
            x = x + y if stride == 1 and x.shape[2] == outputs else y
            maps[f"features{len(maps)}"] = x
    at = f"features.{len(maps)}"
    maps[f"features{len(maps)}"] = relu6(step(x, f"{at}.0", f"{at}.1", 1280 // divide_by, 1))
    return maps
