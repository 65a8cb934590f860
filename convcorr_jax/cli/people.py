"""``convcorr keypoints``, ``landmarks`` and ``pose``: points of photographs, as figures and tables.

`PointCommand` is what the three share: it reads the photographs, and writes what is found in them.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from tyro.conf import FlagCreatePairsOff, Positional, arg

from convcorr_jax.cli import arguments
from convcorr_jax.cli.finders import TOGETHER, AnnotatedObjects, FaceKeypoints, FaceLandmarks, Finder, People
from convcorr_jax.cli.pairs import expand, figure_names
from convcorr_jax.errors import InputError, NumericalError, WriteError
from convcorr_jax.runtime import BoxOption, as_box, bar, exit_status

if TYPE_CHECKING:
    from convcorr_jax import coords


@dataclass(frozen=True)
class PointCommand(ABC):
    """A command that finds points in photographs by a model of a ``kind``; a subclass adds `load`."""

    name: ClassVar[str]
    kind: ClassVar[str]

    photographs: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="PHOTO.jpg|FOLDER|PATTERN", help_behavior_hint="(required)")
    ] = ()
    """Photographs, folders of them, and patterns in quotes, such as "a/*.jpg". With several photographs, one
    that cannot be read is reported, and the others go on."""
    model: Path | None = None
    box: BoxOption = None
    out: Annotated[
        Path | None, arg(metavar="PATH", help_behavior_hint="(default: the command's name, as .png or folder)")
    ] = None
    """The figure of one photograph: .png, .jpg or .pdf, with a .csv file of the same name beside it, whose
    header is name,x,y and, but for landmarks, confidence, after a column object if there are several. Of
    several photographs, a folder: points.csv begins with the columns photograph,object; points.json holds the
    same as COCO's annotations of keypoints; each photograph has a figure. Where nothing is found, a sentence
    says so, nothing is written of the photograph, and the exit status is 0."""
    figures: bool = True
    """Draw figures of several photographs; without them, it takes less time."""
    output: arguments.OutputOptions = arguments.OutputOptions()

    @abstractmethod
    def load(self) -> Finder:
        """Load the model."""

    def run(self) -> arguments.Result:
        """Find the points, write figures and tables, and return their paths and the points."""
        paths = expand(self.photographs)
        if not paths:
            raise InputError(f"Missing from convcorr {self.name}: PHOTO.jpg (see --help)")
        return self._run_one(*paths) if tuple(paths) == self.photographs[:1] else self._run_all(paths)

    def _check(
        self, figures: Sequence[Path], others: Sequence[Path], read: Sequence[Path], folder: Path | None = None
    ) -> None:
        """Refuse outputs that cannot be written or overwrite other files, and models that are not there."""
        weights = getattr(self, "weights", None)
        arguments.check_outputs(
            figures[0], (*figures[1:], *others), read=(*read, self.model, weights), folder=folder
        )
        arguments.check_models(model=self.model, kind=self.kind, weights=weights)

    def _run_one(self, path: Path) -> arguments.Result:
        """Find the points of one photograph, and write the figure and the table, if there are any."""
        out, box = self.out or Path(f"{self.name}.png"), as_box(self.box)
        table = out.with_suffix(".csv")
        self._check([out], [table], [path])
        photograph = arguments.read_photograph(path, box=box)
        finder = self.load()
        (found,) = finder.find([photograph], box)
        objects = [{"box": list(one.box), "score": one.score} for one in found]
        values: dict[str, Any] = {"figure": None, "table": None, "objects": objects, "points": []}
        if not found:
            hint = "; --box names a place" if finder.has_boxes else ""
            sentence = f"No {finder.objects[0]} was found in {path}, and nothing was written{hint}."
            return arguments.Result([sentence], values)
        from convcorr_jax.io import write_image, write_points, written_whole
        from convcorr_jax.labels import Found, FoundPhotograph, point_values, write_table

        with written_whole(out) as temporary_figure, written_whole(table) as temporary_table:
            write_image(temporary_figure, finder.draw(photograph, found))
            if len(found) == 1:
                write_points(temporary_table, finder.names, found[0].present, confidence=found[0].confidence)
            else:
                whole = FoundPhotograph(path, photograph.shape[:2], tuple(found))
                write_table(temporary_table, Found(tuple(finder.names), (whole,)))
        of_each = f" of each of {finder.count(len(found))}" if len(found) > 1 else ""
        lines = [f"{len(finder.names)} {finder.what}{of_each}.", str(out), str(table)]
        if box is None and finder.has_boxes:
            edges = (" ".join(f"{edge:.0f}" for edge in one.box) for one in found if one.score is not None)
            lines += [*(f"Found: --box {each}." for each in edges), *filter(None, [finder.note])]
        points = point_values(finder.names, found)
        return arguments.Result(lines, values | {"figure": out, "table": table, "points": points})

    def _run_all(self, paths: Sequence[Path]) -> arguments.Result:
        """Find the points of photographs, and write them into a folder; failures are reported."""
        from convcorr_jax.io import write_image
        from convcorr_jax.labels import Found, FoundPhotograph, point_values, write_coco, write_table

        started, folder = time.perf_counter(), self.out or Path(self.name)
        if folder.suffix.lower() in arguments.FIGURE_ENDINGS:
            raise InputError(f"--out {folder} must be a folder, since there are several photographs")
        figures = [folder / name for name in figure_names(path.stem for path in paths)]
        files = {kind: folder / f"points.{kind}" for kind in ("csv", "json")}
        self._check(figures, list(files.values()), paths, folder)
        found: list[FoundPhotograph] = []
        values: list[dict[str, Any]] = []
        lines, errors, code = [], [], 0
        with bar(self.name, total=len(paths), transient=True) as update:
            finder = self.load()
            # Programs are compiled for powers of two; two threads share few photographs, too.
            finder.batch = min(TOGETHER, 1 << max(1, len(paths) // 2).bit_length() - 1)
            for path, figure, (photograph, objects) in zip(
                paths, figures, self._found(finder, paths), strict=True
            ):
                update(len(values), message=path.name)
                value: dict[str, Any] = {"photograph": path, "figure": None}
                values.append(value)
                try:
                    if isinstance(objects, Exception):
                        raise objects
                    if objects and self.figures:
                        write_image(figure, finder.draw(photograph, objects))
                        value["figure"] = figure
                except (InputError, NumericalError, WriteError) as error:
                    code = code or exit_status(error)
                    errors.append(str(error) if str(path) in str(error) else f"{path}: {error}")
                    value["error"] = str(error)
                    continue
                found.append(FoundPhotograph(path, photograph.shape[:2], tuple(objects)))
                value["objects"] = [{"box": list(one.box), "score": one.score} for one in objects]
                value["points"] = point_values(finder.names, objects)
                lines.append(f"{path.name}: {finder.count(len(objects))}")
        everywhere = Found(tuple(finder.names), tuple(found), finder.objects[0], tuple(finder.limbs))
        write_table(files["csv"], everywhere)
        write_coco(files["json"], everywhere)
        seconds = time.perf_counter() - started
        count = finder.count(sum(len(one.objects) for one in found))
        lines.append(f"{count} in {len(found)} of {len(paths)} photographs; {seconds:.1f} seconds.")
        lines += map(str, files.values())
        everything = {"photographs": values, "table": files["csv"], "coco": files["json"]}
        return arguments.Result(lines, everything | {"seconds": round(seconds, 2)}, status=code, errors=errors)

    def _found(self, finder: Finder, paths: Sequence[Path]) -> Iterator[tuple[Any, Any]]:
        """Yield each photograph with the objects in it, or with the error that it causes; threads find them."""
        from convcorr_jax.datasets import batches

        chunks = [paths[start : start + finder.batch] for start in range(0, len(paths), finder.batch)]
        for (found,) in batches(chunks, partial(self._found_in, finder), size=1):
            yield from found

    def _found_in(self, finder: Finder, paths: Sequence[Path]) -> list[tuple[Any, Any]]:
        """Return each photograph with the objects in it, or with the error that it causes."""
        box = as_box(self.box)
        read: list[Any] = []
        for path in paths:
            try:
                read.append(arguments.read_photograph(path, box=box))
            except InputError as error:
                read.append(error)
        photographs = [one for one in read if not isinstance(one, InputError)]
        try:
            found = iter(finder.find(photographs, box) if photographs else ())
        except (InputError, NumericalError):
            found = (self._found_alone(finder, one, box) for one in photographs)
        return [(None, one) if isinstance(one, InputError) else (one, next(found)) for one in read]

    def _found_alone(self, finder: Finder, photograph: Any, box: "coords.Box | None") -> Any:
        try:
            return finder.find([photograph], box)[0]
        except (InputError, NumericalError) as error:
            return error


@dataclass(frozen=True)
class Keypoints(PointCommand):
    """Predict the keypoints of faces or other objects: figures with the points, and tables of them.

    Without a model of your own, faces are found as by `convcorr landmarks`.
    """

    name = "keypoints"
    kind = "keypoint model"
    model: Annotated[
        Path | None, arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own model of faces)")
    ] = None
    """The model that train.keypoint_detectors wrote: the .npz file, with its .json beside it. The confidence of
    a point is the probability that the best cell shows the keypoint. Or the model of `convcorr annotate`, which
    finds objects itself, without --box; the confidence is the probability that the point is right."""
    box: Annotated[
        BoxOption,
        arg(
            help_behavior_hint="(default: all of the photograph; with the package's own model, the faces that "
            "are found)"
        ),
    ] = None
    """The object: its left, upper, right and lower edge in pixels; 0 0 is the centre of the first pixel."""
    refine: bool = False
    """Place points between cells, at the maximum of a parabola through the best cell and its neighbours."""
    weights: arguments.WeightsOption = None
    """The weights of the model's network: .caffemodel, torch's .pth, or .npz."""

    def load(self) -> Finder:
        """Load the model of keypoints and, for the package's own, the probe that finds faces."""
        from convcorr_jax.backbone.weights import load
        from convcorr_jax.io import load_fitted
        from convcorr_jax.keypoints import FACE, KeypointModel
        from convcorr_jax.probes import FACE as LANDMARKS
        from convcorr_jax.probes import LandmarkModel

        if self.model is None:
            model = load_fitted(FACE, KeypointModel)
        else:
            from convcorr_jax.annotation import AnnotationModel

            model = load_fitted(self.model, KeypointModel, AnnotationModel)
            if isinstance(model, AnnotationModel):
                if self.box or self.refine or self.weights:
                    raise InputError(
                        f"{self.model} is a model of convcorr annotate, which finds objects itself: --box, "
                        "--refine and --weights do not go with it"
                    )
                return AnnotatedObjects(model)
        probe = load_fitted(LANDMARKS, LandmarkModel) if self.model is None and self.box is None else None
        return FaceKeypoints(model, probe, load(model.network, path=self.weights), refine=self.refine)


