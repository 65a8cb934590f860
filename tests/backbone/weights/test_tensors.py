import contextlib
import io
import json
import re
import shutil
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from convcorr_jax.backbone.weights import is_repository, load, read_tensors
from convcorr_jax.backbone.weights.hub import cached_file, hub_folder
from convcorr_jax.errors import InputError
from tests.builders.tensor_files import WRITERS, onnx_bytes, safetensors_bytes, write_sharded


@pytest.fixture
def arrays(rng):
    shapes = {"a.weight": (5, 3), "a.bias": (5,), "empty": (1, 0, 4), "b.weight": (2, 3, 4, 4), "scalar": ()}
    return {name: np.asarray(rng.standard_normal(shape), np.float32) for name, shape in shapes.items()}


def written(tmp_path, content: bytes):
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_is_read_bit_for_bit(kind, tmp_path, arrays):
    path = written(tmp_path, WRITERS[kind](arrays))
    found = read_tensors(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)
    assert read_tensors(path, names=["a.bias"]).keys() == {"a.bias"}
    with pytest.raises(InputError, match="has no tensor 'c'"):
        read_tensors(path, names=["c"])


def test_a_wheel_with_one_graph_is_read(tmp_path, arrays):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("package/models/model.onnx", onnx_bytes(arrays))
    found = read_tensors(written(tmp_path, stream.getvalue()))
    np.testing.assert_array_equal(found["a.weight"], arrays["a.weight"])


def test_half_precision_becomes_single(tmp_path, arrays):
    half = read_tensors(written(tmp_path, safetensors_bytes(arrays, kind="BF16")))
    for name, array in arrays.items():
        expected = (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        np.testing.assert_array_equal(half[name], expected)
        np.testing.assert_array_equal(torch.from_numpy(half[name]).bfloat16().float(), half[name])
    state = {"model": {name: torch.from_numpy(array).bfloat16() for name, array in arrays.items()}, "epoch": 3}
    torch.save(state, tmp_path / "x")
    nested = read_tensors(tmp_path / "x")
    assert nested.keys() == {f"model/{name}" for name in arrays}
    np.testing.assert_array_equal(nested["model/a.bias"], state["model"]["a.bias"].float())


def test_the_files_of_an_index_are_read_as_one(tmp_path, arrays, monkeypatch):
    # Of more numbers than an index may stand for.
    monkeypatch.setattr("convcorr_jax.backbone.weights.tensors._ALWAYS_READ_BYTES", 0)
    arrays |= {"large": np.ones(2**15, np.float32)}
    found = read_tensors(write_sharded(tmp_path, arrays, kinds=("F32", "F32", "F32")))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    content = safetensors_bytes(arrays, places={"dtype": "I64", "shape": [0], "data_offsets": [0, 0]})
    (tmp_path / "model-00002-of-00003.safetensors").write_bytes(content)
    index = tmp_path / "model.safetensors.index.json"
    stated = json.loads(index.read_text(encoding="utf-8"))
    stated["weight_map"]["places"] = "model-00002-of-00003.safetensors"
    index.write_text(json.dumps(stated), encoding="utf-8")
    assert read_tensors(index).keys() == arrays.keys()


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ({"a": "absent.safetensors"}, r"absent\.safetensors does not exist; a weights file is expected"),
        ({"a": "model-00001-of-00002.safetensors"}, r"model-00001-of-00002\.safetensors has no tensor 'a'"),
        ({"a": "../model.safetensors"}, r"'\.\./model\.safetensors' is not the name of a file beside it"),
        ({"a": ".."}, r"'\.\.' is not the name of a file beside it"),
        ({"a": "/etc/passwd"}, "'/etc/passwd' is not the name of a file beside it"),
        ({"a": "model.safetensors.index.json"}, r"index\.json is damaged or cut short: its header"),
        ({"a": 3}, "is damaged, or is no index of tensors"),
        (["a"], "is damaged, or is no index of tensors"),
    ],
)
def test_an_index_that_does_not_fit_its_files_is_refused(places, sentence, tmp_path, arrays):
    index = write_sharded(tmp_path / "in", arrays)
    shutil.copy(tmp_path / "in" / "model-00001-of-00002.safetensors", tmp_path / "model.safetensors")
    index.write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    with pytest.raises(InputError, match=f"^{re.escape(str(index))}.*{sentence}") as refused:
        read_tensors(index)
    assert "\n" not in str(refused.value)


def entry(*, kind: object = "F32", shape: object = (5, 3), offsets: object = (0, 60)) -> dict:
    return {"dtype": kind, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (entry(shape=[5, 4]), r"a.weight has 60 bytes, which are not those of F32 \[5, 4\]"),
        (entry(kind="F33"), "the entry of a.weight in its header has no known type, shape and place"),
        (entry(shape=[-5, -3]), "the entry of a.weight"),
        (entry(shape=[5.0, 3]), "the entry of a.weight"),
        (entry(shape=[1] * 8 + [15]), "the entry of a.weight"),
        (entry(shape=[True, 15]), "the entry of a.weight"),
        (entry(offsets=[60, 0]), "a.weight has -60 bytes"),
        (entry(offsets=[4, 64]), "a.bias begins at byte 60 of the numbers; 0 is expected|a.weight begins at"),
        (entry(offsets=[1000, 1060]), "begins at byte"),
        (entry(offsets=["0", "60"]), "the entry of a.weight"),
        ([], "the entry of a.weight"),
        (None, "the entry of a.weight"),
    ],
)
def test_wrong_headers_are_refused_in_one_sentence(changed, sentence, tmp_path, arrays):
    path = written(tmp_path, safetensors_bytes(arrays, **{"a.weight": changed}))
    with pytest.raises(InputError, match=f"{re.escape(str(path))} is damaged or cut short: .*({sentence})"):
        read_tensors(path)


