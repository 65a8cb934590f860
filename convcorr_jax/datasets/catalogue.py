"""The data sets of the three papers and of the field's comparisons: what each contains and how it is read.

Counts are official numbers of records: annotated objects, or whole images if the data set annotates no objects.
A data set without an official count has none here, and no count is compared.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from convcorr_jax.datasets.records import Absent, PairSet, Record

Read = Callable[[Path], Iterator[Record | Absent]]
# Takes the folder, and the split by keyword.
ReadPairs = Callable[..., PairSet]


class Archive(NamedTuple):
    """An official archive: its file name, and its SHA-256 in 64 hexadecimal digits."""

    name: str
    sha256: str


@dataclass(frozen=True)
class DataSet:
    """A data set; its name is also that of its folder under the data root.

    The homepage is the address of the official page or file; the licence states the terms of use, or that none
    are stated. The layout names the files and folders of the official release, in words. The markers are glob
    patterns; a folder in which one of them matches a path holds the release. ``read_pairs`` reads the pairs of
    a split that the protocol fixes, if any. The counts are official numbers of records by split, the megabytes
    the approximate size of the download.
    """

    name: str
    title: str
    homepage: str
    licence: str
    layout: str
    markers: tuple[str, ...]
    read: Read
    read_pairs: ReadPairs | None = None
    megabytes: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    archives: tuple[Archive, ...] = ()

    def is_release(self, folder: Path) -> bool:
        """Return whether a folder holds the official release, that is a path that a marker matches."""
        return any(next(folder.glob(marker), None) is not None for marker in self.markers)


def _reader(module: str, function: str) -> Callable[..., Any]:
    """Return a function of an official reader, whose module is imported when the function is called."""

    def read(folder: Path, **options: Any) -> Any:
        return getattr(import_module(f"convcorr_jax.datasets.official.{module}"), function)(folder, **options)

    return read


def _halves(name: str) -> tuple[str, ...]:
    """Return the markers of a collection of 300-W, in its own folder or in a folder ``name`` in it."""
    return tuple(f"{folder}{half}" for folder in ("", f"{name}/") for half in ("trainset", "testset"))


_IMAGENET_CLASS = "n" + "[0-9]" * 8
_IMAGENET_KITS = ("", "data/", "ILSVRC2012_devkit_t12/data/")
_MPII_FILES = (
    "mpii_human_pose_v1_u12_1.mat",
    *(f"{split}.{ending}" for split in ("train", "valid", "test") for ending in ("h5", "json")),
    *("mpii_train.json", "mpii_val.json", "mpii_test.json"),
)
_WILLOW_SUBSETS = "car([GMS]) duck(S) motorbike([GMS]) winebottle(M) winebottle(wC) winebottle(woC)".split()

_FLICKR = "photographs from Flickr under their owners' terms; research use"
_NONE_STATED = "none stated; its authors ask to be cited"
_IBUG = "annotations for research only, no commercial products; photographs of private persons"

_ALL = (
    DataSet(
        name="voc2011_keypoints",
        title="PASCAL VOC 2011 with Berkeley's keypoints: 20 classes, 6 to 23 keypoints",
        homepage="http://www.cs.berkeley.edu/~lbourdev/poselets/voc2011_keypoints_Feb2012.tgz",
        licence=_FLICKR,
        layout="VOCdevkit/VOC2011 (or VOC2012) and annotations/<class>/<image>_<n>.xml",
        markers=("annotations/*/*.xml",),
        read=_reader("voc", "read_keypoints"),
        megabytes=1700,
    ),
    DataSet(
        name="voc2012_segmentation",
        title="PASCAL VOC 2012 segmentation: 20 classes and background",
        homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        licence=_FLICKR,
        layout="VOCdevkit/VOC2012 with ImageSets/Segmentation, JPEGImages and SegmentationClass",
        markers=("ImageSets/Segmentation", "VOC2012", "VOCdevkit/VOC2012", "TrainVal/VOCdevkit/VOC2012"),
        read=_reader("voc", "read_segmentation"),
        megabytes=1907,
        counts={"train": 1464, "val": 1449},
        archives=(
            Archive(
                "VOCtrainval_11-May-2012.tar",
                "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
            ),
        ),
    ),
    DataSet(
        name="helen",
        title="Helen: faces with 194 landmarks along contours",
        homepage="http://www.ifp.illinois.edu/~vuongle2/helen/",
        licence=_FLICKR,
        layout="annotation/<n>.txt, trainnames.txt, testnames.txt and folders of images",
        markers=("annotation/*.txt", "trainnames.txt", "testnames.txt"),
        read=_reader("ibug", "read_helen"),
        counts={"train": 2000, "test": 330},
    ),
    DataSet(
        name="helen68",
        title="Helen with the 68 landmarks of 300-W",
        homepage="https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/",
        licence=_IBUG,
        layout="trainset and testset of <image>.jpg and <image>.pts",
        markers=_halves("helen"),
        read=_reader("ibug", "read_helen_68"),
        counts={"train": 2000, "test": 330},
    ),
    DataSet(
        name="lfpw",
        title="LFPW: faces with 29 landmarks; the release has links instead of images",
        homepage="https://neerajkumar.org/databases/lfpw/",
        licence="none stated; photographs found on the web",
        layout="kbvt_lfpw_v1_train.csv, kbvt_lfpw_v1_test.csv, and the images in train and test",
        markers=("kbvt_lfpw_v1_train.csv", "kbvt_lfpw_v1_test.csv"),
        read=_reader("lfpw", "read"),
        counts={"train": 1132, "test": 300},
    ),
    DataSet(
        name="lfpw68",
        title="LFPW with the 68 landmarks of 300-W",
        homepage="https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/",
        licence=_IBUG,
        layout="trainset and testset of <image>.png and <image>.pts",
        markers=_halves("lfpw"),
        read=_reader("lfpw", "read_68"),
        counts={"train": 811, "test": 224},
    ),
    DataSet(
        name="three_hundred_w",
        title="300-W: faces of AFW, Helen, LFPW, IBUG and the challenge with 68 landmarks",
        homepage="https://ibug.doc.ic.ac.uk/resources/300-W/",
        licence=_IBUG,
        layout="any of afw, helen, lfpw, ibug and 300W, with images and .pts files side by side",
        markers=(
            *("afw", "ibug", "300W/01_Indoor", "300W/02_Outdoor"),
            *(f"{name}/{half}" for name in ("helen", "lfpw") for half in ("trainset", "testset")),
        ),
        read=_reader("ibug", "read_300w"),
        counts={"train": 3148, "common": 554, "challenging": 135, "indoor": 300, "outdoor": 300},
    ),
    DataSet(
        name="lfw",
        title="LFW: public figures with 73 attributes by classifiers",
        homepage="http://vis-www.cs.umass.edu/lfw/",
        licence="none stated; news photographs of named persons, research use",
        layout="lfw_attributes.txt and lfw/<Person_Name>/<Person_Name>_<nnnn>.jpg",
        markers=("lfw_attributes.txt",),
        read=_reader("faces", "read_lfw"),
        megabytes=172,
        counts={"all": 13143},
        archives=(Archive("lfw.tgz", "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0"),),
    ),
    DataSet(
        name="mtfl",
        title="MTFL: faces with 5 landmarks, gender, smile, glasses and head pose",
        homepage="http://mmlab.ie.cuhk.edu.hk/projects/TCDCN.html",
        licence=_NONE_STATED,
        layout="training.txt, testing.txt and the folders lfw_5590, net_7876 and AFLW",
        markers=("training.txt", "testing.txt"),
        read=_reader("faces", "read_mtfl"),
        counts={"train": 10000, "test": 2995},
    ),
    DataSet(
        name="imagenet_validation",
        title="ImageNet's validation set of ILSVRC 2012: 1000 classes",
        homepage="https://www.image-net.org/download.php",
        licence="non-commercial research and education, after registration",
        layout="<wnid>/<image>.JPEG; or the images with the development kit, or with val.txt",
        markers=(
            *(f"{_IMAGENET_CLASS}/*", f"val/{_IMAGENET_CLASS}/*"),
            *(f"{kit}ILSVRC2012_validation_ground_truth.txt" for kit in _IMAGENET_KITS),
            *("val.txt", "val_list.txt", "val_map.txt"),
        ),
        read=_reader("imagenet", "read"),
        megabytes=6432,
        counts={"val": 50000},
        archives=(
            Archive(
                "ILSVRC2012_img_val.tar", "c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0"
            ),
        ),
    ),
    DataSet(
        name="flic",
        title="FLIC: upper bodies in film frames, 11 joints",
        homepage="https://bensapp.github.io/flic-dataset.html",
        licence="none stated; frames of films",
        layout="examples.mat and images",
        markers=("examples.mat", "FLIC/examples.mat"),
        read=_reader("flic", "read"),
        megabytes=286,
        counts={"train": 3987, "test": 1016},
        archives=(Archive("FLIC.zip", "778a4847f068592af40e959381c153838e4f68bb1d798e3824a9d88e5b881955"),),
    ),
    DataSet(
        name="mpii",
        title="MPII Human Pose: people in video frames, 16 joints",
        homepage="http://human-pose.mpi-inf.mpg.de/",
        licence="annotations under the Simplified BSD licence; frames for research",
        layout="mpii_human_pose_v1_u12_1.mat (or its .h5 or .json forms) and images",
        markers=tuple(f"{folders}{name}" for name in _MPII_FILES for folders in ("", "*/", "*/*/")),
        read=_reader("mpii", "read"),
        megabytes=12900,
    ),
    DataSet(
        name="lsp",
        title="Leeds Sports Pose: 2000 people, 14 joints",
        homepage="https://sam.johnson.io/research/lsp.html",
        licence=_NONE_STATED,
        layout="joints.mat and images/im0001.jpg ...",
        markers=("joints.mat",),
        read=_reader("lsp", "read"),
        counts={"train": 1000, "test": 1000},
    ),
    DataSet(
        name="lspet",
        title="Leeds Sports Pose Extended: 10,000 people, 14 joints, inaccurate",
        homepage="https://sam.johnson.io/research/lspet.html",
        licence=_NONE_STATED,
        layout="joints.mat and images/im00001.jpg ...",
        markers=("joints.mat",),
        read=_reader("lsp", "read"),
        counts={"train": 10000},
    ),
    DataSet(
        name="pf_willow",
        # The release contains 100 files; 30 photographs occur twice, and copies may drop the duplicates.
        title="PF-WILLOW: 70 photographs of 4 classes, 10 keypoints, 900 pairs",
        homepage="https://www.di.ens.fr/willow/research/proposalflow/",
        licence=_NONE_STATED,
        layout="ten folders, such as car(G), of <image>.png and <image>.mat",
        markers=tuple(f"{folder}{subset}" for folder in ("", "*/") for subset in _WILLOW_SUBSETS),
        read=_reader("pf_willow", "read"),
        read_pairs=_reader("pf_willow", "read_pairs"),
    ),
    DataSet(
        name="pf_pascal",
        title="PF-PASCAL: pairs of PASCAL VOC objects with keypoints in common",
        homepage="https://www.di.ens.fr/willow/research/proposalflow/",
        licence=_NONE_STATED,
        layout="JPEGImages, Annotations/<class>/<image>.mat, and lists <split>_pairs_pf_pascal.csv",
        markers=("Annotations", "PF-dataset-PASCAL/Annotations"),
        read=_reader("pf_pascal", "read"),
        read_pairs=_reader("pf_pascal", "read_pairs"),
    ),
    DataSet(
        name="spair71k",
        title="SPair-71k: 1800 images of 18 classes, 70958 pairs",
        homepage="https://cvlab.postech.ac.kr/research/SPair-71k/",
        licence=_NONE_STATED,
        layout="SPair-71k with JPEGImages, ImageAnnotation, PairAnnotation and Layout",
        markers=("ImageAnnotation", "SPair-71k/ImageAnnotation"),
        read=_reader("spair", "read"),
        read_pairs=_reader("spair", "read_pairs"),
        megabytes=227,
    ),
    DataSet(
        name="ap10k",
        title="AP-10K: 10015 images of animals of 54 species, 17 keypoints",
        homepage="https://github.com/AlexTheBad/AP-10K",
        licence="CC BY 4.0",
        layout="ap-10k with annotations/ap10k-<split>-split1.json, and the images in data",
        markers=tuple(f"{folder}annotations/ap10k-*-split1.json" for folder in ("", "ap-10k/")),
        read=_reader("ap10k", "read"),
        read_pairs=_reader("ap10k", "read_pairs"),
    ),
)

DATASETS: Mapping[str, DataSet] = MappingProxyType({dataset.name: dataset for dataset in _ALL})
"""All data sets by name."""
