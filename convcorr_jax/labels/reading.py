"""The door to labels: which format a file has, where its photographs are, and labels of several files.

A photograph is searched by its path as the file states it, against the folder of the file, against the user's
folders of photographs, and against the current folder; then by ever fewer of its last parts, down to its name,
against all but the last, also if the first of these parts is the name of the folder. A name that Label Studio
gave to an upload has its prefix removed.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PureWindowsPath

import h5py
import numpy as np

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, image_size, json_file, naming_file, read_points, read_rows
from convcorr_jax.labels import coco, programs, tables
from convcorr_jax.labels.records import LabelledObject, LabelledPhotograph, Labels

# The limit of the size of a JSON file, as of other annotations of COCO.
_MAX_BYTES = 2**28
_HDF5 = b"\x89HDF\r\n\x1a\n"
_UPLOAD = re.compile(r"[0-9a-f]{8}-")
# Labels may lie beyond an edge by so much of the photograph's width or height: they count as absent.
_BEYOND = 0.05


def read_labels(path: str | Path, *, photographs: Sequence[Path] = ()) -> Labels:
    """Read labelled photographs of any format of this room, which is recognised by its content.

    The formats are the table ``photograph,object,name,x,y`` of `convcorr keypoints`, COCO's annotations of
    keypoints, DeepLabCut's ``CollectedData`` as CSV or HDF5 and the folder of its project, Label Studio's JSON,
    and SLEAP's ``.slp`` and ``.pkg.slp``. Photographs that nobody labelled are left out. Points beyond the
    edges by at most a twentieth of the photograph's width or height are absent.

    Args:
        photographs: folders in which photographs are searched that are not found from the file's own folder.

    Raises:
        InputError: the file is missing, empty, too large or of no such format; a photograph is missing, has
            another size than stated, or occurs twice; objects have different points; a coordinate is no finite
            number, or far outside its photograph; or there are no labels.
    """
    path = Path(path)
    files = tables.collected_data(path) if path.is_dir() else [path]
    labels = merge([_read(one, [one.parent, *photographs]) for one in files])
    if not labels.photographs or not labels.names:
        raise InputError(f"{path} has no labelled photograph")
    return labels


def _read(path: Path, folders: Sequence[Path]) -> Labels:
    """Read a file whose photographs are searched in folders."""
    check_file(path, "label")
    with path.open("rb") as stream:
        head = stream.read(1024)
    locate = partial(_locate, folders)
    if head.startswith(_HDF5):
        with naming_file(path, kind="file of SLEAP or DeepLabCut"):
            with h5py.File(path) as stored:
                is_sleap = "videos_json" in stored
            if is_sleap:
                return _checked(programs.read_sleap(path, locate))
            return _read_rows(tables.hdf5_rows(path), path, folders)
    start = head.decode(json.detect_encoding(head), errors="ignore").lstrip("\ufeff \t\r\n")[:1]
    if start and start in "{[":
        with json_file(path, "COCO or Label Studio", most_bytes=_MAX_BYTES) as content:
            read = programs.read_label_studio if isinstance(content, list) else coco.read_coco
            return _checked(read(content, locate))
    rows = read_rows(path, "label")
    with naming_file(path, kind="table of labels"):
        return _read_rows(rows, path, folders)


def pair_labels(photographs: Sequence[Path], points: Sequence[Path]) -> Labels:
    """Read the labels of photographs from one table ``name,x,y`` each, in the same order.

    Points without coordinates are absent. Each photograph has one object.
    """
    if len(photographs) != len(points):
        raise InputError(f"{len(photographs)} photographs have {len(points)} tables of points; each needs one")
    labels = []
    for photograph, path in zip(photographs, points, strict=True):
        image_size(photograph)
        names, xy = read_points(path, absent=True)
        with naming_file(path, kind="table of points"):
            labels.append(_checked(Labels(names, (LabelledPhotograph(photograph, (LabelledObject(xy),)),))))
    return merge(labels)


def merge(several: Sequence[Labels]) -> Labels:
    """Join labels of the same names, which may be in another order; a photograph occurs once."""
    several = [each for each in several if each.photographs] or several[:1]
    first, photographs, seen = several[0], [], set()
    for each in several:
        if {*each.names} != {*first.names}:
            raise InputError(
                f"{each.photographs[0].path} has the points {', '.join(each.names)}, and "
                f"{first.photographs[0].path} {', '.join(first.names)}; the same are expected"
            )
        order = [each.names.index(name) for name in first.names]
        for one in each.photographs:
            ordered = tuple(item._replace(points=item.points[order]) for item in one.objects)
            photographs.append(one._replace(objects=ordered))
            if (real := os.path.realpath(one.path)) in seen:
                raise InputError(f"the photograph {one.path} has labels twice")
            seen.add(real)
    return replace(first, photographs=tuple(photographs))


def _read_rows(rows: list[list[str]], path: Path, folders: Sequence[Path]) -> Labels:
    """Read a table of DeepLabCut, whose paths begin at the folder of the project, or one of ours."""
    if rows[0][0].strip() == "scorer":
        project = path.parent.parent.parent
        return _checked(tables.read_deeplabcut(rows, partial(_locate, [project, *folders])))
    return _checked(tables.read_table(rows, partial(_locate, folders)))


def _locate(folders: Sequence[Path], stated: str, size: Sequence[float] | None) -> tuple[Path, coords.Size]:
    """Return the first photograph that is there and has the size; see the module."""
    # Tables that were written on Windows have its separators.
    parts = [part for part in PureWindowsPath(stated).parts if not part.endswith(("\\", "/"))]
    endings = [parts[count:] for count in range(len(parts))]
    if parts and _UPLOAD.match(parts[-1]):
        endings.append([parts[-1][9:]])
    candidates = [*(folder / stated for folder in folders), Path(stated)]
    candidates += [
        folder.joinpath(*below)
        for ending in endings
        for folder in folders
        for below in (ending, *([ending[1:]] if ending[1:] and ending[0] == folder.name else []))
    ]
    others = []
    for path in filter(os.path.isfile, candidates):
        found = image_size(path, upright=True)
        if size is None or tuple(size) == found:
            return path, found
        labels = f"its labels are for {size[1]:g} x {size[0]:g}"
        others.append(f"{path} has {found.width} x {found.height} pixels; {labels}")
    searched = " nor in ".join(dict.fromkeys(map(str, folders)))
    raise InputError(others[0] if others else f"the photograph {stated!r} is not in {searched}")


def _checked(labels: Labels) -> Labels:
    """Refuse what contradicts itself or the photographs; points just beyond an edge become absent."""
    if repeated := [name for name in labels.names if labels.names.count(name) > 1 or not name.strip()]:
        raise InputError(f"the name of a point is {repeated[0]!r}; each needs a name of its own")
    checked = []
    for photograph in labels.photographs:
        whole_size = image_size(photograph.path, upright=True)
        whole = coords.whole_image(whole_size)
        near = coords.grow(whole, _BEYOND)
        objects = []
        for one in photograph.objects:
            inside = coords.inside(one.points, whole)
            far = ~np.isnan(one.points).any(axis=-1) & ~coords.inside(one.points, near)
            if far.any():
                name, (x, y) = labels.names[int(far.argmax())], one.points[far.argmax()]
                raise InputError(
                    f"point {name} of {photograph.path}, ({x:g}, {y:g}), is outside the photograph of "
                    f"{whole.width:g} x {whole.height:g} pixels"
                )
            if one.box is not None:
                with naming_file(photograph.path, kind="photograph"):
                    coords.check_meets(one.box, whole_size)
            if inside.any() or one.box is not None:
                objects.append(one._replace(points=np.where(inside[:, None], one.points, np.nan)))
        checked.append(photograph._replace(objects=tuple(objects)))
    return replace(labels, photographs=tuple(checked))
