"""Files of weights that are built to do harm are refused, soon, in little memory, and leave no trace."""

import io
import os
import pickle
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import protobuf, read_params
from convcorr_jax.backbone.weights.torch_files import MAGIC
from convcorr_jax.errors import InputError
from tests.builders.hostile import npz_bomb, zeros

CAFFENET = NETWORKS["caffenet"]
# AlexNet's first layer: 93 kB.
ALEXNET = NETWORKS["alexnet"]._replace(layers=NETWORKS["alexnet"].layers[:1])
KERNEL = b"X\x11\0\0\0features.0.weight"
_PROTO, _STOP = pickle.PROTO + b"\x02", pickle.STOP
BOMB_BYTES = 64 * 2**20


def archive_of(pickled: bytes, **storages: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("archive/data.pkl", pickled)
        for name, content in storages.items():
            opened.writestr(f"archive/data/{name[1:]}", content)
    return stream.getvalue()


def sequence_of(pickled: bytes) -> bytes:
    """torch's older format: magic number, version, system, the dictionary, the keys of storages."""
    rest = [pickle.dumps(value, 2) for value in (1001, {})]
    return MAGIC + b"".join(rest) + pickled + pickle.dumps([], 2)


def refusal(path, content: bytes | None, network=ALEXNET) -> str:
    """The sentence of the refusal, which takes little memory, of a content or of what is in the file."""
    if content is not None:
        path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError) as error:
        read_params(path, network=network)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BOMB_BYTES // 4
    return str(error.value)


def build(name: bytes, state: bytes) -> bytes:
    """A pickle that sets attributes of what it names."""
    return _PROTO + pickle.GLOBAL + name + state + pickle.BUILD + _STOP


# {"key": "1", "offset": 7}: as a state, attributes of an object; as slots, of a class.
_STATE = b"}(X\x03\0\0\0keyX\x01\0\0\x001X\x06\0\0\0offsetK\x07u"
NAMES = [b"torch\nFloatStorage\n", b"collections\nOrderedDict\n"]
NAMES += [b"torch._utils\n_rebuild_" + name + b"\n" for name in (b"tensor", b"tensor_v2", b"parameter")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", [_STATE, b"N" + _STATE + pickle.TUPLE2])
@pytest.mark.parametrize("form", [archive_of, sequence_of])
def test_a_file_that_sets_attributes_is_refused_and_the_next_file_is_read_as_before(
    tmp_path, name, state, form
):
    kernel = np.random.default_rng(0).standard_normal((64, 3, 11, 11), dtype=np.float32)
    torch.save(
        {"features.0.weight": torch.from_numpy(kernel), "features.0.bias": torch.zeros(64)},
        tmp_path / "good.pth",
    )
    assert "attributes of something but a dictionary" in refusal(tmp_path / "bad.pth", form(build(name, state)))
    params = read_params(tmp_path / "good.pth", network=ALEXNET)
    np.testing.assert_array_equal(params["conv1"].kernel, kernel.transpose(2, 3, 1, 0))


def test_the_metadata_of_a_module_are_ignored(tmp_path):
    state = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 11)).state_dict(prefix="features.")
    for new_format in (True, False):
        torch.save(state, tmp_path / "module.pth", _use_new_zipfile_serialization=new_format)
        params = read_params(tmp_path / "module.pth", network=ALEXNET)
        np.testing.assert_array_equal(params["conv1"].bias, state["features.0.bias"].numpy())


def nested_tuples(times: int) -> bytes:
    """A tuple of a tuple twice, of a tuple twice, ..."""
    return pickle.EMPTY_TUPLE + (pickle.BINPUT + b"\0" + pickle.BINGET + b"\0" + pickle.TUPLE2) * times


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"}" + nested_tuples(40) + b"Ns", "a key that is not text"),
        (b"}(" + nested_tuples(40) + b"Nu", "a key that is not text"),
        (b"ccollections\nOrderedDict\n](](" + nested_tuples(40) + b"Nee\x85R", "key that is not text"),
        (b"cos\nsystem\n", "names os.system, which"),
        (b"ctorch\nQInt8Storage\n", "names torch.QInt8Storage, which"),
        (b"ctorch\nHalfStorage\n", "it is not a dictionary of tensors"),
        (b"]N\x81", "the unexpected instruction"),
        (b"I" + b"9" * 100 + b"\n", "the unexpected instruction 'I'"),
        (b"K\x01", "it is not a dictionary of tensors"),
        (b"}" + KERNEL + b"K\x01s", "features.0.weight in .* is not a float tensor"),
    ],
)
def test_pickles_that_take_long_or_are_of_something_else_are_refused(tmp_path, body, sentence):
    path = tmp_path / "bad.pth"
    for form in (archive_of, sequence_of):
        assert re.search(sentence, refusal(path, form(_PROTO + body + _STOP)))


def tensor(key: bytes, shape: tuple[int, ...], *, offset: int = 0) -> bytes:
    """The instructions that create a tensor in row-major order."""
    stride = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))

    def integers(numbers):
        return b"(" + b"".join(b"J" + struct.pack("<i", number) for number in numbers) + b"t"

    persistent = b"(X\x07\0\0\0storagectorch\nFloatStorage\n" + key + b"X\x03\0\0\0cpuK\x01tQ"
    rest = b"J" + struct.pack("<i", offset) + integers(shape) + integers(stride) + b"\x89Nt"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + persistent + rest + b"R"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def state_of(**tensors: bytes) -> bytes:
    items = b"".join(text(name.replace("_", ".")) + instructions for name, instructions in tensors.items())
    return _PROTO + b"}(" + items + b"u" + _STOP


