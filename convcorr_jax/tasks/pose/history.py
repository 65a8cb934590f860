"""What a training run of the pose cascade says of itself: ``metrics.jsonl``, and curves of it."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.io import written_whole
from convcorr_jax.pose.objective import PHASES, Phase
from convcorr_jax.report.plots import training_curves
from convcorr_jax.runtime import devices
from convcorr_jax.tasks.pose.step import Told
from convcorr_jax.tasks.pose.validation import ALPHAS, Scores


class History:
    """Lines of ``metrics.jsonl``: errors and speed of some steps at a time, and scores of validations.

    Args:
        path: of the file; lines of steps after ``step``, which a killed run made in vain, are dropped.
        step: how many steps the run has made.

    Raises:
        InputError: the file is damaged.
    """

    def __init__(self, path: Path, *, step: int) -> None:
        self._path = path
        self._waiting: list[Told] = []
        self.restart_clock()
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            lines = [json.loads(line) for line in text.splitlines()]
            self.lines: list[dict[str, Any]] = [one for one in lines if one["step"] <= step]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); remove it to begin it anew") from error

    def restart_clock(self) -> None:
        """Count no time before this, and no step, towards the speed of steps."""
        self._since, self._timed = time.perf_counter(), 0

    def add(self, told: Told) -> None:
        """Take what a step says, without waiting for it."""
        self._waiting.append(told)
        self._timed += 1

    def tell_errors(
        self, step: int, phase: Phase, *, people_of: Callable[[int], Sequence[str]]
    ) -> dict[str, Any]:
        """Make a line of the steps since the last one, their means.

        Args:
            step: how many were made.
            phase: of these steps.
            people_of: names the people of a step.

        Raises:
            NumericalError: an error is NaN or infinite; the step and its people are named.
        """
        told: list[Told] = jax.device_get(self._waiting)
        seconds = time.perf_counter() - self._since
        for number, one in enumerate(told, start=step - len(told)):
            if not np.isfinite(one.total):
                raise NumericalError(
                    f"the error of step {number} (phase {phase}) is {one.total}; its batch is "
                    f"{', '.join(people_of(number))}; smaller --rates may help"
                )
        parts = [one.parts._asdict() for one in told]
        line = {"step": step, "phase": phase, "loss": float(np.mean([one.total for one in told]))}
        line |= {name: float(np.mean([one[name] for one in parts])) for name in parts[0]}
        if self._timed:
            line["images_per_s"] = round(self._timed * len(people_of(step)) / seconds, 1)
        self.lines.append(line)
        self._waiting = []
        self.restart_clock()
        return line

    @property
    def last_scores(self) -> str:
        """The last validation, for the terminal; nothing before the first."""
        told = [line["pck"] for line in self.lines if "pck" in line][-1:]
        alpha = str(ALPHAS[1])
        return "".join(
            f", PCK@{alpha} {one['cascade'][alpha]:.3f} (coarse {one['coarse'][alpha]:.3f})"
            for one in told
        )

    @property
    def speeds(self) -> dict[str, float]:
        """Images a second in each phase, the median of its lines."""
        told = [line for line in self.lines if "images_per_s" in line]
        phases = dict.fromkeys(line["phase"] for line in told)
        return {
            phase: float(np.median([one["images_per_s"] for one in told if one["phase"] == phase]))
            for phase in phases
        }

    def pck_of(self, step: int) -> dict[str, dict[str, float]] | None:
        """What the validation after a step said; None where its line was removed with the file."""
        return next(
            (one["pck"] for one in self.lines if "pck" in one and one["step"] == step), None
        )

    def tell_scores(self, step: int, phase: Phase, scores: Scores) -> None:
        """Make a line of a validation, and write the file."""
        pck = {
            name: {str(alpha): share for alpha, share in zip(ALPHAS, shares, strict=True)}
            for name, shares in scores._asdict().items()
        }
        line = {"step": step, "phase": phase, "pck": pck}
        self.lines.append(line)
        if not devices.is_first_host():
            return
        with written_whole(self._path) as temporary:
            text = "".join(json.dumps(one) + "\n" for one in self.lines)
            temporary.write_text(text, encoding="utf-8")


def curves(lines: Sequence[dict[str, Any]]) -> Figure:
    """The errors of a run and its PCK, over its steps."""
    errors = {
        name: [(one["step"], one[name]) for one in lines if one.get(name)]
        for name in ("e1", "e_spatial", "e2")
    }
    scores = [one for one in lines if "pck" in one]
    shares = {
        f"{name}, {alpha}": [(one["step"], one["pck"][name][str(alpha)]) for one in scores]
        for alpha in ALPHAS
        for name in ("cascade", "coarse")
        if scores
    }
    ends = {
        phase: max((one["step"] for one in lines if one["phase"] == phase), default=0)
        for phase in PHASES
    }
    return training_curves(
        {name: points for name, points in errors.items() if points},
        shares,
        dashed=[name for name in shares if name.startswith("coarse")],
        phases={phase: end for phase, end in ends.items() if end},
    )
