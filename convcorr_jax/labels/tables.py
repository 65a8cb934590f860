"""Tables of points: those of this package, and DeepLabCut's.

Ours has the header ``photograph,object,name,x,y`` and, where they are known, ``confidence`` and ``radius_px``;
an absent point has no coordinates. Coordinates of both are 0-based with pixel centres at integers; DeepLabCut
does not state its convention, and is taken to have this one.
"""

import csv
import importlib
import io
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.errors import InputError
from convcorr_jax.io import coordinate, read_rows, temporary_folder, written_whole
from convcorr_jax.labels.records import Found, FoundObject, LabelledObject, LabelledPhotograph, Labels, Locate

_REQUIRED = ("photograph", "name", "x", "y")
# The digits after the decimal point of each number of our table.
_DIGITS = {"x": 3, "y": 3, "confidence": 4, "radius_px": 3}


def read_table(rows: Sequence[Sequence[str]], locate: Locate) -> Labels:
    """Read the rows of our table; confidence and radius are ignored."""
    header = [column.strip() for column in rows[0]]
    if not {*_REQUIRED} <= {*header} <= {"object", *_REQUIRED, *_DIGITS} or len({*header}) < len(header):
        expected = "'photograph,object,name,x,y', or that of DeepLabCut,"
        raise InputError(f"its header is {','.join(header)!r}; {expected} is expected")
    photographs: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(header):
            raise InputError(f"row {number} has {len(row)} entries; {len(header)} are expected")
        value = dict(zip(header, map(str.strip, row), strict=True))
        points = photographs.setdefault(value["photograph"], {}).setdefault(value.get("object", ""), {})
        if value["name"] in points:
            raise InputError(f"row {number} has the point {value['name']!r} of its object again")
        points[value["name"]] = _point(value["x"], value["y"], f"row {number}")
    names = next((tuple(points) for each in photographs.values() for points in each.values()), ())
    labelled = []
    for stated, each in photographs.items():
        for points in each.values():
            if {*points} != {*names}:
                raise InputError(
                    f"an object in {stated} has the points {', '.join(points)}, and the first one "
                    f"{', '.join(names)}; each needs a row of every point, without x and y if it is absent"
                )
        objects = (LabelledObject(np.array([points[name] for name in names])) for points in each.values())
        labelled.append(LabelledPhotograph(locate(stated, None)[0], tuple(objects)))
    return Labels(names, tuple(labelled))


def point_values(names: Sequence[str], objects: Sequence[FoundObject]) -> list[dict[str, Any]]:
    """Return the points of a photograph by the columns of our table; several objects have numbers from 1."""
    values = []
    for number, one in enumerate(objects, 1):
        of_object = {"object": number} if len(objects) > 1 else {}
        columns = dict(zip(_DIGITS, (*one.present.T, one.confidence, one.radius_px), strict=True))
        for place, name in enumerate(names):
            numbers = {key: float(column[place]) for key, column in columns.items() if column is not None}
            values.append({**of_object, "name": name, **numbers})
    return values


def write_table(path: Path, found: Found) -> None:
    """Write the points of photographs as our table, to a thousandth of a pixel."""
    is_known = any(one.radius_px is not None for each in found.photographs for one in each.objects)
    columns = ["photograph", "object", "name", "x", "y", "confidence", *(["radius_px"] if is_known else [])]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for each in found.photographs:
        for value in point_values(found.names, each.objects):
            for key in _DIGITS.keys() & value.keys():
                value[key] = "" if math.isnan(value[key]) else f"{value[key]:.{_DIGITS[key]}f}"
            writer.writerow({"photograph": each.path, "object": 1, **value})
    with written_whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")


def collected_data(folder: Path) -> list[Path]:
    """Return the tables of DeepLabCut's project, or of a folder of its frames; CSV where there is HDF5, too."""
    patterns = [f"{place}CollectedData_*.{end}" for end in ("h5", "csv") for place in ("labeled-data/*/", "")]
    found = {path.with_suffix(""): path for pattern in patterns for path in folder.glob(pattern)}
    if not found:
        raise InputError(f"{folder} has no labeled-data of DeepLabCut with CollectedData_*.csv or .h5")
    return sorted(found.values())