def test_overlapping_missing_and_surplus_bytes_are_refused(tmp_path, arrays):
    whole = safetensors_bytes(arrays)
    for content in (whole[:-1], whole + b"x", whole[: len(whole) // 2], whole[:9], whole[:40]):
        with pytest.raises(InputError, match="is damaged or cut short"):
            read_tensors(written(tmp_path, content))
    overlapping = safetensors_bytes(arrays, **{"a.bias": entry(shape=[5], offsets=[40, 60])})
    with pytest.raises(InputError, match=r"a\.bias begins at byte 40 of the numbers; 60 is expected"):
        read_tensors(written(tmp_path, overlapping))
    text = b'{"a":1,"a":1}   '
    with pytest.raises(InputError, match="has a name twice"):
        read_tensors(written(tmp_path, struct.pack("<Q", len(text)) + text))
    for text in (
        b'{"a":' + b"[" * 100_000,
        b"{" + b" " * 50,
        b'{"a":\xff}',
        json.dumps({"a": 10**30}).encode(),
    ):
        with pytest.raises(InputError, match="is damaged or cut short"):
            read_tensors(written(tmp_path, struct.pack("<Q", len(text)) + text))


def test_what_is_no_file_of_tensors_is_refused(tmp_path):
    for content in (b"", b"\x89PNG\r\n\x1a\n" + bytes(40), b"{}" * 20):
        with pytest.raises(InputError, match=r"is in no format of tensors known here|is empty|is no index"):
            read_tensors(written(tmp_path, content))
    with pytest.raises(InputError, match="absent"):
        read_tensors(tmp_path / "absent")


def test_files_that_unpack_to_far_more_than_they_hold_take_little_memory(tmp_path):
    stream = io.BytesIO()
    # One number, which a tensor of a billion repeats.
    torch.save({"a": torch.zeros(1).expand(2**30)}, stream)
    tracemalloc.start()
    with pytest.raises(InputError):
        read_tensors(written(tmp_path, stream.getvalue()))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_damaged_graphs_are_refused(tmp_path, arrays, rng):
    whole = onnx_bytes(arrays)
    for content in (whole[:-1], whole[:60], whole.replace(b"\x08\x03\x08\x05", b"\x08\x03\x08\x06")):
        with pytest.raises(InputError, match="is damaged or cut short"):
            read_tensors(written(tmp_path, content))
    for place in rng.integers(0, len(whole), 200):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path = written(tmp_path, bytes(changed))
        with contextlib.suppress(InputError):
            read_tensors(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("facebook/dinov2-small", True),
        ("timm/vit_small_patch14_dinov2.lvd142m", True),
        ("weights/model.safetensors", False),
        ("weights/model.safetensors.index.json", False),
        ("alexnet", False),
        ("a/b/c", False),
        ("../b", False),
        ("a/..", False),
        ("~/x y", False),
    ],
)
def test_repositories_have_two_names(name, expected):
    assert is_repository(name) == expected


def test_files_in_the_cache_of_hugging_face_are_found(tmp_path, monkeypatch):
    for variable in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hub_folder() == tmp_path / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert hub_folder() == tmp_path / "c" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "h"))
    assert hub_folder() == tmp_path / "h" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert hub_folder() == tmp_path
    repository = tmp_path / "models--org--name"
    with pytest.raises(
        InputError, match=f"org/name is not in the cache of Hugging Face: there is no {repository}"
    ):
        load("org/name")
    old, new = repository / "snapshots" / "aa", repository / "snapshots" / "bb"
    for snapshot in (old, new):
        snapshot.mkdir(parents=True)
    with pytest.raises(InputError, match="has 2 revisions and no refs/main"):
        cached_file("org/name")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("bb", encoding="utf-8")
    with pytest.raises(InputError, match="has these files of weights: none"):
        cached_file("org/name")
    for name in ("a.pth", "b.pth", "config.json"):
        (new / name).touch()
    with pytest.raises(InputError, match=r"has these files of weights: a\.pth, b\.pth; one is expected"):
        cached_file("org/name")
    (new / "model.safetensors.index.json").touch()
    assert cached_file("org/name") == new / "model.safetensors.index.json"
    (new / "model.safetensors").touch()
    assert cached_file("org/name") == new / "model.safetensors"
    (repository / "refs" / "main").write_text("../../x", encoding="utf-8")
    with pytest.raises(InputError, match="one is expected"):
        cached_file("org/name")
