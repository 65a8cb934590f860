"""Arguments that commands share, and what they print."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from tyro.conf import FlagCreatePairsOff, arg

from convcorr_jax.errors import InputError
from convcorr_jax.runtime import note

if TYPE_CHECKING:
    import numpy as np

    from convcorr_jax import coords
    from convcorr_jax.shapes import Image


WeightsOption = Annotated[
    Path | None, arg(metavar="PATH", help_behavior_hint="(default: see `convcorr weights list`)")
]
"""An option for a file of a network's weights; None means those that are found for the network."""


def read_photograph(path: Path, *, box: "coords.Box | None") -> "Image":
    """Read a photograph, and check that the box of the object, if there is one, meets it."""
    from convcorr_jax import coords
    from convcorr_jax.io import read_image

    photograph = read_image(path)
    if box is not None:
        coords.check_meets(box, photograph.shape[:2])
    return photograph


def check_models(*, model: Path | None = None, kind: str = "", weights: Path | None = None) -> None:
    """Refuse files of a fitted model or of weights that are not there; None is one that the package has.

    ``kind`` says in the error message what the model is, such as "pose cascade".
    """
    from convcorr_jax.io import check_file, with_ending

    if model is not None:
        for ending in (".json", ".npz"):
            check_file(with_ending(model, ending), kind)
    if weights is not None:
        check_file(weights, "weights")


EXAMPLES: Mapping[tuple[str, ...], tuple[str, ...]] = MappingProxyType(
    {
        (): ("convcorr align cat.jpg tiger.jpg", "convcorr pose runner.jpg --json", "convcorr align --help"),
        ("align",): (
            "convcorr align cat.jpg tiger.jpg --out match.png",
            "convcorr align cat.jpg others/ --out matches --html matches.html",
            "convcorr align --pairs pairs.csv --out matches --json",
        ),
        ("annotate",): (
            "convcorr annotate photos/ --examples a.jpg --points a.csv --out labels",
            "convcorr annotate photos/ --examples labels/corrected.json --out labels",
            "convcorr annotate photos/ --examples dlc-project/ --out labels --json",
        ),
        ("keypoints",): (
            "convcorr keypoints face.jpg",
            "convcorr keypoints photos/ --out faces --no-figures",
            "convcorr keypoints cat.jpg --model cat.npz --box 40 30 310 280 --refine",
        ),
        ("landmarks",): (
            "convcorr landmarks face.jpg",
            'convcorr landmarks "photos/*.jpg" --out faces',
            "convcorr landmarks group.jpg --box 120 80 260 240 --out landmarks.pdf",
        ),
        ("pose",): (
            "convcorr pose runner.jpg",
            "convcorr pose photos/ --fast --out joints",
            "convcorr pose runner.jpg --box 120 40 380 620 --out joints.pdf",
        ),
        ("pck",): (
            "convcorr pck --predictions pred.h5 --ground-truth valid.h5",
            "convcorr pck --predictions a.npz --ground-truth b.npz --explain 0.701",
            "convcorr pck --predictions a.npz --ground-truth b.json --alphas 0.1 --json",
        ),
        ("weights",): ("convcorr weights list",),
        ("weights", "list"): ("convcorr weights list", "convcorr weights list --json"),
        ("weights", "fetch"): ("convcorr weights fetch vgg16",),
        ("weights", "check"): (
            "convcorr weights check",
            "convcorr weights check vgg16",
            "convcorr weights check mine.npz --network alexnet",
        ),
        ("datasets",): ("convcorr datasets list",),
        ("datasets", "list"): ("convcorr datasets list --data-root data",),
        ("datasets", "prepare"): ("convcorr datasets prepare lsp --source lsp_dataset.zip --out data",),
        ("datasets", "check"): (
            "convcorr datasets check lsp",
            "convcorr datasets check data/lsp --html findings.html",
        ),
        ("datasets", "show"): ("convcorr datasets show lsp --n 12 --out lsp.png",),
        ("doctor",): ("convcorr doctor", "convcorr doctor --json"),
    }
)
"""Command lines by the words of the command."""


