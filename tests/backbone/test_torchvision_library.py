"""Every layer of the residual networks beside the modules of torchvision, timm and ``transformers``.

The libraries are no requirement of the tests. Where one is installed, its networks run.
"""

import importlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from convcorr_jax.backbone import NETWORKS, activations
from convcorr_jax.backbone.weights import read_params, residual_files
from convcorr_jax.backbone.weights.tensors import open_tensors

# Even and odd sides, at which torch's padding and TensorFlow's differ.
SIZES = [(64, 64), (97, 130), (160, 95)]
TORCH_RESNET = {r"conv1": "relu", r"maxpool": "maxpool", r"layer(\d)_(\d+)": "layer{0}.{1}"}
TORCH_CONVNEXT = {
    "stem": "features.0",
    r"down(\d)": "features.{even}",
    r"stage(\d)_(\d+)": "features.{odd}.{1}",
}
TIMM_CONVNEXT = {
    "stem": "stem",
    r"down(\d)": "stages.{before}.downsample",
    r"stage(\d)_(\d+)": "stages.{before}.blocks.{1}",
}


class Case(NamedTuple):
    """A network: its library, its model there, and the modules by the patterns of layers' names."""

    library: str
    network: str
    model: Callable[[Any], Any]
    modules: dict[str, str]


CASES = {
    "torchvision resnet18": Case("torchvision", "resnet18", lambda x: x.models.resnet18(), TORCH_RESNET),
    "torchvision resnet50": Case("torchvision", "resnet50", lambda x: x.models.resnet50(), TORCH_RESNET),
    "torchvision resnet101": Case("torchvision", "resnet101", lambda x: x.models.resnet101(), TORCH_RESNET),
    "torchvision convnext_t": Case(
        "torchvision", "convnext_t", lambda x: x.models.convnext_tiny(), TORCH_CONVNEXT
    ),
    "torchvision convnext_b": Case(
        "torchvision", "convnext_b", lambda x: x.models.convnext_base(), TORCH_CONVNEXT
    ),
    "torchvision mobilenet_v2": Case(
        "torchvision", "mobilenet_v2", lambda x: x.models.mobilenet_v2(), {r"features(\d+)": "features.{0}"}
    ),
    "timm resnet50": Case(
        "timm", "resnet50", lambda x: x.create_model("resnet50"), TORCH_RESNET | {"conv1": "act1"}
    ),
    "timm convnext_t": Case("timm", "convnext_t", lambda x: x.create_model("convnext_tiny"), TIMM_CONVNEXT),
    "transformers resnet18": Case(
        "transformers",
        "resnet18",
        lambda x: x.ResNetModel(
            x.ResNetConfig(hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic")
        ),
        {
            "conv1": "embedder.embedder",
            "maxpool": "embedder.pooler",
            r"layer(\d)_(\d+)": "encoder.stages.{before}.layers.{1}",
        },
    ),
    "transformers resnet50": Case(
        "transformers",
        "resnet50",
        lambda x: x.ResNetForImageClassification(x.ResNetConfig()),
        {r"layer(\d)_(\d+)": "resnet.encoder.stages.{before}.layers.{1}"},
    ),
    "transformers convnext_t": Case(
        "transformers",
        "convnext_t",
        lambda x: x.ConvNextForImageClassification(x.ConvNextConfig()),
        {"stem": "convnext.embeddings", r"stage(\d)_(\d+)": "convnext.encoder.stages.{before}.layers.{1}"},
    ),
    "transformers dinov3 convnext_t": Case(
        "transformers",
        "convnext_t",
        lambda x: x.DINOv3ConvNextModel(x.DINOv3ConvNextConfig()),
        {r"stage(\d)_(\d+)": "{dinov3}.{before}.layers.{1}"},
    ),
}


def randomized(model: Any) -> Any:
    """Give every parameter and every statistic of a normalisation values that matter."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, values in [*model.named_parameters(), *model.named_buffers()]:
            numbers = torch.randn(values.shape, generator=generator)
            if name.endswith("running_var"):
                values.copy_(0.5 + torch.rand(values.shape, generator=generator))
            elif "gamma" in name or "layer_scale" in name or (values.ndim == 1 and name.endswith("weight")):
                values.copy_(0.5 + 0.2 * numbers)
            elif values.is_floating_point():
                values.copy_(numbers * (values[0].numel() ** -0.5 if values.ndim > 1 else 0.2))
    return model.eval()


def modules_of(case: Case, model: Any) -> dict[str, Any]:
    """The model's modules by the names of our layers."""
    modules = dict(model.named_modules())
    dinov3 = "stages" if "stages.0" in modules else "model.stages"
    found = {}
    for layer in NETWORKS[case.network].layer_names:
        for pattern, module in case.modules.items():
            if match := re.fullmatch(pattern, layer):
                numbers = [int(number) for number in match.groups()]
                before = numbers[0] - 1 if numbers else 0
                options = {"before": before, "even": 2 * before, "odd": 2 * before + 1, "dinov3": dinov3}
                found[layer] = modules[module.format(*numbers, **options)]
    return found


def expected_maps(modules: dict[str, Any], model: Any, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of modules, channels last."""
    found, hooks = {}, []
    for layer, module in modules.items():

        def save(_module, _inputs, output, *, layer=layer):
            # A later ReLU may work in place.
            found.setdefault(layer, output.detach().clone().numpy().transpose(0, 2, 3, 1))

        hooks.append(module.register_forward_hook(save))
    with torch.no_grad():
        model(torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy()))
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_every_layer_is_that_of_the_library(name, tmp_path, rng, record_property):
    case = CASES[name]
    library = pytest.importorskip(case.library, reason=f"needs the library {case.library}")
    if case.library == "torchvision":
        importlib.import_module("torchvision.models")
    model = randomized(case.model(library))
    if case.library == "transformers":
        model.save_pretrained(tmp_path)
        path = tmp_path / "model.safetensors"
    else:
        path = tmp_path / "model.pth"
        torch.save(model.state_dict(), path)
    network = NETWORKS[case.network]
    assert residual_files.network_of(open_tensors(path)) == network
    params = read_params(path, network=network)
    modules = modules_of(case, model)
    for height, width in SIZES:
        inputs = rng.standard_normal((2, height, width, 3), np.float32)
        expected = expected_maps(modules, model, inputs)
        assert len(expected) == len(modules) > 7
        found = activations(params, jnp.asarray(inputs), network=network, layers=list(expected))
        differences = {
            layer: float(np.abs(np.asarray(found[layer]) - values).max() / np.abs(values).max())
            for layer, values in expected.items()
        }
        record_property(f"{name} {height}x{width}", max(differences.values()))
        assert max(differences.values()) < 1e-4, differences
