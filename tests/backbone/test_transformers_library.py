"""Every block beside the modules of the library ``transformers``, from files that it writes.

The library is no requirement of the tests. Where it is installed, a folder on PYTHONPATH is enough, these run.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from convcorr_jax.backbone import Network, Params, activations, prefix_tokens
from convcorr_jax.backbone.weights import read_tensors, read_vit

transformers = pytest.importorskip("transformers", reason="needs the library transformers")

TINY: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 96,
    "image_size": 40,
    "patch_size": 8,
}
DINOV2 = {name: value for name, value in TINY.items() if name != "intermediate_size"} | {"mlp_ratio": 2}
# The size of the grid of positions, smaller and oblong, larger.
SIZES = [(40, 40), (24, 56), (72, 64)]


def _mae() -> Any:
    decoder = {f"decoder_{name}": value for name, value in TINY.items() if "size" in name or "num" in name}
    decoder = {name: value for name, value in decoder.items() if "image" not in name and "patch" not in name}
    config = transformers.ViTMAEConfig(**TINY, **decoder, mask_ratio=0.0, layer_norm_eps=1e-6)
    return transformers.ViTMAEForPreTraining(config)


@dataclasses.dataclass(frozen=True)
class Case:
    """A network: the library's model, and what differs from the network's own code."""

    model: Callable[[], Any]
    name: str
    resize: str | None = None
    body: Callable[[Any], Any] = lambda model: model
    interpolate: bool = False


CASES = {
    "dino": Case(
        lambda: transformers.ViTModel(
            transformers.ViTConfig(**TINY, layer_norm_eps=1e-6), add_pooling_layer=False
        ),
        "dino_w48_8",
        "size",
        interpolate=True,
    ),
    "dinov2": Case(
        lambda: transformers.Dinov2Model(transformers.Dinov2Config(**DINOV2)), "dinov2_w48_8", "size"
    ),
    "dinov2 swiglu": Case(
        lambda: transformers.Dinov2Model(transformers.Dinov2Config(**DINOV2, use_swiglu_ffn=True)),
        "dinov2_w48_8",
        "size",
    ),
    "dinov2 registers": Case(
        lambda: transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(**DINOV2, num_register_tokens=4)
        ),
        "dinov2_reg_w48_8",
    ),
    "dinov3": Case(
        lambda: transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**TINY, num_register_tokens=4)),
        "dinov3_w48_8",
    ),
    "dinov3 gated": Case(
        lambda: transformers.DINOv3ViTModel(
            transformers.DINOv3ViTConfig(**TINY, num_register_tokens=4, use_gated_mlp=True, hidden_act="silu")
        ),
        "dinov3_w48_8",
    ),
    "mae": Case(_mae, "mae_w48_8", body=lambda model: model.vit, interpolate=True),
    "clip": Case(
        lambda: transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**TINY)),
        "clip_w48_8",
        interpolate=True,
    ),
    "siglip2": Case(
        lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**TINY)),
        "siglip_w48_8",
        interpolate=True,
    ),
    "tips": Case(
        lambda: transformers.Tipsv2VisionModel(transformers.Tipsv2VisionConfig(**DINOV2)), "tips_w48_8"
    ),
}
QUERIES = ("attention.query", "q_proj", "qkv")


def randomized(model: Any) -> Any:
    """Give every parameter values that matter."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            numbers = torch.randn(parameter.shape, generator=generator)
            if "position_embeddings" in name and "vit" in name:
                # MAE's class token has the position 0.
                numbers[:, 0] = 0
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            fan = parameter[0].numel() if parameter.ndim > 1 else 9.0
            scale = 0.3 if "embed" in name and parameter.ndim != 4 else fan**-0.5
            parameter.copy_(1 + 0.2 * numbers if is_norm else scale * numbers)
    return model.eval()


def blocks_of(model: Any) -> list[Any]:
    """The modules of the model's blocks."""
    (blocks,) = (
        m for n, m in model.named_modules() if isinstance(m, torch.nn.ModuleList) and "decoder" not in n
    )
    return list(blocks)


def expected_blocks(case: Case, model: Any, pixels: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Output, queries, keys and values of every block, for all tokens."""
    body, found, hooks = case.body(model), [], []
    for block in blocks_of(body):
        record: dict[str, np.ndarray] = {}
        found.append(record)

        def save(_module, _inputs, output, *, record=record, part=""):
            record[part] = (output[0] if isinstance(output, tuple) else output).detach().numpy()

        hooks.append(block.register_forward_hook(save))
        for name, module in block.named_modules():
            for part, endings in (
                ("query", ("query", "q_proj")),
                ("key", ("key", "k_proj")),
                ("value", ("value", "v_proj")),
            ):
                if name.rpartition(".")[2] in endings:
                    hooks.append(
                        module.register_forward_hook(
                            lambda m, i, o, record=record, part=part: record.update({part: o.detach().numpy()})
                        )
                    )
    options: dict[str, Any] = {"interpolate_pos_encoding": True} if case.interpolate else {}
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
    if case.name.startswith("mae"):
        cells = pixels.shape[1] * pixels.shape[2] // 64
        options["noise"] = torch.arange(cells, dtype=torch.float32)[None].repeat(len(pixels), 1)
    with torch.no_grad():
        body(images, **options)
    for hook in hooks:
        hook.remove()
    return found


def largest_difference(network: Network, params: Params, inputs: np.ndarray, expected: list[dict]) -> float:
    """The largest difference of all blocks and facets, relative to the largest number of each."""
    assert network.vit is not None
    worst, prefix = 0.0, network.vit.prefix
    names = {(i, part): f"block{i}{part and '_'}{part}" for i, block in enumerate(expected) for part in block}
    maps = activations(params, inputs, network=network, layers=tuple(names.values()))
    for (i, part), layer in names.items():
        theirs = expected[i][part].reshape(len(inputs), -1, network.vit.width)
        ours = [np.asarray(maps[layer]).reshape(len(inputs), -1, network.vit.width)]
        if prefix:
            ours = [np.asarray(prefix_tokens(params, inputs, network=network, layer=layer)), *ours]
        difference = np.abs(np.concatenate(ours, axis=1) - theirs).max()
        worst = max(worst, float(difference / np.abs(theirs).max()))
    return worst


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_every_block_is_that_of_the_library(name, tmp_path, rng, record_property):
    case = CASES[name]
    model = randomized(case.model())
    model.save_pretrained(tmp_path)
    network, params = read_vit(tmp_path / "model.safetensors")
    assert network.name == case.name
    assert network.vit is not None
    if case.resize is not None:
        network = network._replace(vit=network.vit._replace(resize=case.resize))
    for height, width in SIZES:
        inputs = rng.standard_normal((2, height, width, 3), np.float32)
        expected = expected_blocks(case, model, inputs)
        difference = largest_difference(network, params, jnp.asarray(inputs), expected)
        record_property(f"{name} {height}x{width}", difference)
        assert difference < 1e-4


@pytest.mark.filterwarnings("ignore")
def test_several_files_of_a_network_are_read_as_one(tmp_path):
    model = randomized(CASES["dinov2"].model())
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "several", max_shard_size="40KB")
    assert len(list((tmp_path / "several").glob("*.safetensors"))) > 2
    expected = read_tensors(tmp_path / "one" / "model.safetensors")
    found = read_tensors(tmp_path / "several" / "model.safetensors.index.json")
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
