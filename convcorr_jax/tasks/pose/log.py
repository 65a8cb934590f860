"""The log of a training run: ``metrics.jsonl``, with one line for each mean of losses and each validation."""

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
from convcorr_jax.pose import PHASES, Phase
from convcorr_jax.report import training_curves
from convcorr_jax.runtime import devices
from convcorr_jax.tasks.pose.step import StepMetrics
from convcorr_jax.tasks.pose.validation import ALPHAS, Scores


class TrainingLog:
    """The lines of ``metrics.jsonl``: mean losses and speed of several steps, and scores of validations.

    Attributes:
        lines: one dictionary for each line, in the order of steps.

    Args:
        path: of the file. Lines of steps after ``step``, which a killed run logged after its last checkpoint,
            are dropped.
        step: the number of steps that the run has done.

    Raises:
        InputError: the file is damaged.
    """

    def __init__(self, path: Path, *, step: int) -> None:
        self._path = path
        self._pending: list[StepMetrics] = []
        self.restart_clock()
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            lines = [json.loads(line) for line in text.splitlines()]
            self.lines: list[dict[str, Any]] = [line for line in lines if line["step"] <= step]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is damaged ({error}); remove it to start a new log"
            ) from error

    def restart_clock(self) -> None:
        """Exclude the time and the steps before this call from the speed of steps."""
        self._since, self._timed_steps = time.perf_counter(), 0

    def add(self, metrics: StepMetrics) -> None:
        """Add the metrics of a step, without waiting for their values.

        Args:
            metrics: of the step after the last one added.
        """
        self._pending.append(metrics)
        self._timed_steps += 1

    def log_losses(
        self, step: int, phase: Phase, *, people_of: Callable[[int], Sequence[str]]
    ) -> None:
        """Log the mean losses of the steps added since the last call, and write the file.

        Args:
            step: the number of steps done.
            phase: the phase of these steps.
            people_of: returns the names of the people in a step's batch.

        Raises:
            NumericalError: a loss is NaN or infinite; the message names the step and its people.
            WriteError: the file cannot be written.
        """
        metrics: list[StepMetrics] = jax.device_get(self._pending)
        seconds = time.perf_counter() - self._since
        for number, of_step in enumerate(metrics, start=step - len(metrics)):
            if not np.isfinite(of_step.total):
                raise NumericalError(
                    f"the loss of step {number} (phase {phase}) is {of_step.total}; its batch is "
                    f"{', '.join(people_of(number))}; smaller --rates may help"
                )
        totals = [of_step.total for of_step in metrics]
        line = {"step": step, "phase": phase, "loss": float(np.mean(totals))}
        for name in metrics[0].parts._fields:
            line[name] = float(np.mean([getattr(of_step.parts, name) for of_step in metrics]))
        if self._timed_steps:
            line["images_per_s"] = round(self._timed_steps * len(people_of(step)) / seconds, 1)
        self.lines.append(line)
        self._pending = []
        self._write()
        self.restart_clock()

    def log_scores(self, step: int, phase: Phase, scores: Scores) -> None:
        """Log the scores of a validation, and write the file.

        Args:
            step: the number of steps done.
            phase: the phase of the last step.
            scores: PCK on the people for validation.

        Raises:
            WriteError: the file cannot be written.
        """
        pck = {
            name: {str(alpha): share for alpha, share in zip(ALPHAS, shares, strict=True)}
            for name, shares in scores._asdict().items()
        }
        self.lines.append({"step": step, "phase": phase, "pck": pck})
        self._write()

    def _write(self) -> None:
        if not devices.is_first_host():
            return
        with written_whole(self._path) as temporary:
            text = "".join(json.dumps(line) + "\n" for line in self.lines)
            temporary.write_text(text, encoding="utf-8")

    @property
    def status(self) -> str:
        """The last mean loss, speed and validation, for the terminal."""
        losses = [line for line in self.lines if "loss" in line][-1:]
        parts = [
            f"loss {line['loss']:.3f}, {line.get('images_per_s', 0):.0f} images/s"
            for line in losses
        ]
        return ", ".join(part for part in (*parts, self.last_scores) if part)

    @property
    def last_scores(self) -> str:
        """The last validation, for the terminal; empty before the first."""
        lines = [line["pck"] for line in self.lines if "pck" in line][-1:]
        alpha = str(ALPHAS[1])
        return "".join(
            f"PCK@{alpha} {pck['cascade'][alpha]:.3f} (coarse {pck['coarse'][alpha]:.3f})"
            for pck in lines
        )

    @property
    def speeds(self) -> dict[str, float]:
        """Images per second in each phase, the median of its lines."""
        timed = [line for line in self.lines if "images_per_s" in line]
        phases = dict.fromkeys(line["phase"] for line in timed)
        return {
            phase: float(
                np.median([line["images_per_s"] for line in timed if line["phase"] == phase])
            )
            for phase in phases
        }

    def pck_of(self, step: int) -> dict[str, dict[str, float]] | None:
        """Return PCK of the validation after a step, or None if its line was removed with the file."""
        return next(
            (line["pck"] for line in self.lines if "pck" in line and line["step"] == step), None
        )


def log_curves(lines: Sequence[dict[str, Any]]) -> Figure:
    """Draw the losses of a training run and its PCK over its steps.

    Args:
        lines: of a `TrainingLog`.
    """
    losses = {
        name: [(line["step"], line[name]) for line in lines if line.get(name)]
        for name in ("e1", "e_spatial", "e2")
    }
    validations = [line for line in lines if "pck" in line]
    shares = {
        f"{name}, {alpha}": [(line["step"], line["pck"][name][str(alpha)]) for line in validations]
        for alpha in ALPHAS
        for name in ("cascade", "coarse")
        if validations
    }
    ends = {
        phase: max((line["step"] for line in lines if line["phase"] == phase), default=0)
        for phase in PHASES
    }
    return training_curves(
        {name: points for name, points in losses.items() if points},
        shares,
        dashed=[name for name in shares if name.startswith("coarse")],
        phases={phase: end for phase, end in ends.items() if end},
    )