def torch_bomb(shape: tuple[int, ...] = (64, 3, 11, 11), *, offset: int = 0) -> bytes:
    """A checkpoint of one layer whose kernel is in a storage that unpacks to much more."""
    kernel, bias = tensor(text("0"), shape, offset=offset), tensor(text("1"), (64,))
    stream = io.BytesIO(archive_of(state_of(features_0_weight=kernel, features_0_bias=bias), _1=bytes(256)))
    with (
        zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as opened,
        opened.open("archive/data/0", "w") as data,
    ):
        zeros(data, BOMB_BYTES)
    assert len(stream.getvalue()) < 500_000
    return stream.getvalue()


@pytest.mark.parametrize(
    ("shape", "offset", "sentence"),
    [
        ((500_000_000,), 0, r"the kernel of conv1 in .* has shape \(500000000,\)"),
        ((64, 3, 11, 11), 0, "has more numbers in its storages than alexnet, 23296"),
        ((64, 3, 11, 11), 2**30, "has more numbers in its storages than alexnet, 23296"),
    ],
)
def test_a_torch_archive_is_unpacked_only_if_it_has_the_networks_shapes_and_size(
    tmp_path, shape, offset, sentence
):
    assert re.search(sentence, refusal(tmp_path / "bomb.pth", torch_bomb(shape, offset=offset)))


def test_a_member_that_holds_more_than_it_states_is_not_unpacked(tmp_path):
    content = torch_bomb().replace(struct.pack("<I", BOMB_BYTES), struct.pack("<I", 64 * 3 * 11 * 11 * 4))
    assert "damaged or cut short" in refusal(tmp_path / "bomb.pth", content)


def varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize(
    "fields",
    [
        (b"\x4d" + bytes(4) + b"\x45" + bytes(4)) * 2_000,
        message(7, b"") * 20_000,
        message(7, message(5, bytes(4)) * 4_000) + message(7, b""),
        message(7, message(7, message(1, varint(2**60) * 4_000))) + message(7, b""),
    ],
    ids=["single floats", "empty arrays", "short runs", "a shape of many axes"],
)
def test_a_caffemodel_of_very_many_small_fields_is_refused(tmp_path, fields):
    refusal(tmp_path / "slow.caffemodel", message(100, message(1, b"conv1") + fields), CAFFENET)


def wrong_kernel() -> bytes:
    """An archive under the limit of what is always unpacked."""
    stream = io.BytesIO()
    np.savez_compressed(stream, conv1_w=np.zeros(BOMB_BYTES // 4, "f4"), conv1_b=np.zeros(64, "f4"))
    return stream.getvalue()


def endless_storage() -> bytes:
    state, keys = _PROTO + b"}" + _STOP, pickle.dumps([], 2)
    content = sequence_of(state).removesuffix(keys).replace(state, state_of(x=tensor(text("0"), (1,))))
    return content + pickle.dumps(["0"], 2) + struct.pack("<q", 2**40)


FIRST = {"conv1_w": np.zeros((64, 3, 11, 11), "f4"), "conv1_b": np.zeros(64, "f4")}
LARGER = {
    "pickle": (lambda: archive_of(_PROTO + b"}" + b"N0" * 600_000 + _STOP), "at most 1048576 are expected"),
    "storage": (endless_storage, "ends within the numbers of a tensor"),
    "npz": (lambda: npz_bomb("other", 300 * 2**20, **FIRST), "unpacks to 3"),
    "kernel": (wrong_kernel, "the kernel of conv1 in"),
}


@pytest.mark.parametrize("kind", LARGER)
def test_what_is_larger_than_it_may_be_is_not_unpacked(tmp_path, kind):
    content, sentence = LARGER[kind][0](), LARGER[kind][1]
    assert len(content) < 2_000_000
    assert sentence in refusal(tmp_path / "bomb", content)


def test_a_caffemodel_of_very_many_layers_or_fields_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "slow.caffemodel"
    content = message(100, message(1, b"conv1")) * 4_000
    assert "is not caffenet: its layers come in the order conv1, conv1" in refusal(path, content, CAFFENET)
    monkeypatch.setattr(protobuf, "_MOST_FIELDS", 1000)
    # Three fields for each of 500 layers of a name that the network does not have.
    content = message(100, message(1, b"other") + message(2, b"")) * 500
    assert "it has more than 1000 fields" in refusal(path, content, CAFFENET)


def test_a_caffemodel_larger_than_its_network_is_not_read(tmp_path):
    path = tmp_path / "sparse.caffemodel"
    path.write_bytes(b"\x0a\x01x\x12")
    os.truncate(path, 3 * 10**9)
    assert "has 3000000000 bytes; a caffemodel file has" in refusal(path, None, CAFFENET)


@pytest.mark.parametrize("large", [False, True], ids=["zip", "zip64"])
@pytest.mark.parametrize("ending", ["npz", "pth"])
def test_a_long_directory_of_an_archive_is_not_parsed(tmp_path, monkeypatch, large, ending):
    """The sizes that the last records of an archive state decide, before zipfile lists its members."""
    if ending == "pth":
        content = bytearray(archive_of(pickle.dumps({}, 2)))
    else:
        stream = io.BytesIO()
        np.savez(stream, a=np.zeros(3))
        content = bytearray(stream.getvalue())
    end = content.rfind(b"PK\5\6")
    if large:
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 2**24, 0)
        content[end:end] = record + struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    else:
        content[end + 12 : end + 16] = struct.pack("<L", 2**24)
    assert "its directory has 16777216 bytes" in refusal(tmp_path / f"a.{ending}", bytes(content))
