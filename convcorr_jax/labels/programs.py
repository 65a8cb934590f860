"""The files of Label Studio, whose coordinates are in percent of the photograph, and of SLEAP.

Label Studio measures from the left and upper edge: ``x = percent / 100 * width - 0.5`` in this package's frame,
in which that edge is at -0.5. SLEAP's coordinates have pixel centres at integers; the package ``sleap-io``
shifts those of old files, which began at the corner.
"""

import re
import urllib.parse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields, make_folder, write_image, write_json
from convcorr_jax.labels.coco import polygon_mask
from convcorr_jax.labels.records import Found, LabelledObject, LabelledPhotograph, Labels, Locate

_LOCAL_FILES = "/data/local-files/?d="
_PHOTOGRAPH = re.compile(r".*\.(jpe?g|png|webp|gif|bmp|tiff?|avif|hei[cf])", re.IGNORECASE | re.DOTALL)


def read_label_studio(content: list[Any], locate: Locate) -> Labels:
    """Read Label Studio's JSON export: points with labels, and the outlines of objects.

    A point belongs to the outline that is its parent, else to the only one, else to the only one whose box it
    is in; without outlines, a photograph has one object. A task without an annotation, or whose annotation was
    skipped, is not labelled; one with an empty annotation shows no object. Names have the order of the file.
    """
    labelled = []
    for number, task in enumerate(content, 1):
        where = f"task {task.get('id', number)}"
        if "data" not in task:
            raise InputError(f"{where} has no data; the export named JSON of Label Studio is expected")
        complete = [each for each in task.get("annotations") or () if not each.get("was_cancelled")]
        complete = [each for each in complete if each.get("ground_truth")] or complete
        if len(complete) > 1:
            raise InputError(f"{where} has {len(complete)} annotations; mark one as the ground truth")
        for annotation in complete:
            regions = [each for each in annotation["result"] if "original_width" in each]
            sizes = {(each["original_height"], each["original_width"]) for each in regions} or {None}
            if len(sizes) > 1 or any(each.get("image_rotation") for each in regions):
                raise InputError(f"{where} is turned in Label Studio, or has regions for several sizes")
            labelled.append((*locate(_photograph(task["data"], where), sizes.pop()), regions, where))
    everything = [region for _, _, regions, _ in labelled for region in regions]
    names = tuple({_label(region): None for region in everything if _is_point(region)})
    categories = {_label(region) for region in everything if not _is_point(region)} - {""}
    photographs = tuple(
        LabelledPhotograph(path, _objects(regions, names, size, where))
        for path, size, regions, where in labelled
    )
    return Labels(names, photographs, categories.pop() if len(categories) == 1 else "object")


def _photograph(data: Mapping[str, Any], where: str) -> str:
    """Return the path of a task's photograph, without what serves it on the web."""
    texts = [value for value in data.values() if isinstance(value, str)]
    paths = [urllib.parse.unquote(text.partition("?d=")[2] or text.partition("?")[0]) for text in texts]
    chosen = [path for path in paths if len(paths) == 1 or _PHOTOGRAPH.fullmatch(path)]
    if len(chosen) != 1:
        raise InputError(f"{where} has {len(chosen)} photographs in its data; one is expected")
    return chosen[0]


def _label(region: Mapping[str, Any]) -> str:
    return "/".join(region["value"].get(region["type"]) or ())


def _is_point(region: Mapping[str, Any]) -> bool:
    return "x" in region["value"] and not {"height", "radiusX"} & {*region["value"]} and bool(_label(region))


def _objects(
    regions: list[Any], names: tuple[str, ...], size: coords.Size, where: str
) -> tuple[LabelledObject, ...]:
    """Return the objects of a photograph, with the points that belong to each."""
    empty = np.full((len(names), 2), np.nan)
    outlines = {one["id"]: _outline(one["value"], size) for one in regions if not _is_point(one)}
    objects = {key: LabelledObject(empty.copy(), *each) for key, each in outlines.items() if each}
    boxes = {key: each[0] for key, each in outlines.items() if each}
    for region in filter(_is_point, regions):
        value, name, parent = region["value"], _label(region), region.get("parentID")
        check_fields({axis: value.get(axis) for axis in "xy"}, {"x": float, "y": float}, name=where)
        point = _pixels([value["x"], value["y"]], size)
        owners = [parent] if parent in boxes else [*boxes]
        if len(owners) > 1:
            owners = [key for key, box in boxes.items() if coords.inside(point, box)]
        if boxes and len(owners) != 1:
            raise InputError(f"{where} has the point {name} in {len(owners)} objects; make one its parent")
        points = objects.setdefault(owners[0] if owners else None, LabelledObject(empty.copy())).points
        if not np.isnan(points[names.index(name)]).any():
            raise InputError(f"{where} has the point {name} twice; draw a rectangle around each object")
        points[names.index(name)] = point
    return tuple(objects.values())


def _outline(
    value: Mapping[str, Any], size: coords.Size
) -> tuple[coords.Box, Bool[np.ndarray, "h w"] | None] | None:
    """Return the box and, of brush strokes and polygons, the mask of a region; None if it has no outline."""
    if "rle" in value:
        mask = _brush_mask(value["rle"], size)
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        edges = (columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5)
        return coords.Box(*map(float, edges)), mask
    if "points" in value:
        corners = _pixels(value["points"], size)
        return coords.tight_box(corners), polygon_mask([corners], size)
    if not {"x", "y", "width", "height"} <= {*value}:
        return None
    # Rectangles are turned about their left upper corner, in pixels.
    angle = np.deg2rad(value.get("rotation", 0))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    sides = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [value["width"], value["height"]] * size[::-1] / 100
    return coords.tight_box(_pixels([value["x"], value["y"]], size) + sides @ turn), None