def epilog(words: Sequence[str]) -> str:
    r"""Return the examples for the words after ``convcorr``, such as ``["align", "--help"]``.

    >>> epilog(["weights", "fetch", "-h"])
    '\nexamples:\n  convcorr weights fetch vgg16\n'
    """
    named = next(tuple(words[:count]) for count in (2, 1, 0) if tuple(words[:count]) in EXAMPLES)
    return "".join(("\nexamples:\n", *(f"  {example}\n" for example in EXAMPLES[named])))


@dataclass(frozen=True)
class OutputOptions:
    """Every command has these options. An error is one sentence on the error stream, whatever they are."""

    json: Annotated[bool, FlagCreatePairsOff] = False
    """Print one JSON object, and nothing else, on the standard output; after an error, print nothing there."""
    quiet: Annotated[bool, FlagCreatePairsOff] = False
    """Show no progress, and print no summary."""


class Result(NamedTuple):
    """What a command found or wrote: the summary, the JSON object, the exit status, errors of parts."""

    lines: Sequence[str]
    values: Mapping[str, Any]
    status: int = 0
    errors: Sequence[str] = ()


# Replaced files that a summary names beside those of its lines.
_MOST_NAMED = 3


def with_replaced(result: Result, replaced: Sequence[Path]) -> Result:
    """Return a result that also says which existing files were replaced.

    >>> with_replaced(Result(["a.png", "a.csv"], {}), [Path("a.png"), Path("a.npz")])[:2]
    (['a.png (replaced)', 'a.csv', 'Also replaced: a.npz'], {'replaced': [PosixPath('a.png'), ...]})
    """
    ends = {
        line: next((path for path in replaced if f" {line}".endswith(f" {path}")), None)
        for line in result.lines
    }
    lines = [f"{line} (replaced)" if ends[line] else line for line in result.lines]
    others = [str(path) for path in replaced if path not in ends.values()]
    if others:
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        lines.append(f"Also replaced: {', '.join(others[:_MOST_NAMED])}{more}")
    return result._replace(lines=lines, values={**result.values, "replaced": replaced})


def format_result(result: Result, options: OutputOptions) -> str:
    r"""Return what a command prints on the standard output: JSON, or nothing if it is ``quiet``, or lines.

    >>> format_result(Result(["1 point."], {"points": [(1, math.nan)]}), OutputOptions(json=True))
    '{"points": [[1, null]]}\n'
    """
    if options.json:
        values = as_json(result.values)
        return f"{json.dumps(values, ensure_ascii=False, allow_nan=False)}\n"
    return "" if options.quiet else "".join(f"{line}\n" for line in result.lines)


def as_json(value: Any) -> Any:
    """Return a value as JSON stores it: arrays and tuples as lists, paths as strings, NaN as null."""
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return as_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


FIGURE_ENDINGS = (".png", ".jpg", ".jpeg", ".pdf")
"""The endings of the formats that both Pillow and matplotlib write."""


_DEEP_ENDINGS = (".png", ".tif", ".tiff")


def check_outputs(
    figure: Path, others: Iterable[Path | None], *, read: Iterable[Path | None], folder: Path | None = None
) -> None:
    """Refuse a figure of an unknown format, and outputs by the rules of `convcorr_jax.io.check_outputs`.

    A note says which of the photographs that are read have 16 bits a channel.
    """
    from convcorr_jax import io

    if figure.suffix.lower() not in FIGURE_ENDINGS:
        raise InputError(f"--out {figure} must end in one of {', '.join(FIGURE_ENDINGS)}")
    paths = [path for path in read if path is not None]
    io.check_outputs((figure, *others), read=paths, folder=folder)
    deep = [path.name for path in paths if path.suffix.lower() in _DEEP_ENDINGS and io.is_deep(path)]
    if deep:
        more = f" and {len(deep) - _MOST_NAMED} more" if len(deep) > _MOST_NAMED else ""
        note(f"{', '.join(deep[:_MOST_NAMED])}{more}: of 16 bits a channel, the upper 8 are read")


def point_values(
    names: Sequence[str], points: "np.ndarray", *, confidence: "np.ndarray | None" = None
) -> list[dict[str, Any]]:
    """Return points as the JSON object lists them, under the names of the table's header."""
    values = [{"name": name, "x": x, "y": y} for name, (x, y) in zip(names, points.tolist(), strict=True)]
    if confidence is not None:
        for value, of_point in zip(values, confidence.tolist(), strict=True):
            value["confidence"] = of_point
    return values
