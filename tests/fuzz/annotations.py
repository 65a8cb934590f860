"""Annotations and predictions: MATLAB, HDF5, ``.npz``, JSON and CSV; `releases` has XML and ``.pts``."""

import contextlib
import functools
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from convcorr_jax.cli import pairs
from convcorr_jax.datasets.formats import mat
from convcorr_jax.datasets.official import mpii
from convcorr_jax.datasets.poses import coco, joint_arrays, plain_keypoints
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_points
from tests.builders import mpii_flat
from tests.builders.mat_files import cells, structs, write_mat
from tests.fuzz.mutation import Target, mutated, mutated_archive

_JOINTS = np.arange(2 * 14 * 2, dtype=float).reshape(2, 14, 2)


def _written(write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file.mat")
        return next(Path(folder).iterdir()).read_bytes()


def _mat() -> list[bytes]:
    values = {
        "preds": _JOINTS,
        "names": np.array(["head", "neck"], object),
        "people": structs({"joints": _JOINTS[0], "text": "a"}, {"joints": _JOINTS[1], "text": "b"}),
        "cells": cells(np.ones((1, 2)), "text", np.zeros((0, 0))),
        "ids": np.arange(5, dtype=np.uint8),
        "rows": np.array(["ab", "cd"]),
        "truth": np.array([[True, False]]),
    }
    return [
        _written(functools.partial(write_mat, variables=values, compressed=compressed))
        for compressed in (False, True)
    ]


def _walk(path: Path) -> None:
    """Parse every value of a MATLAB file, then its arrays of joints."""
    queue: list[mat.Value] = [mat.read(path)]
    for value in queue:
        queue += value if isinstance(value, tuple) else ()
        for key in value if isinstance(value, mat.Group) else ():
            with contextlib.suppress(InputError):
                queue.append(value[key])
    joint_arrays.read_joint_arrays(path, flat_joints=14)


def _hdf5() -> list[bytes]:
    def write(path: Path, **options) -> None:
        with h5py.File(path, "w") as stored:
            stored.create_dataset("preds", data=_JOINTS, **options)
            stored["group/value"] = np.arange(4)
            stored["names"] = np.array([b"head", b"neck"])
            stored.create_dataset("texts", data=["a", "b"], dtype=h5py.string_dtype())

    return [_written(write), _written(lambda path: write(path, compression="gzip", chunks=True))]


def _npz() -> list[bytes]:
    stream = io.BytesIO()
    np.savez(stream, points=_JOINTS, names=np.array([f"joint {k}" for k in range(14)]))
    return [stream.getvalue()]


def _plain_json() -> list[bytes]:
    names = [f"joint {number}" for number in range(14)]
    plain = {"points": _JOINTS.tolist(), "names": names, "boxes": [[0, 0, 9, 9], [1, 1, 5, 5]]}
    return [json.dumps(plain).encode()]


_COCO = (
    b'{"images": [{"id": 3}], "categories": [{"id": 1, "keypoints": ["nose"]}], "annotations": [{"id": 5, '
    b'"image_id": 3, "category_id": 1, "keypoints": [4, 5, 2], "area": 9, "bbox": [1, 2, 3, 4], "iscrowd": 0}]}'
)
_POINTS = b'name,x,y,confidence\nnose,1.5,2,0.5\n"left, eye",3,4e1,1\n'
_PAIRS = b"a,b,box_a,box_b,points\na.jpg,b.jpg,0 0 5 5,,p.csv\n"
TARGETS = [
    Target("mat", _mat, _walk, mutated, ".mat"),
    Target("hdf5", _hdf5, lambda path: joint_arrays.read_joint_arrays(path, flat_joints=14), mutated, ".h5"),
    Target(
        "hdf5-mpii",
        lambda: [_written(mpii_flat.write_h5)],
        lambda path: mpii.read_h5({"valid": path}),
        mutated,
        ".h5",
    ),
    Target(
        "npz", _npz, lambda path: joint_arrays.read_joint_arrays(path, flat_joints=14), mutated_archive, ".npz"
    ),
    Target("npz-plain", _npz, plain_keypoints.read_truth, mutated_archive, ".npz"),
    Target("json-plain", _plain_json, plain_keypoints.read_truth, mutated, ".json"),
    Target("json-coco", lambda: [_COCO], coco.read_annotations, mutated, ".json"),
    Target(
        "json-mpii",
        lambda: [json.dumps([mpii_flat.json_person()] * 2).encode()],
        lambda path: mpii.read_json({"valid": path}),
        mutated,
    ),
    Target("csv-points", lambda: [_POINTS], read_points, mutated, ".csv"),
    Target("csv-pairs", lambda: [_PAIRS], pairs.read_pairs, mutated, ".csv"),
]
