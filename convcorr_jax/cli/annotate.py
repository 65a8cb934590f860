"""``convcorr annotate``: the points of a few labelled photographs in all photographs of a folder."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from convcorr_jax.cli import arguments
from convcorr_jax.cli.pairs import expand
from convcorr_jax.errors import InputError
from convcorr_jax.runtime import status

if TYPE_CHECKING:
    from convcorr_jax.annotation import Annotations
    from convcorr_jax.labels import Labels

_COLLECTED = "CollectedData_convcorr.csv"
_NAMED = 5


@dataclass(frozen=True)
class Annotate:
    """Label a folder of photographs from a few labelled ones, correct the worst on a page, and run again.

    The method grows with the number of examples. With one to four, a template of the example's object is
    searched and flow carries its points, from which small networks learn; where parts move on their own, they
    learn from the examples alone. From five on, they learn from the examples, and the method, its
    errors and the radii that are printed come from examples that were held out. If --out has the model of such
    a run, its networks learn on from the examples that are new.
    """

    photographs: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="PHOTO.jpg|FOLDER|PATTERN", help_behavior_hint="(required)")
    ] = ()
    """Photographs, folders of them, and patterns in quotes, such as "a/*.jpg"."""
    examples: Annotated[tuple[Path, ...], arg(metavar="FILE [FILE ...]", help_behavior_hint="(required)")] = ()
    """Labels: COCO's keypoints as JSON, such as corrected.json of the review page; DeepLabCut's
    CollectedData as .csv or .h5, or the folder of its project; Label Studio's JSON; SLEAP's .slp; a table
    photograph,object,name,x,y; or photographs, with --points."""
    points: Annotated[
        tuple[Path, ...], arg(metavar="POINTS.csv [POINTS.csv ...]", help_behavior_hint="(default: none)")
    ] = ()
    """The points of each photograph of --examples, in its order: a CSV file with the header name,x,y, in
    pixels, 0 0 the centre of the first pixel. Points without coordinates are absent."""
    out: Annotated[Path, arg(metavar="FOLDER")] = Path("labels")
    """The folder of what is written: points.csv; points.json, COCO's keypoints; label_studio.json, predictions;
    CollectedData_convcorr.csv and, with the extra deeplabcut, .h5; sheet.png, the photographs that one should
    look at first; review.html, a page on which they are corrected; model.npz with model.json, the fitted
    model; features, a folder of what VGG16 sees in up to 400 photographs, some 1 to 3 MB each, by which a
    further run is faster, and which may be deleted."""
    rotate: Literal["auto", "off"] = "auto"
    """Search objects at all angles if there is one example that does not fill its photograph, or if the
    examples are turned; or, with off, at most by 14 degrees."""
    mirror: Literal["auto", "on", "off"] = "auto"
    """Learn from mirrored copies; auto does so if names say which points are left and right, or if objects are
    seen from both sides."""
    method: Literal["auto", "one stage", "two stages"] = "auto"
    """What learns: one stage sees the photograph as a whole; two find where an object is and how it is turned,
    and then see it upright."""
    start: Literal["none", "person"] = "none"
    """With person, the package's cascade of people is tried, too: its joints are the points' names, such as
    r_ankle or leftShoulder. It finds one person a photograph. With fewer than five examples, it is used; from
    100 on, one that learned on from the examples is tried, too. It excludes --method."""
    output: arguments.OutputOptions = arguments.OutputOptions()

    def run(self) -> arguments.Result:
        """Find the points, write all files, and return what was found and how sure that is."""
        paths = expand(self.photographs)
        if not paths:
            raise InputError("Missing from convcorr annotate: PHOTO.jpg or a folder (see --help)")
        if not self.examples:
            raise InputError("Missing from convcorr annotate: --examples, labelled photographs (see --help)")
        names = ("sheet.png", "points.csv", "points.json", "label_studio.json", "review.html", "model.npz")
        figure, *others = (self.out / name for name in names)
        read, collected = [*paths, *self.examples, *self.points], self.out / _COLLECTED
        *_, saved = others
        outputs = [*others, collected, collected.with_suffix(".h5"), saved.with_suffix(".json")]
        arguments.check_outputs(figure, outputs, read=read, folder=self.out)
        if (features := self.out / "features").is_file():
            raise InputError(
                f"{features} is a file; the features of photographs are kept in a folder of this name"
            )
        labels = self._labels()
        with status("loading") as set_status:
            from convcorr_jax.annotation import AnnotationModel, annotate
            from convcorr_jax.backbone.weights import load
            from convcorr_jax.io import load_fitted

            previous = None
            if saved.exists() or saved.with_suffix(".json").exists():
                try:
                    previous = load_fitted(saved, AnnotationModel)
                except InputError as error:
                    advice = "choose another --out, or move model.npz and model.json away"
                    raise InputError(f"{error}; {advice}") from error
            # The model has loaded the weights that its heads stand on.
            search = previous.method.task.extract.weights if previous else load("vgg16")
            found = annotate(
                labels, paths, search=search, align=load("alexnet"), rotate=self.rotate,
                mirror={"auto": None, "on": True, "off": False}[self.mirror],
                method=None if self.method == "auto" else self.method,
                start=None if self.start == "none" else self.start,
                previous=previous, keep=features, progress=set_status,
            )  # fmt: skip
            set_status("writing")
            self._write(found)
        return self._result(found, labels, [figure, *others])

    def _labels(self) -> "Labels":
        from convcorr_jax.labels import merge, pair_labels, read_labels

        if self.points:
            return pair_labels(self.examples, self.points)
        folders = [path for path in self.photographs if path.is_dir()]
        return merge([read_labels(path, photographs=folders) for path in self.examples])

    def _write(self, annotations: "Annotations") -> None:
        from convcorr_jax import labels, report
        from convcorr_jax.io import make_folder, save_fitted, write_image, written_whole

        found, out = annotations.found, self.out
        make_folder(out)
        labels.write_table(out / "points.csv", found)
        labels.write_coco(out / "points.json", found)
        labels.write_label_studio(out / "label_studio.json", found)
        labels.write_deeplabcut(out / _COLLECTED, found)
        save_fitted(out / "model.npz", annotations.model)
        write_image(out / "sheet.png", report.found_sheet(found))
        with written_whole(out / "review.html") as temporary:
            page = report.review_page(found, title=f"Review of {found.category}s")
            temporary.write_text(page, encoding="utf-8")

    def _result(self, annotations: "Annotations", labels: "Labels", written: list[Path]) -> arguments.Result:
        from convcorr_jax.annotation import COVERAGE, FEW, RIGHT

        found = annotations.found.photographs
        verdicts = Counter(one.verdict for one in found)
        examples = sum(bool(each.objects) for each in labels.photographs)
        counts = ", ".join(
            f"{verdicts[word]} {word}" for word in ("good", "doubtful", "poor", "labelled") if verdicts[word]
        )
        lines = [f"{len(found)} photographs: {counts}; {annotations.seconds:.0f} seconds."]
        chosen = f"Method: {annotations.model.method.name}"
        if annotations.learned:
            chosen += f", of the model before, with {annotations.learned} further examples"
        if annotations.comparisons:
            figures = ", ".join(f"{one.right:.0%} by {one.method}" for one in annotations.comparisons)
            lines += [f"{chosen}. Of held-out points, right within {RIGHT:.0%} of the object: {figures}."]
        else:
            short = f"{examples} of the {FEW} examples from which on errors can be estimated"
            lines += [f"{chosen}. {short}: how sure points are is not calibrated."]
        if any(q == q for q in annotations.model.calibration.quantiles):
            lines += [f"The radius of a point holds the true one in {COVERAGE:.0%} of cases."]
        first = sorted((one for one in found if one.verdict != "labelled"), key=lambda one: one.rank or 0)[
            :_NAMED
        ]
        lines += [f"Look first at {', '.join(one.path.name for one in first)}."] if first else []
        lines += [str(path) for path in written]
        values: dict[str, Any] = {
            "photographs": [
                {"photograph": one.path, "verdict": one.verdict, "rank": one.rank, "objects": len(one.objects)}
                for one in found
            ],
            "method": annotations.model.method.name,
            "held_out": [one._asdict() for one in annotations.comparisons],
            "learned": annotations.learned,
            "residual": annotations.residual,
            "examples": examples,
            "files": written,
            "seconds": round(annotations.seconds, 2),
        }
        return arguments.Result(lines, values)
