"""The work of ``convcorr align`` on one pair: alignment, figure, arrays and the pair's part of a page.

Unlike the options, this module imports JAX.
"""

import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convcorr_jax import coords, matching
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.cli.arguments import point_values
from convcorr_jax.cli.pairs import Files, Inputs, Pair
from convcorr_jax.descriptors import Recipe, descriptor_grid, recipe_for
from convcorr_jax.io import write_arrays, write_flow, write_labels, write_points, written_whole
from convcorr_jax.report import alignment_figure, match_page, matched_pair, matches_data, verdict_sentence

# A page shows the matches for these multiples of the smoothness, too.
_PAGE_FACTORS = (0.25, 0.5, 2.0, 4.0)


class Aligned(NamedTuple):
    """An aligned pair: sentences on its verdict, without and with advice, and on settings; the JSON object."""

    alignment: matching.PhotographAlignment
    verdict: str
    advice: str
    caption: str
    values: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Aligner:
    """The settings that all pairs of a command share."""

    weights: Weights
    recipe: Recipe
    smoothness: float | None
    turns: tuple[matching.Turn, ...]

    @classmethod
    def load(
        cls,
        network: str,
        *,
        layers: tuple[str, ...],
        weights: Path | None,
        smoothness: float | None,
        mirror: bool,
        rotate: bool,
    ) -> "Aligner":
        """Read the weights and check the settings; None and no layers mean those of the network's recipe."""
        loaded = load(network, path=weights)
        recipe = recipe_for(loaded.network)
        if layers:
            recipe = dataclasses.replace(recipe, layers=layers)
        # Layers that the network lacks are refused now, before photographs are read.
        descriptor_grid(loaded.network, recipe)
        turns = (matching.UPRIGHT, *(matching.TURNED if rotate else ()))
        if mirror:
            turns += tuple(turn._replace(mirrored=True) for turn in turns)
        return cls(loaded, recipe, smoothness, turns)

    def align(self, pair: Pair, inputs: Inputs, files: Files) -> Aligned:
        """Align a pair, and write its figure, its arrays and its table, all or none."""
        alignment = self._alignment(pair, inputs, self._smoothness(pair), self.turns)
        matches = matching.spread_matches(alignment)
        points = inputs.points
        carried = None if points is None else matching.carry_to_b(points.points, alignment)
        verdict, sentence = (
            matching.judge(alignment, carried=carried),
            verdict_sentence(alignment, carried=carried),
        )
        settings = self._settings(pair)
        caption = _caption(settings, alignment)
        figure = alignment_figure(
            inputs.a,
            inputs.b,
            alignment,
            matches,
            names=(pair.a.name, pair.b.name),
            caption=caption,
            carried=carried,
            point_names=() if points is None else points.names,
        )
        with contextlib.ExitStack() as stack:
            figure.savefig(stack.enter_context(written_whole(files.figure)))
            arrays = _arrays(alignment, matches, settings)
            write_arrays(stack.enter_context(written_whole(files.arrays)), **arrays)
            if files.table is not None and points is not None and carried is not None:
                table = stack.enter_context(written_whole(files.table))
                write_points(table, points.names, carried.b_px, confidence=carried.confidence)
            if files.mask is not None and inputs.mask is not None:
                write_labels(
                    stack.enter_context(written_whole(files.mask)), matching.carry_mask(inputs.mask, alignment)
                )
            if files.flow is not None:
                flow, path = matching.displacements(alignment), stack.enter_context(written_whole(files.flow))
                if files.flow.suffix.lower() == ".flo":
                    write_flow(path, flow)
                else:
                    write_arrays(path, flow=flow.astype(np.float32))
        judged = {"verdict": verdict.word, "probability": verdict.probability, "static": verdict.static}
        values = {**settings, **files._asdict(), **judged, **_results(alignment), "points": []}
        if points is not None and carried is not None:
            values["points"] = point_values(points.names, carried.b_px, confidence=carried.confidence)
        return Aligned(alignment, sentence, _with_advice(sentence, verdict, self.turns), caption, values)

    def explorer(self, pair: Pair, inputs: Inputs, aligned: Aligned) -> dict[str, Any]:
        """Align a pair for several values of smoothness, and return its part of a page's data."""
        own = self._smoothness(pair)
        alignments = {own: aligned.alignment}
        for factor in _PAGE_FACTORS:
            smoothness = factor * own
            alignments[smoothness] = self._alignment(pair, inputs, smoothness, (aligned.alignment.turn,))
        name, method = f"{pair.a.name} and {pair.b.name}", " + ".join(self.recipe.layers)
        matched = matched_pair(
            name,
            inputs.a,
            inputs.b,
            alignments,
            method=method,
            verdict=aligned.verdict,
            reliable=matching.DOUBTFUL_POINT,
            file_names=(pair.a.name, pair.b.name),
        )
        (data,) = matches_data([matched], smoothness=own)["pairs"]
        return data

    def page(self, pairs: list[dict[str, Any]]) -> str:
        """Return a page of matches as HTML, from what `explorer` returned for every pair."""
        facts = {
            "Network": self.weights.network.name,
            "Weights": self.weights.source,
            "Layers": " + ".join(self.recipe.layers),
            "Smoothness": ("the default of each pair" if self.smoothness is None else f"{self.smoothness:g}"),
        }
        text = "Tap a point of the left photograph: its match is marked in the right one."
        return match_page("Matches of photographs", {"pairs": pairs}, facts=facts, text=text)

    def _smoothness(self, pair: Pair) -> float:
        if self.smoothness is None:
            return matching.default_smoothness(pair.box_a, pair.box_b)
        return self.smoothness

    def _alignment(
        self, pair: Pair, inputs: Inputs, smoothness: float, turns: Sequence[matching.Turn]
    ) -> matching.PhotographAlignment:
        return matching.align_photographs(
            inputs.a,
            inputs.b,
            self.weights.params,
            network=self.weights.network,
            recipe=self.recipe,
            box_a=pair.box_a,
            box_b=pair.box_b,
            smoothness=smoothness,
            turns=turns,
        )

    def _settings(self, pair: Pair) -> dict[str, Any]:
        return {
            "a": str(pair.a),
            "b": str(pair.b),
            "network": self.weights.network.name,
            "weights": self.weights.source,
            "layers": self.recipe.layers,
            "sizes_px": self.recipe.sizes_px,
            "smoothness": self._smoothness(pair),
            "box_a": pair.box_a,
            "box_b": pair.box_b,
        }


