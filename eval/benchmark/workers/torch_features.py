"""torch: the networks as modules, in the faster of two memory layouts."""

import copy

import numpy as np
import torch

from eval.benchmark.workers.serving import Arrays, Task, least_seconds, serve
from tests.reference.torch_alexnet import AlexNet, vgg16_features


def prepare(inputs: Arrays) -> Task:
    """Load the filters and choose the layout."""
    if str(inputs["network"]) == "alexnet":
        features, last = AlexNet(fc=1).features, 12
    else:
        features, last = vgg16_features(), 30
    features = torch.nn.Sequential(*list(features)[:last]).eval()  # the last pooling is not run
    convolutions = [module for module in features.modules() if isinstance(module, torch.nn.Conv2d)]
    for i, convolution in enumerate(convolutions):
        state = {"weight": inputs[f"kernel{i}"], "bias": inputs[f"bias{i}"]}
        convolution.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    images = torch.from_numpy(inputs["images"]).permute(0, 3, 1, 2)
    layouts = [
        (_copy(features, layout), images.contiguous(memory_format=layout))
        for layout in (torch.contiguous_format, torch.channels_last)
    ]

    def forward(layout):
        network, batch = layout
        with torch.inference_mode():
            return network(batch)

    fastest = min(layouts, key=lambda layout: least_seconds(lambda: forward(layout)))
    return Task(
        lambda: forward(fastest),
        lambda output: {"features": np.ascontiguousarray(output.permute(0, 2, 3, 1).numpy())},
    )


def _copy(features: torch.nn.Module, layout: torch.memory_format) -> torch.nn.Module:
    # `to` would change the module itself.
    return copy.deepcopy(features).to(memory_format=layout)  # pyrefly: ignore[no-matching-overload]


if __name__ == "__main__":
    serve(prepare, packages=("torch",))
