"""Texts of files of labels that are wrong, in our table, DeepLabCut's, COCO's and Label Studio's form."""

import json

from tests.builders.label_files import BRUSH, coco_annotation, coco_content, point, rectangle, region, task

_HEADER = "photograph,name,x,y\n"
_DEEPLABCUT = "scorer,me,me\nbodyparts,u,u\ncoords,x,y\n"
_SIZE = {"id": "a", "file_name": "a.png", "width": 8, "height": 9}
_TEXTS = {
    " \n": "is empty",
    "{": "is damaged, or is no COCO or Label Studio",
    "[]": "has no labelled photograph",
    "name,x,y\nu,1,2\n": "header is 'name,x,y'; 'photograph,object,name,x,y'",
    _HEADER: "has no labelled photograph",
    f"{_HEADER}a.png,u,1\n": "row 1 has 3 entries; 4",
    f"{_HEADER}a.png,u,1,\n": "y of row 1 is ''; a finite",
    f"{_HEADER}a.png,u,nan,1\n": "x of row 1 is 'nan'",
    f"{_HEADER}a.png,u,1,inf\n": "y of row 1 is 'inf'",
    f"{_HEADER}a.png,u,1,1\na.png,u,1,2\n": "row 2 has the point 'u' of its object again",
    f"{_HEADER}a.png,,1,1\n": "name of a point is ''",
    f"{_HEADER}a.png,u,1,1\nb.png,v,1,2\n": "an object in b.png has the points v, and the first one u",
    f"{_HEADER}a.png,u,1,1\n./a.png,u,1,2\n": "has labels twice",
    f"{_HEADER}{'x' * 400},u,1,1\n": "is not in",
    f"{_DEEPLABCUT}a.png,1\n": "or rows are uneven",
    f"{_DEEPLABCUT}a.png,1,x\n": "y of u in row 1 is 'x'",
    "scorer,me\nbodyparts,u\n": "rows scorer, bodyparts, coords",
    "scorer,m,m,m\nbodyparts,u,u,u\ncoords,x,y,likelihood\na.png,1,2,1\n": "point u are not one x and one y",
    "scorer,m,m\nbodyparts,u,v\ncoords,x,y\na.png,1,2\n": "point u are not one x and one y",
    f"{_DEEPLABCUT}a.png,,\n": "has no labelled photograph",
}
_COCO = [
    ({"annotations": []}, "has no labelled photograph"),
    ({"images": {}}, "lists images, categories, annotations"),
    ({"categories": []}, "one category .* there are: none"),
    ({"categories": [{"id": 7, "keypoints": ["u", "v"], "skeleton": [[1, 3]]}]}, "beyond 1 to 2"),
    ({"categories": [{"id": 7, "keypoints": ["u", "u"]}]}, "name of a point is 'u'"),
    ({"annotations": [coco_annotation(keypoints=[1, 2, 2])]}, "has 3 numbers in keypoints; 6 are"),
    ({"annotations": [coco_annotation(keypoints=[float("nan"), 2, 2, 3, 4, 2])]}, "has keypoints .nan"),
    ({"annotations": [coco_annotation(keypoints=[1e9, 2, 2, 3, 4, 2])]}, "point head of .* is outside"),
    ({"annotations": [coco_annotation(keypoints=[1, 2, 5, 3, 4, 2])]}, "a visibility in keypoints other"),
    ({"annotations": [coco_annotation(bbox=[90, 2, 5, 3])]}, "a.png: box .* lies outside"),
    ({"annotations": [coco_annotation(image_id="z")]}, "has image_id 'z'"),
    ({"annotations": [coco_annotation()] * 2}, "two of its annotations have the id 1"),
    ({"annotations": [{"id": 1}]}, "is damaged, or is no COCO"),
    ({"annotations": [coco_annotation(segmentation={"size": [60, 80], "counts": [5]})]}, "80 x 60 pixels"),
    ({"images": [{"id": "a"}]}, "image a has no 'file_name'"),
    ({"images": [{"id": "a", "file_name": "no.png"}]}, "the photograph 'no.png' is not in"),
    ({"images": [_SIZE]}, "80 x 60 pixels; its labels are for 8 x 9"),
    ({"images": [{"id": "a", "file_name": "a.png", "reviewed": "yes"}]}, "has reviewed 'yes'"),
]
_BOXES = [rectangle("r"), rectangle("s")]
_SMALL = region("brushlabels", (20, 30), brushlabels=["u"], rle=BRUSH[:9])
_TASKS = [
    ({"image": "a.png", "kp": []}, "task 1 has no data; the export named JSON"),
    (task([point("u"), point("u")]), "task 5 has the point u twice"),
    (task([point("u"), *_BOXES]), "has the point u in 0 objects"),
    (task([point("u", 20), *_BOXES]), "has the point u in 2 objects"),
    (task([]) | {"annotations": [{"result": []}] * 2}, "has 2 annotations; mark one"),
    (task([point("u"), point("v", size=(9, 9))]), "regions for several sizes"),
    (task([point("u", size=(9, 9))]), "80 x 60 pixels; its labels are for 9 x 9"),
    (task([point("u", float("nan"))]), "task 5 has x nan; a finite number"),
    (task([point("u", "1")]), "task 5 has x '1'"),
    (task([point("u", 200)]), "point u of .* is outside"),
    (task([point("u", image_rotation=90)]), "is turned in Label Studio"),
    (task([point("u")], "z.png"), "photograph 'z.png' is not in"),
    (task([]) | {"data": {"a": "a.png", "b": "b.png"}}, "has 2 photographs"),
    (task([region("brushlabels", brushlabels=["u"], rle=BRUSH)]), "a brush does not have the 80 x 60"),
    (task([_SMALL, point("u", size=(20, 30))], "c.png"), "damaged"),
    (task([region("polygonlabels", polygonlabels=["u"], points=[[float("nan"), 2]])]), "all of them are NaN"),
    (task([point("u"), rectangle("r", width=0)]), "has no area"),
    ({"data": {"image": "a.png"}}, "has no labelled photograph"),
    ("a", "is damaged, or is no COCO or Label Studio"),
]
BAD_LABELS = [
    *_TEXTS.items(),
    *((json.dumps(coco_content(**changes)), sentence) for changes, sentence in _COCO),
    *((json.dumps([one]), sentence) for one, sentence in _TASKS),
]
"""Each with a pattern of the sentence that refuses it, beside the photographs of `label_files`."""