def _arrays(
    alignment: matching.PhotographAlignment, matches: matching.Matches, settings: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the arrays of the .npz file, which the help of ``--out`` describes."""
    arrays: dict[str, Any] = {"settings": json.dumps(settings)}
    for source, target, flow, to_source_px, to_target_px, name in (
        ("a", "b", alignment.forward.flow, alignment.a_to_px, alignment.b_to_px, "flow"),
        ("b", "a", alignment.backward.flow, alignment.b_to_px, alignment.a_to_px, "flow_back"),
    ):
        cells = coords.cell_grid(flow.shape[:2]).astype(np.float64)
        arrays[f"cells_{source}"] = to_source_px(cells)
        arrays[f"places_{target}"] = to_target_px(cells + np.asarray(flow))
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


def _results(alignment: matching.PhotographAlignment) -> dict[str, Any]:
    data, deformation = alignment.forward.energy
    return {
        "cells": alignment.mutual.shape,
        "mutual": float(alignment.mutual.mean()),
        "b_mirrored": alignment.turn.mirrored,
        "b_turned_degrees": 90 * alignment.turn.quarter_turns,
        "energy_data": data,
        "energy_deformation": deformation,
        "rounds": alignment.forward.rounds,
        "converged": alignment.forward.converged,
    }


def _caption(settings: Mapping[str, Any], alignment: matching.PhotographAlignment) -> str:
    return (
        f"{settings['network']} {' + '.join(settings['layers'])}, smoothness {settings['smoothness']:g}; "
        f"{100 * alignment.mutual.mean():.0f} % of {alignment.mutual.size} cells agree both ways."
    )


_TRY = {matching.MIRRORED: "--mirror auto", matching.TURNED[0]: "--rotate auto"}


def _with_advice(sentence: str, verdict: matching.Verdict, turns: Sequence[matching.Turn]) -> str:
    """Return the sentence of a verdict, with what else could be tried unless it is good."""
    untried = [option for turn, option in _TRY.items() if turn not in turns]
    if verdict.word == "good" or not untried:
        return f"{sentence}."
    return f"{sentence}; if b may be mirrored or turned, try {' and '.join(untried)}."
