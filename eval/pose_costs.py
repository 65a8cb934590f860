"""Costs of training the paper's cascades on an accelerator, predicted without one.

    python -m eval.pose_costs
    python -m eval.pose_costs --teraflops 400 --utilization 0.4

``result.json`` has for each preset and phase the floating-point operations of the loss and its gradient for one
image, as XLA counts them (``gflops_per_image``); the seconds of a step and the hours of all steps of the
preset's plan on a chip of ``--teraflops`` that is used to ``--utilization``; and the size of the program that
was lowered for CUDA and for TPU, which shows that it compiles for both. No time is measured.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder
from convcorr_jax.pose import PHASES, Architecture, flic, mpii, phase_costs
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.pose import PLANS, Preset

_PRESETS: Mapping[Preset, Callable[[], Architecture]] = {"paper-flic": flic, "paper-mpii": mpii}


@dataclass(frozen=True)
class Config:
    """The accelerator."""

    teraflops: float = 100.0
    """Floating-point operations of the chip in a second, in units of 10^12."""
    utilization: float = 1.0
    """The share of them that training uses."""
    output: Output = Output(Path("runs/pose_costs"))


def main(config: Config) -> Path:
    """Count the operations of both presets, and write ``result.json``; return its path."""
    started = time.perf_counter()
    if config.teraflops <= 0 or not 0 < config.utilization <= 1:
        raise InputError(
            f"teraflops is {config.teraflops} and utilization {config.utilization}; a positive number, and one "
            "from 0 to 1, are expected"
        )
    out = make_folder(config.output.out)
    per_second = 1e12 * config.teraflops * config.utilization
    result = {}
    for name, preset in _PRESETS.items():
        plan = PLANS[name]
        costs = {phase: phase_costs(preset(), phase, platforms=("cuda", "tpu")) for phase in PHASES}
        seconds = {
            phase: plan.batch * of_phase.flops_per_image / per_second for phase, of_phase in costs.items()
        }
        result[name] = {
            "batch": plan.batch,
            "steps": dict(zip(costs, plan.steps, strict=True)),
            "gflops_per_image": {phase: of_phase.flops_per_image / 1e9 for phase, of_phase in costs.items()},
            "seconds_per_step": seconds,
            "hours": sum(steps * seconds[phase] for phase, steps in zip(costs, plan.steps, strict=True)) / 3600,
            "program_bytes": {phase: of_phase.program_bytes for phase, of_phase in costs.items()},
        }
    return write_results(out, {"presets": result}, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