@dataclass(frozen=True)
class Landmarks(PointCommand):
    """Predict the landmarks of faces: figures with the points, and tables of them.

    The package's probe finds faces that are upright and nearly frontal: 97 of 100 pasted into photographs. It
    finds one in 1 of 100 photographs without a face.
    """

    name = "landmarks"
    kind = "landmark probe"
    model: Annotated[
        Path | None, arg(metavar="PROBE.npz", help_behavior_hint="(default: the package's own probe of faces)")
    ] = None
    """The probe that train.ridge_probes wrote: the .npz file, with its .json beside it."""
    box: Annotated[BoxOption, arg(help_behavior_hint="(default: the faces that are found)")] = None
    """The face from its brows to its chin: its left, upper, right and lower edge in pixels; 0 0 is the centre
    of the first pixel."""
    weights: arguments.WeightsOption = None
    """The weights of the probe's network: .caffemodel, torch's .pth, or .npz."""

    def load(self) -> Finder:
        """Load the probe."""
        from convcorr_jax.backbone.weights import load
        from convcorr_jax.io import load_fitted
        from convcorr_jax.probes import FACE, LandmarkModel

        model = load_fitted(self.model or FACE, LandmarkModel)
        return FaceLandmarks(model, load(model.features.network, path=self.weights))


