"""torch: the pose cascade as modules, in the faster of two memory layouts."""

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from eval.benchmark.workers.serving import Arrays, Task, least_seconds, serve
from tests.reference import torch_pose


def prepare(inputs: Arrays) -> Task:
    """Build the networks in both layouts and choose the faster one; for "copy", only copy."""
    if str(inputs["task"]) == "copy":
        maps, kept = (torch.from_numpy(inputs[name]) for name in ("maps", "kept"))
        return Task(maps.clone, partial(_normalized_and_dropped, kept=kept))
    task = _Gradient if str(inputs["task"]) == "gradient" else _Forward
    tasks = [task(inputs, layout) for layout in (torch.contiguous_format, torch.channels_last)]
    fastest = min(tasks, key=lambda task: least_seconds(task.run))
    return Task(fastest.run, fastest.arrays)


class _Cascade:
    """The networks and inputs as torch tensors."""

    def __init__(self, inputs: Arrays, layout: torch.memory_format) -> None:
        shape: Any = SimpleNamespace(**json.loads(str(inputs["architecture"])))
        params = _nested({name[7:]: value for name, value in inputs.items() if name.startswith("params/")})
        self.coarse = torch_pose.Coarse(shape, params["coarse"])
        self.spatial = torch_pose.SpatialModel(params["spatial"])
        self.fine = torch_pose.Fine(params["fine"], len(shape.fine_strides))
        self.nets = torch.nn.ModuleList([self.coarse, self.spatial, self.fine])
        self.nets.to(memory_format=layout)  # pyrefly: ignore[no-matching-overload]
        self.shape, self.layout = shape, layout
        self.images = torch.from_numpy(inputs["images"]).permute(0, 3, 1, 2)
        self.torso = torch_pose.channels_first(inputs["torso"])[:, 0]
        self.corners = inputs["corners"]

    def maps(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute the heat-maps of the coarse network, of the spatial model and of the fine network."""
        images = self.images.float().contiguous(memory_format=self.layout)
        levels = torch_pose.pyramid(images, self.shape.levels)
        heatmaps, shared = self.coarse(levels)
        windows = [
            torch_pose.windows(features, self.corners, window_px=self.shape.fine_window, stride_px=stride)
            for features, stride in zip(shared, self.shape.fine_strides, strict=True)
        ]
        return heatmaps, self.spatial(heatmaps, self.torso), self.fine(windows)


class _Forward(_Cascade):
    def run(self) -> tuple[torch.Tensor, ...]:
        """Compute all heat-maps."""
        with torch.inference_mode():
            return self.maps()

    @staticmethod
    def arrays(heatmaps: tuple[torch.Tensor, ...]) -> Arrays:
        """Return the arrays by name, channels last."""
        names = ("heatmaps", "selected", "fine")
        return {
            name: np.ascontiguousarray(torch_pose.channels_last(maps))
            for name, maps in zip(names, heatmaps, strict=True)
        }


class _Gradient(_Cascade):
    def __init__(self, inputs: Arrays, layout: torch.memory_format) -> None:
        super().__init__(inputs, layout)
        self.targets = torch_pose.channels_first(inputs["targets"])
        self.fine_targets = torch_pose.channels_first(inputs["fine_targets"])
        self.fine_weight = float(inputs["fine_weight"])

    def run(self) -> dict[str, torch.Tensor]:
        """Compute the loss of the joint phase and its gradient."""
        heatmaps, selected, fine = self.maps()
        count = self.targets.shape[0] * self.targets.shape[1]
        errors = [
            ((predicted - target) ** 2).sum() / count
            for predicted, target in (
                (heatmaps, self.targets),
                (selected, self.targets),
                (fine, self.fine_targets),
            )
        ]
        error = errors[0] + errors[1] + self.fine_weight * errors[2]
        names, parameters = zip(*self.nets.named_parameters(), strict=True)
        gradient = dict(zip(names, torch.autograd.grad(error, parameters), strict=True))
        return {
            "error": error.detach(),
            # The first of the coarse net's parameters.
            "coarse/params/level0/stage0/kernel": gradient[names[0]].permute(2, 3, 1, 0),
            "spatial/params/prior": gradient["1.prior"],
        }

    @staticmethod
    def arrays(tensors: dict[str, torch.Tensor]) -> Arrays:
        """Return the arrays by name."""
        return {name: tensor.numpy() for name, tensor in tensors.items()}


def _normalized_and_dropped(copied: torch.Tensor, *, kept: torch.Tensor) -> Arrays:
    """Compute the arrays that ours are compared with."""
    maps = torch_pose.normalize(copied.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return {"maps": (maps * kept).numpy()}


def _nested(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *folders, last = name.split("/")
        place = nested
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return nested


if __name__ == "__main__":
    serve(prepare, packages=("torch",))
