"""``convcorr align``: dense alignment of two photographs, as a figure and its arrays."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from tyro.conf import Positional, arg

from convcorr_jax.cli.outputs import check_outputs, point_values
from convcorr_jax.cli.results import OutputOptions, Result
from convcorr_jax.errors import InputError
from convcorr_jax.runtime.options import BoxOption, as_box, numbers
from convcorr_jax.runtime.progress import status

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from convcorr_jax.backbone.weights import Weights
    from convcorr_jax.descriptors.convolutional import Recipe
    from convcorr_jax.io import NamedPoints
    from convcorr_jax.matching import Matches, PhotographAlignment
    from convcorr_jax.shapes import Image


@dataclass(frozen=True)
class Align:
    """Align two photographs: a figure with lines between matches, a warped onto b, and the flow in colour.

    Compiling takes most of the time; if JAX_COMPILATION_CACHE_DIR names a folder, it happens once.
    """

    a: Annotated[Positional[Path], arg(metavar="A.jpg")]
    """The photograph that is matched."""
    b: Annotated[Positional[Path], arg(metavar="B.jpg")]
    """The photograph in which matches are searched."""
    out: Path = Path("match.png")
    """The figure: .png, .jpg or .pdf. Beside it, an .npz file of the same name is written, with the arrays
    cells_a [h,w,2], the centres of a's cells in pixels of a, and places_b, their matches in pixels of b;
    flow [h,w,2] in cells and flow_px, the same in pixels of a; confidence, distinctness [h,w], 0 to 1;
    cycle_error [h,w] in cells, from a to b and back; cells_b, places_a, flow_back: the same from b to a;
    matched_a, matched_b [n,2], matched_confidence [n], the lines of the figure; shown_a, shown_b, the parts
    that were aligned, x0 y0 x1 y1; energy_data, energy_smoothness, one entry for each round; settings, JSON."""
    points: Annotated[
        Path | None, arg(metavar="POINTS.csv", help_behavior_hint="(default: none)")
    ] = None
    """Points of a to transfer to b: a CSV file with the header x,y or name,x,y, in pixels, x to the right,
    y down, 0 0 the centre of the first pixel. Their positions in b are drawn, and written beside the figure as
    a .csv file with the header name,x,y,confidence."""
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
    """The object in b: its left, upper, right and lower edge, in pixels of b. A margin is added."""
    network: Annotated[str, arg(metavar="NAME")] = "alexnet"
    """The network of the descriptors: alexnet, vgg16, caffenet or bvlc_alexnet."""
    layer: Annotated[
        tuple[str, ...],
        arg(metavar="NAME [NAME ...]", help_behavior_hint="(default: those that align best)"),
    ] = ()
    """The layers of a cell's descriptor, such as conv4; the last layer's grid is the grid of cells."""
    weights: Annotated[
        Path | None,
        arg(metavar="PATH", help_behavior_hint="(default: see `convcorr weights list`)"),
    ] = None
    """The network's weights: .caffemodel, torch's .pth, or .npz."""
    smoothness: Annotated[
        float | None,
        numbers("NUMBER"),
        arg(help_behavior_hint="(default: the value that aligns best)"),
    ] = None
    """The cost of a difference of one cell between the displacements of neighbouring cells."""
    output: OutputOptions = field(default_factory=OutputOptions)

    def run(self) -> Result:
        """Align the photographs, write the figure and the arrays, and return a summary."""
        started = time.perf_counter()
        outputs = self._outputs()
        with status("reading") as set_status:
            from convcorr_jax.backbone.weights import load
            from convcorr_jax.io import read_image
            from convcorr_jax.matching import align_photographs, carry_to_b, spread_matches
            from convcorr_jax.report import alignment_figure

            a, b = read_image(self.a), read_image(self.b)
            points = self._points(a)
            recipe = self._recipe()
            weights = load(self.network, path=self.weights)
            set_status("aligning (compiling takes most of the time)")
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
            set_status("drawing")
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
        values = _values(settings, alignment, outputs, seconds)
        if points is not None and carried is not None:
            values["points"] = point_values(
                points.names, carried.b_px, confidence=carried.confidence
            )
        return Result(_summary(settings, alignment, outputs, seconds), {"pairs": [values]})

    def _outputs(self) -> "_Outputs":
        """Return the paths of the outputs, after checking that they can be written and overwrite no input."""
        outputs = _Outputs(
            figure=self.out,
            arrays=self.out.with_suffix(".npz"),
            points=None if self.points is None else self.out.with_suffix(".csv"),
        )
        check_outputs(
            outputs.figure,
            (outputs.arrays, outputs.points),
            read=(self.a, self.b, self.points, self.weights),
        )
        return outputs

    def _points(self, a: "Image") -> "NamedPoints | None":
        from convcorr_jax import coords
        from convcorr_jax.io import read_points

        if self.points is None:
            return None
        named = read_points(self.points)
        height, width = a.shape[:2]
        inside = coords.inside(named.points, coords.whole_image((height, width)))
        for name, (x, y), is_inside in zip(named.names, named.points, inside, strict=True):
            if not is_inside:
                raise InputError(
                    f"point {name} of {self.points}, ({x:g}, {y:g}), is outside {self.a} "
                    f"of {width} x {height} pixels"
                )
        return named

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
        """Write all files or none: they are renamed when the last one is complete."""
        from convcorr_jax.io import write_arrays, write_points, written_whole

        with contextlib.ExitStack() as stack:
            figure.savefig(stack.enter_context(written_whole(outputs.figure)))
            write_arrays(stack.enter_context(written_whole(outputs.arrays)), **arrays)
            if outputs.points is not None and points is not None and carried is not None:
                table = stack.enter_context(written_whole(outputs.points))
                write_points(table, points.names, carried.b_px, confidence=carried.confidence)


class _Outputs(NamedTuple):
    """The paths of the files that are written; None for one that is not."""

    figure: Path
    arrays: Path
    points: Path | None


def _arrays(
    alignment: "PhotographAlignment", matches: "Matches", settings: "Mapping[str, Any]"
) -> "dict[str, np.ndarray]":
    """Return the arrays of the .npz file, which the help of ``--out`` describes."""
    import numpy as np

    from convcorr_jax import coords

    arrays: dict[str, Any] = {"settings": json.dumps(settings)}
    for source, target, flow, to_source_px, to_target_px, name in (
        ("a", "b", alignment.forward.flow, alignment.a_to_px, alignment.b_to_px, "flow"),
        ("b", "a", alignment.backward.flow, alignment.b_to_px, alignment.a_to_px, "flow_back"),
    ):
        cells = coords.cell_grid(flow.shape[:2]).astype(np.float64)
        arrays[f"cells_{source}"] = coords.apply(to_source_px, cells)
        arrays[f"places_{target}"] = coords.apply(to_target_px, cells + np.asarray(flow))
        arrays[name] = flow
    arrays |= {
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
    return {name: np.asarray(value) for name, value in arrays.items()}


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
) -> list[str]:
    data, deformation = alignment.forward.energy
    converged = "" if alignment.forward.converged else ", not converged"
    return [
        _caption(settings, alignment),
        f"Energy {data + deformation:.1f} (data {data:.1f}, deformation {deformation:.1f}) "
        f"after {alignment.forward.rounds} rounds{converged}; {seconds:.1f} seconds.",
        *(str(path) for path in outputs if path is not None),
    ]


def _values(
    settings: "Mapping[str, Any]",
    alignment: "PhotographAlignment",
    outputs: _Outputs,
    seconds: float,
) -> dict[str, Any]:
    """Return what the JSON object says of a pair."""
    data, deformation = alignment.forward.energy
    return {
        **settings,
        "figure": outputs.figure,
        "arrays": outputs.arrays,
        "table": outputs.points,
        "points": [],
        "cells": alignment.mutual.shape,
        "mutual": float(alignment.mutual.mean()),
        "energy_data": data,
        "energy_deformation": deformation,
        "rounds": alignment.forward.rounds,
        "converged": alignment.forward.converged,
        "seconds": round(seconds, 2),
    }