@dataclass(frozen=True)
class Pose(PointCommand):
    """Predict a person's joints: figures with the skeleton, and tables of the joints.

    Without a box, the package's cascade misses 9 of 100 people who do sports, more who are not shown from head
    to feet, and finds one in 6 of 100 photographs without people.
    """

    name = "pose"
    kind = "pose cascade"
    model: Annotated[
        Path | None, arg(metavar="MODEL.npz", help_behavior_hint="(default: the package's own person cascade)")
    ] = None
    """The cascade that train.pose_cascade wrote: the .npz file, with its .json beside it. The confidence of a
    joint is the value of the coarse heat-map, about 1 where the network is certain. Joints below 0.2 are drawn
    as rings."""
    box: Annotated[
        BoxOption, arg(help_behavior_hint="(default: all of it, and the person with the highest score)")
    ] = None
    """The person from head to feet: the left, upper, right and lower edge in pixels; 0 0 is the centre of the
    first pixel. The centre of the box is used as that of the torso."""
    mirrored: bool = True
    """Average heat-maps with those of the mirrored photograph."""
    rotated: bool = True
    """Average the coarse heat-maps with those of rotated photographs, if the cascade is made for it: the person
    cascade is, and takes three times as long with them."""
    fast: Annotated[bool, FlagCreatePairsOff] = False
    """Like --no-mirrored --no-rotated: for folders, five times as fast, and .03 less PCK at 0.2."""
    subcell: bool = True
    """Estimate positions between the cells of heat-maps."""

    def load(self) -> Finder:
        """Load the cascade."""
        from convcorr_jax.io import load_fitted
        from convcorr_jax.pose import PERSON, TrainedCascade

        copies = {"mirrored": self.mirrored and not self.fast, "rotated": self.rotated and not self.fast}
        return People(load_fitted(self.model or PERSON, TrainedCascade), {**copies, "subcell": self.subcell})