def read_deeplabcut(rows: Sequence[Sequence[str]], locate: Locate) -> Labels:
    """Read the rows of DeepLabCut's table, of one animal or, with ``individuals``, of several.

    Photographs without a labelled point are left out, and so are points of no animal (``single``) beside
    animals.
    """
    kinds = [row[0].strip() for row in rows[:4]]
    count = 4 if "individuals" in kinds else 3
    header = dict(zip(kinds[:count], rows, strict=False))
    if not {"scorer", "bodyparts", "coords"} <= {*header} or len({*map(len, rows)}) > 1:
        raise InputError("its rows scorer, bodyparts, coords of DeepLabCut are not there, or rows are uneven")
    # The path of a photograph is one column, or three: labeled-data, the video, the file.
    start = next((place for place, entry in enumerate(header["scorer"][1:], 1) if entry.strip()), 1)
    animals = [entry.strip() for entry in header.get("individuals", [""] * len(rows[0]))]
    columns: dict[str, dict[str, int]] = {}
    for place in range(start, len(rows[0]), 2):
        parts = columns.setdefault(animals[place], {})
        part, both = header["bodyparts"][place].strip(), slice(place, place + 2)
        if header["coords"][both] != ["x", "y"] or {*header["bodyparts"][both]} != {part} or part in parts:
            raise InputError(f"the columns of the point {part} are not one x and one y alone, as labels have")
        parts[part] = place
    if len(columns) > 1:
        columns.pop("single", None)
    names = tuple(next(iter(columns.values()), ()))
    for animal, parts in columns.items():
        if {*parts} != {*names}:
            raise InputError(f"{animal} has the points {', '.join(parts)}; {', '.join(names)} are expected")
    photographs = []
    for number, row in enumerate(rows[count:], 1):
        objects = []
        for parts in columns.values():
            entries = [(row[parts[name]], row[parts[name] + 1], f"{name} in row {number}") for name in names]
            points = np.array([_point(*each) for each in entries])
            objects += [] if np.isnan(points).all() else [LabelledObject(points)]
        if objects:
            stated = "/".join(part.strip() for part in row[:start])
            photographs.append(LabelledPhotograph(locate(stated, None)[0], tuple(objects)))
    return Labels(names, tuple(photographs))


def hdf5_rows(path: Path) -> list[list[str]]:
    """Read DeepLabCut's HDF5 file as the rows of its table, or the CSV file beside it without pandas.

    pandas unpickles parts of such files: open those that you trust.
    """
    if (pandas := _pandas()) is not None:
        return list(csv.reader(io.StringIO(pandas.read_hdf(path).to_csv(), newline="")))
    if (beside := path.with_suffix(".csv")).is_file():
        return read_rows(beside, "DeepLabCut")
    raise InputError(
        "HDF5 files of DeepLabCut need pandas and tables; pip install pandas tables installs them, and .csv "
        "files are read without"
    )


def _pandas() -> Any:
    """Return pandas; None unless it and what it reads HDF5 files with are installed."""
    try:
        importlib.import_module("tables")
        return importlib.import_module("pandas")
    except ImportError:
        return None


def write_deeplabcut(path: Path, found: Found) -> list[Path]:
    """Write DeepLabCut's ``CollectedData_SCORER.csv`` and, with pandas and tables, the .h5 file beside it.

    Photographs are named ``labeled-data``, their folder, their name: in that folder of a project whose scorer
    the file's name has, the files are its labels. Absent points have no coordinates. Several objects of
    a photograph are individuals.

    Returns:
        The paths of the files.
    """
    most = max((len(each.objects) for each in found.photographs), default=1)
    animals = [f"individual{number}" for number in range(1, most + 1)] if most > 1 else [""]
    scorer = path.stem.removeprefix("CollectedData_")
    kinds = zip(*itertools.product([scorer], animals, found.names, "xy"), strict=True)
    titles = zip(("scorer", "individuals", "bodyparts", "coords"), kinds, strict=True)
    rows = [[title, "", "", *entries] for title, entries in titles if all(entries)]
    for each in found.photographs:
        points = [one.present.round(3) for one in each.objects]
        points += [np.full((len(found.names), 2), np.nan)] * (len(animals) - len(points))
        numbers = np.concatenate(points).ravel().tolist()
        place = ("labeled-data", each.path.absolute().parent.name, each.path.name)
        rows.append([*place, *("" if math.isnan(number) else str(number) for number in numbers)])
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    with written_whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
    if (pandas := _pandas()) is None:
        return [path]
    text.seek(0)
    frame = pandas.read_csv(text, header=list(range(len(rows) - len(found.photographs))), index_col=[0, 1, 2])
    # HDF5 does not open the temporary file, which is locked.
    with temporary_folder(path.parent) as folder, written_whole(path.with_suffix(".h5")) as temporary:
        frame.to_hdf(folder / "table.h5", key="df_with_missing", mode="w")
        temporary.write_bytes((folder / "table.h5").read_bytes())
    return [path, path.with_suffix(".h5")]


def _point(x: str, y: str, where: str) -> tuple[float, float]:
    """Return coordinates, which are NaN if neither is stated."""
    if not x.strip() and not y.strip():
        return math.nan, math.nan
    return coordinate(x.strip(), f"x of {where}"), coordinate(y.strip(), f"y of {where}")
