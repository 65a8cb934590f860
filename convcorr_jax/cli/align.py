"""``convcorr align``: two photographs in, one picture and its numbers out."""

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from tyro.conf import Positional, arg

from convcorr_jax.cli.outputs import check_outputs
from convcorr_jax.errors import InputError
from convcorr_jax.runtime.options import BoxOption, as_box, numbers

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from convcorr_jax.backbone.weights import Weights
    from convcorr_jax.descriptors.convolutional import Recipe
    from convcorr_jax.io.points import NamedPoints
    from convcorr_jax.matching import Matches, PhotographAlignment
    from convcorr_jax.shapes import Image


@dataclass(frozen=True)
class Align:
    """Align two photographs: one picture with lines between matches, a laid onto b, and the flow in colour.

    Most of the time goes into compiling; where JAX_COMPILATION_CACHE_DIR names a folder, that is done once.
    """

    a: Annotated[Positional[Path], arg(metavar="A.jpg")]
    """The photograph that is matched."""
    b: Annotated[Positional[Path], arg(metavar="B.jpg")]
    """The photograph in which its matches are sought."""
    out: Path = Path("match.png")
    """The picture: .png, .jpg or .pdf. Beside it, under the same name, an .npz with the arrays
    cells_a [h,w,2], the centres of a's cells in pixels of a, and places_b, where they go in pixels of b;
    flow [h,w,2] in cells and flow_px, the same in pixels of a; confidence, distinctness [h,w], 0 to 1;
    cycle_error [h,w] in cells, there and back; cells_b, places_a, flow_back: the same from b to a;
    matched_a, matched_b [n,2], matched_confidence [n], the lines drawn; shown_a, shown_b, the parts that were
    aligned, x0 y0 x1 y1; energy_data, energy_smoothness, one entry a round; settings, a JSON text."""
    points: Annotated[
        Path | None, arg(metavar="POINTS.csv", help_behavior_hint="(default: none)")
    ] = None
    """Points of a to carry over to b: a CSV file with the header x,y or name,x,y, in pixels, x to the right,
    y down, 0 0 the centre of the first pixel. Their places in b are drawn, and written beside the picture as
    a .csv with the header name,x,y,confidence."""
    box_a: Annotated[
        BoxOption,
        numbers("X0", "Y0", "X1", "Y1"),
        arg(aliases=["--box"], help_behavior_hint="(default: all of it)"),
    ] = None
    """The object in a: its left, upper, right and lower edge, in the same pixels. A margin is added."""
    box_b: Annotated[
        BoxOption,
        numbers("X0", "Y0", "X1", "Y1"),
        arg(help_behavior_hint="(default: all of it)"),
    ] = None
    """The object in b, likewise."""
    network: Annotated[str, arg(metavar="NAME")] = "alexnet"
    """Whose descriptors: alexnet, vgg16, caffenet or bvlc_alexnet."""
    layer: Annotated[
        tuple[str, ...],
        arg(metavar="NAME [NAME ...]", help_behavior_hint="(default: what aligns best)"),
    ] = ()
    """Layers that describe a cell, such as conv4; the last of them gives the grid of cells."""
    weights: Annotated[
        Path | None,
        arg(metavar="PATH", help_behavior_hint="(default: see `convcorr weights list`)"),
    ] = None
    """The network's weights: .caffemodel, torch's .pth, or .npz."""
    smoothness: Annotated[
        float | None, numbers("NUMBER"), arg(help_behavior_hint="(default: what aligns best)")
    ] = None
    """Cost of a difference of one cell between the displacements of neighbouring cells."""

    def run(self) -> None:
        """Read, align, draw, write; say on the standard output what was done."""
        started = time.perf_counter()
        outputs = self._outputs()
        from rich.console import Console

        with Console(stderr=True).status("reading") as status:
            from convcorr_jax.backbone.weights import load
            from convcorr_jax.io import read_image
            from convcorr_jax.matching import align_photographs, carry_to_b, spread_matches
            from convcorr_jax.report.alignment_figure import alignment_figure

            a, b = read_image(self.a), read_image(self.b)
            points = self._points(a)
            recipe = self._recipe()
            weights = load(self.network, self.weights)
            status.update("aligning (most of the time goes into compiling)")
            alignment = align_photographs(
                a,
                b,
                weights.params,
                network=weights.network,
                recipe=recipe,
                box_a=as_box(self.box_a),
                box_b=as_box(self.box_b),
                smoothness=self.smoothness,
            )
            matches = spread_matches(alignment)
            carried = None if points is None else carry_to_b(points.points, alignment)
            status.update("drawing")
            settings = self._settings(recipe, weights)
            figure = alignment_figure(
                a,
                b,
                alignment,
                matches,
                names=(self.a.name, self.b.name),
                caption=_caption(settings, alignment),
                carried=carried,
                point_names=() if points is None else points.names,
            )
            self._write(outputs, figure, _arrays(alignment, matches, settings), points, carried)
        seconds = time.perf_counter() - started
        sys.stdout.write(_summary(settings, alignment, outputs, seconds))

    def _outputs(self) -> "_Outputs":
        """Where to write, once it is sure that this can be done and overwrites nothing that is read."""
        outputs = _Outputs(
            picture=self.out,
            arrays=self.out.with_suffix(".npz"),
            points=None if self.points is None else self.out.with_suffix(".csv"),
        )
        check_outputs(
            outputs.picture,
            (outputs.arrays, outputs.points),
            read=(self.a, self.b, self.points, self.weights),
        )
        return outputs

    def _points(self, a: "Image") -> "NamedPoints | None":
        from convcorr_jax.io.points import read_points

        if self.points is None:
            return None
        found = read_points(self.points)
        height, width = a.shape[:2]
        for name, (x, y) in zip(found.names, found.points, strict=True):
            if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                raise InputError(
                    f"point {name} of {self.points}, ({x:g}, {y:g}), lies outside {self.a} "
                    f"of {width} x {height} pixels"
                )
        return found

    def _recipe(self) -> "Recipe":
        from convcorr_jax.backbone import find_network
        from convcorr_jax.descriptors.convolutional import RECIPES

        recipe = RECIPES[find_network(self.network).name]
        return dataclasses.replace(recipe, layers=self.layer) if self.layer else recipe

    def _settings(self, recipe: "Recipe", weights: "Weights") -> dict[str, Any]:
        from convcorr_jax.flow.alignment import SMOOTHNESS

        return {
            "a": str(self.a),
            "b": str(self.b),
            "network": self.network,
            "weights": weights.source,
            "layers": recipe.layers,
            "sizes_px": recipe.sizes_px,
            "smoothness": SMOOTHNESS if self.smoothness is None else self.smoothness,
            "box_a": self.box_a,
            "box_b": self.box_b,
        }

    def _write(
        self,
        outputs: "_Outputs",
        figure: "Figure",
        arrays: "Mapping[str, np.ndarray]",
        points: "NamedPoints | None",
        carried: "Matches | None",
    ) -> None:
        """Write all files, or none: each gets its name when the last one is complete."""
        from convcorr_jax.io import write_arrays, written_whole
        from convcorr_jax.io.points import write_points

        with contextlib.ExitStack() as stack:
            picture = stack.enter_context(written_whole(outputs.picture))
            figure.savefig(picture)
            write_arrays(stack.enter_context(written_whole(outputs.arrays)), **arrays)
            if outputs.points is not None and points is not None and carried is not None:
                table = stack.enter_context(written_whole(outputs.points))
                write_points(table, points.names, carried.b_px, carried.confidence)


