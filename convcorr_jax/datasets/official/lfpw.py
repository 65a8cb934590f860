"""LFPW: 1432 faces with 29 points, with links to the images (`read`), or 1035 with 68 (`read_68`).

The folder of the 29-point release holds ``kbvt_lfpw_v1_train.csv`` and ``kbvt_lfpw_v1_test.csv``, officially
1132 and 300 faces. Fields are separated by tabs. The first line has the names of the columns: ``imgurl``,
``worker``, then ``<point>_x``, ``<point>_y`` and the point's type for 35 points, of which the 29 without the
ears are used. A face has a row for each of three workers and one of worker "average", which is read.

The type is 0 for visible, 1 for obscured by hair or glasses, 2 for hidden because of the viewing angle, 3 for
hidden because the image is cropped; that of "average" is a median. Only type 0 counts as visible; the other
points have the positions that the workers set. No official text states the frame of the points. They were set
in a web page, so they are read as 0-based, without conversion.

The release has links instead of images, and most links are dead. Images that were downloaded belong in
``train`` and ``test``. The image of the k-th face of a split is the first that exists of

1. ``train000001.png`` or ``.jpg``: the split, and k from 1 in six digits, as common download scripts number
   the rows of worker "average";
2. the file name in its link, unless several links of the split end in the same name.

A face without image is `Absent`, and so is a face with a visible point outside its image, for which a server
sent another image. ``image_0001.png`` of 300-W is not used, since its numbers do not follow the rows.

The metric's length of the 29 points is the distance of the pupils.

Source: Belhumeur, Jacobs, Kriegman, Kumar, "Localizing Parts of Faces Using a Consensus of Exemplars",
CVPR 2011.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets.formats import text
from convcorr_jax.datasets.official import faces, ibug
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError

NAMES = tuple(
    (
        "left_eyebrow_out right_eyebrow_out left_eyebrow_in right_eyebrow_in left_eyebrow_center_top "
        "left_eyebrow_center_bottom right_eyebrow_center_top right_eyebrow_center_bottom left_eye_out "
        "right_eye_out left_eye_in right_eye_in left_eye_center_top left_eye_center_bottom "
        "right_eye_center_top right_eye_center_bottom left_eye_pupil right_eye_pupil left_nose_out "
        "right_nose_out nose_center_top nose_center_bottom left_mouth_out right_mouth_out "
        "mouth_center_top_lip_top mouth_center_top_lip_bottom mouth_center_bottom_lip_top "
        "mouth_center_bottom_lip_bottom chin"
    ).split()
)
"""The 29 points by the names of their columns, in their order."""

_PARTS = {
    **{"left_brow": "left_eyebrow", "right_brow": "right_eyebrow"},
    **{"left_eye": "left_eye_", "right_eye": "right_eye_"},
    **{"nose": "nose", "lips": "mouth", "chin": "chin"},
}

MARKUP = faces.Markup(
    names=NAMES,
    left_right_pairs=tuple(
        (index, NAMES.index(name.replace("left", "right")))
        for index, name in enumerate(NAMES)
        if name.startswith("left")
    ),
    part_sets={
        part: tuple(index for index, name in enumerate(NAMES) if word in name) for part, word in _PARTS.items()
    },
    eyes=((NAMES.index("left_eye_pupil"),), (NAMES.index("right_eye_pupil"),)),
)


class Row(NamedTuple):
    """A face: a row of worker "average"."""

    url: str
    points: Float[np.ndarray, "29 2"]
    """Points (x, y) in pixels of the image, 0-based; NaN where a point is absent."""
    visible: Bool[np.ndarray, "29"]


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the faces with 29 points, training first, in the order of their rows."""
    tables = {split: read_rows(source / f"kbvt_lfpw_v1_{split}.csv") for split in ("train", "test")}
    if not any((source / split).is_dir() for split in tables):
        raise InputError(
            f"{source} has neither folder train nor test; the images of LFPW's links are "
            "expected there, as train/train000001.jpg or by the file names of their links"
        )
    return (face for split, rows in tables.items() for face in _faces(source / split, rows))


def read_68(source: Path) -> Iterator[Record | Absent]:
    """Yield the 1035 faces with the 68 points of 300-W, of ``trainset`` and ``testset``."""
    return ibug.read_halves(source, "lfpw")


def read_rows(path: Path) -> list[Row]:
    """Read the rows of worker "average" of a table."""
    lines = [line for line in text.lines(path, kind="LFPW table") if line]
    header = lines[0].split("\t") if lines else []
    columns = _columns(path, header)
    rows = []
    for number, line in enumerate(lines[1:], start=1):
        where = f"{path}, row {number}"
        fields = line.split("\t")
        if len(fields) != len(header):
            raise InputError(f"{where} has {len(fields)} fields; {len(header)} are expected")
        if fields[1] == "average":
            values = text.numbers([fields[column] for column in columns], where=where)
            points, kinds = np.split(values.reshape(-1, 3), [2], axis=1)
            visible = (kinds[:, 0] == 0) & ~np.isnan(points).any(axis=1)
            rows.append(Row(fields[0], points, visible))
    return rows


def _columns(path: Path, header: list[str]) -> list[int]:
    """Return the columns of x, y and type of the 29 points; the type is the column after y."""
    columns: list[int] = []
    for name in NAMES:
        x = header.index(f"{name}_x") if f"{name}_x" in header else len(header)
        if header[:2] != ["imgurl", "worker"] or header[x + 1 : x + 2] != [f"{name}_y"]:
            raise InputError(
                f"{path}: imgurl, worker, and three columns a point are expected in the first line; "
                f"{name}_x or {name}_y is not in its place"
            )
        columns += (x, x + 1, x + 2)
    if max(columns) >= len(header):
        raise InputError(f"{path}: the first line is cut short")
    return columns


def _faces(folder: Path, rows: Sequence[Row]) -> Iterator[Record | Absent]:
    stems = [_stem(row.url) for row in rows]
    uses = Counter(stems)
    for number, (row, stem) in enumerate(zip(rows, stems, strict=True), start=1):
        source_id = f"{folder.name}{number:06d}"
        image = text.find_image(folder, source_id)
        if image is None and stem and uses[stem] == 1:
            image = text.find_image(folder, stem)
        if image is None:
            yield Absent(source_id, f"the image of {row.url} is not in the folder {folder.name}")
            continue
        face = faces.to_record(
            image, MARKUP, row.points, visible=row.visible, source_id=source_id, split=folder.name
        )
        if isinstance(face, Record) and not _holds(face.size, row.points[row.visible]):
            yield Absent(source_id, f"a visible point is outside {image.name}, another image")
        else:
            yield face


def _stem(url: str) -> str:
    """Return the file name in a link, without suffix; an empty text if it has no valid file name."""
    try:
        name = PurePosixPath(unquote(urlsplit(url).path)).stem
        return text.check_name(name, named_in=Path(url))
    except ValueError:
        return ""


def _holds(size: coords.Size, points: Float[np.ndarray, "n 2"]) -> bool:
    x0, y0, x1, y1 = coords.whole_image(size)
    return bool(((points >= (x0, y0)) & (points <= (x1, y1))).all())
