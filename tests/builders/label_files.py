"""Photographs and labels of them, for tests of formats."""

from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.coords import Box
from convcorr_jax.io import write_image
from convcorr_jax.labels import Found, FoundObject, FoundPhotograph, LabelledPhotograph, Labels

# The first of two animals has both points in a; a point of no animal is alone in c.
ANIMALS = """scorer,me,me,me,me,me,me
individuals,m1,m1,m2,m2,single,single
bodyparts,snout,snout,snout,snout,corner,corner
coords,x,y,x,y,x,y
labeled-data/video/a.png,1,2,3,4,5,6
labeled-data/video/b.png,,,7,8,,
labeled-data/video/c.png,,,,,9,9
"""
SIZES = {"a.png": (60, 80), "b.png": (44, 50), "c.png": (20, 30)}

# Label Studio's configuration for its predictions, as its documentation writes such files.
CONFIGURATION = """<View><Image name="image" value="$image"/>
<RectangleLabels name="boxes" toName="image"><Label value="mouse"/></RectangleLabels>
<KeyPointLabels name="keypoints" toName="image"><Label value="snout" model_index="0"/>
<Label value="left ear" model_index="1"/><Label value="tail" model_index="2"/></KeyPointLabels></View>"""
# Of label-studio-sdk 2.1.2: 6 rows from 3 on of columns 5 to 13, and below 3 rows of columns 7 and 8.
BRUSH = [
    *(0, 0, 9, 96, 57, 27, 255, 1, 123, 0, 196, 127, 249, 76, 3, 17, 255, 229, 48, 12, 71, 255, 148, 192),
    *(49, 31, 254, 83, 0, 196, 127, 249, 76, 3, 17, 255, 229, 176, 9, 255, 243, 120, 4, 255, 249, 188, 2),
    *(127, 254, 8, 38, 0),
]


def photographs(folder: Path) -> list[Path]:
    """Write the photographs of `SIZES` into a folder."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, size in SIZES.items():
        write_image(folder / name, np.zeros((*size, 3), np.uint8))
    return [folder / name for name in SIZES]


def found(folder: Path, *, radius: bool = True) -> Found:
    """Two objects in a, of which one has an absent point; one in b; none in c."""
    objects = [
        FoundObject(
            np.array([[10.125, 20], [30, 40.5], [5, 6 + number]]),
            np.array([0.9, 0.1, 0.5]),
            Box(1.5, 2.5, 35.5, 44.5),
            score,
            np.array([3, np.nan, 9.5]) if radius else None,
            np.array([False, number == 1, False]),
        )
        for number, score in enumerate((None, 0.75, 0.5))
    ]
    of_each = ((objects[0], objects[1]), (objects[2],), ())
    judged = (("good", 1), ("poor", 0), (None, None))
    everything = [
        FoundPhotograph(path, SIZES[path.name], ones, *judgement)
        for path, ones, judgement in zip(photographs(folder), of_each, judged, strict=True)
    ]
    return Found(("snout", "left ear", "tail"), tuple(everything), "mouse", ((0, 1), (1, 2)))


def by_name(labels: Labels) -> dict[str, LabelledPhotograph]:
    """Return labelled photographs by the names of their files."""
    return {one.path.name: one for one in labels.photographs}


def assert_read(labels: Labels, truth: Found) -> None:
    """Assert that the points of all photographs with objects were read back, and absent ones are NaN."""
    assert labels.names == truth.names
    objects = {one.path.resolve(): one.objects for one in truth.photographs if one.objects}
    assert {one.path.resolve() for one in labels.photographs} == {*objects}
    for one in labels.photographs:
        for mine, each in zip(one.objects, objects[one.path.resolve()], strict=True):
            np.testing.assert_allclose(mine.points, each.present, atol=1e-3)


def coco_annotation(**changes: Any) -> dict[str, Any]:
    """An annotation of a.png; fields can be replaced."""
    return {"id": 1, "image_id": "a", "category_id": 7, "keypoints": [1, 2, 2, 3.5, 4, 1], **changes}


def coco_content(**changes: Any) -> dict[str, Any]:
    """A COCO file with one annotation; lists can be replaced."""
    category = {"id": 7, "name": "fly", "keypoints": ["head", "wing"], "skeleton": [[1, 2]]}
    images = [{"id": name, "file_name": f"{name}.png"} for name in "abc"]
    return {"images": images, "categories": [category], "annotations": [coco_annotation()], **changes}


def region(kind: str, size: tuple[int, int] = (60, 80), **fields: Any) -> dict[str, Any]:
    """A region of Label Studio; most fields are its value's."""
    own = {key: fields.pop(key) for key in ("id", "parentID", "image_rotation") if key in fields}
    sizes = {"original_height": size[0], "original_width": size[1]}
    return {"id": "p", "type": kind, "value": fields, **own, **sizes}


def point(name: str, x: Any = 50, y: Any = 50, **fields: Any) -> dict[str, Any]:
    """A labelled point in percent."""
    return region("keypointlabels", x=x, y=y, width=0.5, keypointlabels=[name], **fields)


def rectangle(key: str, x: float = 10, width: float = 30, **fields: Any) -> dict[str, Any]:
    """A rectangle in percent."""
    place = {"x": x, "y": 10, "width": width, "height": 80, "rotation": 0}
    return region("rectanglelabels", id=key, rectanglelabels=["fly"], **place | fields)


def task(result: list[Any], image: str = "a.png", **fields: Any) -> dict[str, Any]:
    """A task of Label Studio with one annotation."""
    return {"id": 5, "data": {"image": image, "note": "none"}, "annotations": [{"result": result, **fields}]}


def sleap_files(sleap_io: Any, folder: Path, places: list[list[np.ndarray]]) -> list[Path]:
    """Write plain.slp and with.pkg.slp: animals at places in the photographs, and a frame of predictions."""
    paths = photographs(folder / "photos")
    for path in paths:
        path.write_bytes(paths[0].read_bytes())
    skeleton = sleap_io.Skeleton(["u", "v"], edges=[("u", "v")])
    video = sleap_io.Video.from_filename([str(path) for path in paths])
    labelled = [[sleap_io.Instance.from_numpy(one, skeleton=skeleton) for one in each] for each in places]
    labelled.append([sleap_io.PredictedInstance.from_numpy(places[0][0], skeleton=skeleton)])
    frames = [
        sleap_io.LabeledFrame(video=video, frame_idx=row, instances=each) for row, each in enumerate(labelled)
    ]
    sleap_io.Labels(frames).save(str(folder / "plain.slp"), verbose=False)
    sleap_io.Labels(frames).save(str(folder / "with.pkg.slp"), embed="all", verbose=False)
    return paths