class _Outputs(NamedTuple):
    picture: Path
    arrays: Path
    points: Path | None


def _arrays(
    alignment: "PhotographAlignment", matches: "Matches", settings: "Mapping[str, Any]"
) -> "dict[str, np.ndarray]":
    """What goes into the .npz; the help of ``--out`` says what each array is."""
    import numpy as np

    from convcorr_jax import coords

    found: dict[str, Any] = {"settings": json.dumps(settings)}
    for here, there, flow, to_here_px, to_there_px, way in (
        ("a", "b", alignment.forward.flow, alignment.a_to_px, alignment.b_to_px, "flow"),
        ("b", "a", alignment.backward.flow, alignment.b_to_px, alignment.a_to_px, "flow_back"),
    ):
        cells = coords.cell_grid(flow.shape[:2]).astype(np.float64)
        found[f"cells_{here}"] = coords.apply(to_here_px, cells)
        found[f"places_{there}"] = coords.apply(to_there_px, cells + np.asarray(flow))
        found[way] = flow
    found |= {
        "flow_px": np.asarray(alignment.forward.flow) * alignment.a_to_px.scale,
        "confidence": alignment.confidence,
        "distinctness": alignment.distinctness,
        "cycle_error": alignment.cycle_error,
        "matched_a": matches.a_px,
        "matched_b": matches.b_px,
        "matched_confidence": matches.confidence,
        "shown_a": alignment.shown_a,
        "shown_b": alignment.shown_b,
        "energy_data": alignment.forward.trace.data,
        "energy_smoothness": alignment.forward.trace.smoothness,
    }
    return {name: np.asarray(value) for name, value in found.items()}


def _caption(settings: "Mapping[str, Any]", alignment: "PhotographAlignment") -> str:
    return (
        f"{settings['network']} {' + '.join(settings['layers'])}, smoothness {settings['smoothness']:g}; "
        f"{100 * alignment.mutual.mean():.0f} % of {alignment.mutual.size} cells agree both ways."
    )


def _summary(
    settings: "Mapping[str, Any]",
    alignment: "PhotographAlignment",
    outputs: _Outputs,
    seconds: float,
) -> str:
    data, deformation = alignment.forward.energy
    rest = "" if alignment.forward.converged else ", not yet at rest"
    lines = [
        _caption(settings, alignment),
        f"Energy {data + deformation:.1f} (data {data:.1f}, deformation {deformation:.1f}) "
        f"after {alignment.forward.rounds} rounds{rest}; {seconds:.1f} seconds.",
        *(str(path) for path in outputs if path is not None),
    ]
    return "\n".join(lines) + "\n"
