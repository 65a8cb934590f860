"""PASCAL VOC 2012 segmentation: images whose pixels are labelled with 20 classes.

The folder holds the content of the archive ``VOCtrainval_11-May-2012.tar``, ``VOCdevkit/VOC2012``:
``ImageSets/Segmentation/{train,val}.txt`` list images of ``JPEGImages``. Their palette images in
``SegmentationClass`` hold 0 for background, k for the k-th class, and 255 for the borders of objects and for
pixels that are too difficult to label, which no score counts. Officially there are 1464 images for training and
1449 for validation; the labels of the test images are not public.

A record is a whole image, which may show several classes: its category is "scene", and it has neither box nor
keypoints.

Source: Everingham, Eslami, Van Gool, Williams, Winn, Zisserman, "The PASCAL Visual Object Classes
Challenge: A Retrospective", IJCV 2015.
"""

from collections.abc import Iterator
from pathlib import Path

from convcorr_jax.datasets.formats import voc
from convcorr_jax.datasets.records import Absent, Record
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size


def read(source: Path) -> Iterator[Record | Absent]:
    """Yield the images of both splits, training first, in the order of their lists.

    Raises:
        InputError: the folder is not that of the release; a list is missing, or names an image twice.
    """
    release = voc.find_release(source, (2012,))
    splits = voc.read_splits(release / "ImageSets" / "Segmentation")
    return (_record(release, name, split) for name, split in splits.items())


def _record(release: Path, name: str, split: str) -> Record | Absent:
    image = release / "JPEGImages" / f"{name}.jpg"
    label_map = release / "SegmentationClass" / f"{name}.png"
    for path in (image, label_map):
        if not path.is_file():
            return Absent(name, f"{path.parent.name}/{path.name} is missing")
    try:
        size = image_size(image)
        if image_size(label_map) != size:
            return Absent(name, f"{label_map.name} has another size than its image")
        return Record(
            image=image,
            size=size,
            category="scene",
            source_id=name,
            split=split,
            label_map=label_map,
            label_names=voc.CLASSES,
        )
    except InputError as error:
        return Absent(name, str(error))
