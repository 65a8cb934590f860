"""``convcorr align``: dense alignment of photographs, as figures, arrays and an interactive page."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from convcorr_jax.cli import arguments
from convcorr_jax.cli.pairs import (
    Files,
    Pair,
    consecutive_pairs,
    figure_names,
    one_to_all,
    read_inputs,
    read_pairs,
)
from convcorr_jax.errors import InputError, NumericalError, WriteError
from convcorr_jax.runtime import BoxOption, as_box, bar, exit_status, numbers, status

if TYPE_CHECKING:
    from convcorr_jax.cli.aligner import Aligner

_FIGURE, _FOLDER = Path("match.png"), Path("matches")
_INDEX = "index.json"
_FLOW_ENDINGS = (".flo", ".npz")


@dataclass(frozen=True)
class Align:
    """Align photographs: a figure with lines between matches, a warped onto b, and the flow in colour."""

    a: Annotated[Positional[Path | None], arg(metavar="A.jpg|FOLDER", help_behavior_hint="(required)")] = None
    """The photograph that is matched; or a folder alone, of which each photograph is aligned with the next one
    by name."""
    b: Annotated[
        Positional[Path | None], arg(metavar="B.jpg|FOLDER", help_behavior_hint="(required after a photograph)")
    ] = None
    """The photograph in which matches are searched; or a folder, with each photograph of which A is aligned."""
    pairs: Annotated[Path | None, arg(metavar="PAIRS.csv", help_behavior_hint="(default: none)")] = None
    """A table of pairs in place of A and B: a CSV file with the header a,b and, if wanted,
    box_a,box_b,points,mask.
    Paths are relative to the table; a box is four numbers with spaces."""
    out: Annotated[Path | None, arg(help_behavior_hint="(default: match.png, or the folder matches)")] = None
    """The figure: .png, .jpg or .pdf; for several pairs, a folder, in which each pair has a figure named
    a-b.png, and index.json holds what --json prints. Beside a figure, an .npz file of the same name is
    written, with the arrays
    cells_a [h,w,2], the centres of a's cells in pixels of a, and places_b, their matches in pixels of b;
    flow [h,w,2] in cells and flow_px, the same in pixels of a; confidence [h,w], the probability that a match
    is right within a tenth of the object's size; distinctness [h,w], 0 to 1; cycle_error [h,w] in cells, from
    a to b and back; cells_b, places_a, flow_back: the same from b to a; matched_a, matched_b [n,2],
    matched_confidence [n], the lines of the figure; shown_a, shown_b, the parts that were aligned, x0 y0 x1 y1;
    energy_data, energy_smoothness, one entry for each round; settings, JSON."""
    points: Annotated[Path | None, arg(metavar="POINTS.csv", help_behavior_hint="(default: none)")] = None
    """Points of a to transfer to b: a CSV file with the header x,y or name,x,y, in pixels, x to the right,
    y down, 0 0 the centre of the first pixel. Their positions in b are drawn, and written beside the figure as
    a .csv file with the header name,x,y,confidence; the confidence is the probability that a point is right
    within a tenth of the object's size. Points below 0.5 are drawn as grey rings."""
    mask: Annotated[Path | None, arg(metavar="MASK.png", help_behavior_hint="(default: none)")] = None
    """A mask of a, with one label, 0 to 255, a pixel. Carried to b by nearest neighbours, it is written beside
    the figure as a .png file whose name ends in -mask."""
    flow: Annotated[Path | None, arg(metavar="FLOW.flo|FLOW.npz", help_behavior_hint="(default: none)")] = None
    """Also write the displacement of each pixel of a to its place in b, in pixels: as a Middlebury file, or as
    the array flow [height,width,2]. It is unknown, or NaN, outside the box of a."""
    mirror: Literal["auto", "off"] = "off"
    """Also try b mirrored, and keep it if its matches are clearly better; the summary and the figure say so."""
    rotate: Literal["auto", "off"] = "off"
    """Also try b turned by 90, 180 and 270 degrees, in the same way."""
    box_a: Annotated[BoxOption, arg(aliases=["--box"], help_behavior_hint="(default: all of it)")] = None
    """The object in a: its left, upper, right and lower edge, in the same pixels. A margin is added."""
    box_b: Annotated[BoxOption, arg(help_behavior_hint="(default: all of it)")] = None
    """The object in b: its left, upper, right and lower edge, in pixels of b. A margin is added."""
    network: Annotated[str, arg(metavar="NAME")] = "alexnet"
    """The network of the descriptors: alexnet, vgg16, caffenet, bvlc_alexnet, resnet18, resnet50, resnet101,
    convnext_t, convnext_b, mobilenet_v2, vit_s14; vit for whichever vision transformer the file of weights
    contains; or ORG/NAME, a repository in the cache of Hugging Face."""
    layer: Annotated[
        tuple[str, ...],
        arg(metavar="NAME [NAME ...]", help_behavior_hint="(default: those of the network's recipe)"),
    ] = ()
    """The layers of a cell's descriptor, such as conv4; the last layer's grid is the grid of cells."""
    weights: arguments.WeightsOption = None
    """The network's weights: .caffemodel, torch's .pth, .safetensors, .onnx, or .npz."""
    smoothness: Annotated[
        float | None,
        numbers("NUMBER"),
        arg(help_behavior_hint="(default: 0.14 for two boxes, 0.05 for whole photographs)"),
    ] = None
    """The cost of a difference of one cell between the displacements of neighbouring cells."""
    html: Annotated[Path | None, arg(metavar="PAGE.html", help_behavior_hint="(default: none)")] = None
    """Also write an interactive page, in one file: tap a point of a and see its match in b, for several values
    of smoothness."""
    output: arguments.OutputOptions = arguments.OutputOptions()

    def run(self) -> arguments.Result:
        """Align the pairs, write their files, and return a summary."""
        started = time.perf_counter()
        pairs = self._pairs()
        if self.pairs is not None or any(path and path.is_dir() for path in (self.a, self.b)):
            return self._run_all(pairs, started)
        (pair,) = pairs
        files = Files.beside(self.out or _FIGURE, pair)._replace(flow=self.flow)
        self._check([(pair, files)])
        inputs = read_inputs(pair)
        with status("loading") as set_status:
            aligner = self._aligner()
            set_status("aligning (compiling takes most of the time)")
            aligned = aligner.align(pair, inputs, files)
            if self.html is not None:
                set_status("writing the page")
                self._write_page(aligner, [aligner.explorer(pair, inputs, aligned)])
        seconds = time.perf_counter() - started
        lines = [aligned.advice, f"{aligned.caption} {seconds:.1f} seconds."]
        lines += [str(path) for path in (*files, self.html) if path is not None]
        return arguments.Result(lines, self._values([aligned.values], seconds))

    def _run_all(self, pairs: list[Pair], started: float) -> arguments.Result:
        """Align several pairs into a folder; one that fails is reported, and the others go on."""
        from convcorr_jax.io import write_json

        if self.flow is not None:
            raise InputError(f"--flow {self.flow} goes with one pair, and there are several")
        folder = self.out or _FOLDER
        if folder.suffix.lower() in arguments.FIGURE_ENDINGS:
            raise InputError(f"--out {folder} must be a folder, since there are several pairs")
        jobs = [
            (pair, Files.beside(folder / name, pair))
            for pair, name in zip(pairs, figure_names(pair.name for pair in pairs), strict=True)
        ]
        self._check(jobs, folder / _INDEX)
        values: list[dict[str, Any]] = []
        shown: list[dict[str, Any]] = []
        lines, errors, code = [], [], 0
        with bar("aligning", total=len(jobs), transient=True) as update:
            aligner = self._aligner()
            for done, (pair, files) in enumerate(jobs):
                a, b = pair.a, pair.b
                update(done, message=f"{a.name} {b.name}")
                try:
                    inputs = read_inputs(pair)
                    aligned = aligner.align(pair, inputs, files)
                    if self.html is not None:
                        shown.append(aligner.explorer(pair, inputs, aligned))
                except (InputError, NumericalError, WriteError) as error:
                    code = code or exit_status(error)
                    errors.append(f"{a} and {b}: {error}")
                    values.append({"a": str(a), "b": str(b), "error": str(error)})
                    continue
                values.append(aligned.values)
                lines.append(f"{a.name} {b.name}: {aligned.verdict}; {files.figure}")
        if shown:
            self._write_page(aligner, shown)
            lines.append(str(self.html))
        seconds = time.perf_counter() - started
        lines.append(f"{len(jobs) - len(errors)} of {len(jobs)} pairs; {seconds:.1f} seconds.")
        everything = self._values(values, seconds)
        write_json(folder / _INDEX, arguments.as_json(everything))
        return arguments.Result(lines, everything, status=code, errors=errors)

    def _pairs(self) -> list[Pair]:
        """Return the pairs that the options name."""
        if self.pairs is not None:
            if self.a is not None or self.points or self.mask or self.box_a or self.box_b:
                raise InputError(
                    "--pairs goes with no photograph, box, points or mask on the command line; the table has "
                    "columns for them"
                )
            return read_pairs(self.pairs)
        if self.a is None:
            raise InputError("Missing from convcorr align: A.jpg, B.jpg (see --help)")
        if self.a.is_dir():
            if self.b is not None or self.points or self.mask or self.box_a or self.box_b:
                raise InputError(
                    f"{self.a} is a folder, whose photographs are aligned with one another; a second "
                    "photograph, boxes, points and masks go with a photograph or in a table (--pairs)"
                )
            return consecutive_pairs(self.a)
        if self.b is None:
            raise InputError("Missing from convcorr align: B.jpg (see --help)")
        box_a, box_b = as_box(self.box_a), as_box(self.box_b)
        if not self.b.is_dir():
            return [Pair(self.a, self.b, box_a, box_b, self.points, self.mask)]
        if box_b is not None:
            raise InputError(f"--box-b goes with one photograph, and {self.b} is a folder")
        return [
            pair._replace(box_a=box_a, points=self.points, mask=self.mask)
            for pair in one_to_all(self.a, self.b)
        ]

    def _check(self, jobs: list[tuple[Pair, Files]], index: Path | None = None) -> None:
        """Refuse outputs that cannot be written or overwrite other files, and weights that are not there."""
        if self.flow is not None and self.flow.suffix.lower() not in _FLOW_ENDINGS:
            raise InputError(f"--flow {self.flow} must end in one of {', '.join(_FLOW_ENDINGS)}")
        figure, *others = (path for _, files in jobs for path in files)
        read = [path for pair, _ in jobs for path in (pair.a, pair.b, pair.points, pair.mask)]
        assert figure is not None
        arguments.check_outputs(
            figure,
            (*others, index, self.html),
            read=(*read, self.pairs, self.weights),
            folder=None if index is None else index.parent,
        )
        arguments.check_models(weights=self.weights)

    def _aligner(self) -> "Aligner":
        from convcorr_jax.cli.aligner import Aligner

        return Aligner.load(
            self.network,
            layers=self.layer,
            weights=self.weights,
            smoothness=self.smoothness,
            mirror=self.mirror == "auto",
            rotate=self.rotate == "auto",
        )

    def _write_page(self, aligner: "Aligner", shown: list[dict[str, Any]]) -> None:
        from convcorr_jax.io import written_whole

        assert self.html is not None
        with written_whole(self.html) as temporary:
            temporary.write_text(aligner.page(shown), encoding="utf-8")

    def _values(self, pairs: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
        return {"pairs": pairs, "page": self.html, "seconds": round(seconds, 2)}