def _pixels(percent: Any, size: coords.Size) -> np.ndarray:
    return np.array(percent, float) / 100 * size[::-1] - 0.5


def _brush_mask(code: list[int], size: coords.Size) -> Bool[np.ndarray, "h w"]:
    """Decode Label Studio's code of a brush: runs of the RGBA values of all pixels, of which A is the mask."""
    bits = (np.unpackbits(np.array(code, np.uint8)) + ord("0")).tobytes().decode()
    place = 0

    def number(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    if number(32) != 4 * size.height * size.width:
        raise InputError(f"a brush does not have the {size.width} x {size.height} pixels of its photograph")
    values = np.zeros(4 * size.height * size.width, np.uint8)
    of_value, of_run = number(5) + 1, [number(4) + 1 for _ in range(4)]
    begin = 0
    while begin < len(values):
        is_repeated = number(1)
        end = begin + 1 + number(of_run[number(2)])
        values[begin:end] = number(of_value) if is_repeated else [number(of_value) for _ in range(begin, end)]
        begin = end
    return values.reshape(*size, 4)[..., 3] > 0


def write_label_studio(path: Path, found: Found) -> None:
    """Write what is found as Label Studio's tasks with predictions.

    They fit a labelling configuration with an ``Image`` named image whose value is ``$image``, with
    ``RectangleLabels`` named boxes of the category, and with ``KeyPointLabels`` named keypoints of the names.
    Photographs are those of a local storage. Absent points are left out, what is outside is moved to the edge,
    and a task's score is the mean confidence of its points.
    """
    tasks = []
    for each in found.photographs:
        height, width = each.size
        shared = {"to_name": "image", "original_width": width, "original_height": height, "image_rotation": 0}
        result = []
        for number, one in enumerate(each.objects, 1):
            corners = np.concatenate([np.array(one.box).reshape(2, 2), one.present])
            percent = np.clip((corners + 0.5) * 100 / [width, height], 0, 100)
            percent[1] -= percent[0]
            (x, y), (across, down), *places = percent.tolist()
            value = {"x": x, "y": y, "width": across, "height": down, "rotation": 0}
            shared["id"] = f"object{number}"
            result.append(shared | _region("boxes", "rectanglelabels", found.category, value, one.score))
            scores = [None] * len(found.names) if one.confidence is None else one.confidence
            for name, (x, y), score in zip(found.names, places, scores, strict=True):
                own = {"id": f"object{number}-{name}", "parentID": f"object{number}"}
                value = {"x": x, "y": y, "width": 0.5}
                if not np.isnan(x):
                    result.append(shared | own | _region("keypoints", "keypointlabels", name, value, score))
        means = [one.confidence.mean() for one in each.objects if one.confidence is not None]
        prediction = {"model_version": "convcorr", "result": result}
        prediction |= {"score": float(np.mean(means))} if means else {}
        served = _LOCAL_FILES + urllib.parse.quote(each.path.as_posix())
        tasks.append({"data": {"image": served}, "predictions": [prediction]})
    write_json(path, tasks)


def _region(tag: str, kind: str, label: str, value: dict[str, float], score: Any) -> dict[str, Any]:
    known = {} if score is None else {"score": float(score)}
    return {"from_name": tag, "type": kind, "value": {**value, kind: [label]}, **known}


def read_sleap(path: Path, locate: Locate) -> Labels:
    """Read what a person labelled in SLEAP, through the package ``sleap-io``.

    Photographs that are frames of a video, or inside of a ``.pkg.slp`` and nowhere else, are written as PNG
    into the folder ``NAME.frames`` beside the file. Predictions of SLEAP are no labels.
    """
    try:
        import sleap_io  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise InputError("reading files of SLEAP needs sleap-io; pip install sleap-io installs it") from error
    with warnings.catch_warnings(action="ignore"):
        labels = sleap_io.load_slp(str(path))
        if len(labels.skeletons) != 1:
            raise InputError(f"it has {len(labels.skeletons)} skeletons; one is expected")
        photographs = []
        for frame in labels.labeled_frames:
            if frame.user_instances or getattr(frame, "is_negative", False):
                objects = (LabelledObject(np.array(one.numpy(), float)) for one in frame.user_instances)
                place = _frame(frame, labels.videos.index(frame.video), path, locate)
                photographs.append(LabelledPhotograph(place, tuple(objects)))
    (skeleton,) = labels.skeletons
    edges = tuple((int(a), int(b)) for a, b in skeleton.edge_inds)
    return Labels(tuple(map(str, skeleton.node_names)), tuple(photographs), skeleton=edges)


def _frame(frame: Any, video: int, path: Path, locate: Locate) -> Path:
    """Return the photograph of a frame of SLEAP, which is written if there is none."""
    source = frame.video
    while source.source_video is not None:
        source = source.source_video
    if isinstance(names := source.filename, list):
        try:
            return locate(names[frame.frame_idx], None)[0]
        except InputError:
            if source is frame.video:
                raise
    try:
        image = np.asarray(frame.image)
        pixels = np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.uint8)
    except Exception as error:  # Readers of videos raise almost anything.
        raise InputError(f"frame {frame.frame_idx} of {names} cannot be read: {error}") from error
    written = path.with_name(f"{path.name}.frames") / f"{video}-{frame.frame_idx:06}.png"
    make_folder(written.parent)
    write_image(written, pixels)
    return written
