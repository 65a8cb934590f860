"""Fuzz every parser for a time, each in a process of its own.

python -m tests.fuzz --seconds 600 shares the seconds among the targets; the exit status is 1 if an input was
neither read nor refused. An input is made again by its target and number: see `tests.fuzz.running.input_of`.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from tests.fuzz.running import TARGETS, run


def main() -> int:
    """Run the targets that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together")
    parser.add_argument("--inputs", type=int, default=10**9, help="the most inputs of a target")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--folder", type=Path, help="run one target in this process and folder")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    if options.folder is not None:
        (name,) = names
        return _run(name, options.folder, options.first, options.inputs, options.seconds)
    failed = []
    for name in names:
        folder = tempfile.mkdtemp(prefix=f"fuzz-{name}-")
        numbers = ["--first", str(options.first), "--inputs", str(options.inputs)]
        command = [sys.executable, "-m", "tests.fuzz", name, "--folder", folder, *numbers]
        command += ["--seconds", str(options.seconds / len(names))]
        status = subprocess.run(command, check=False).returncode
        if status < 0:
            sys.stdout.write(f"{name}: signal {-status} ended the process at the input in {folder}\n")
        else:
            shutil.rmtree(folder)
        if status:
            failed.append(name)
    return 1 if failed else 0


def _run(name: str, folder: Path, first: int, inputs: int, seconds: float) -> int:
    warnings.simplefilter("error")
    outcome = run(TARGETS[name], folder, first=first, inputs=inputs, seconds=seconds)
    sys.stdout.write(
        f"{name}: {outcome.inputs} inputs, {outcome.refused} refused, {len(outcome.failures)} failures, "
        f"at most {outcome.longest_seconds:.2f} s and {outcome.grown_bytes / 1e6:.0f} MB\n"
    )
    reasons = {failure.reason.splitlines()[-1]: failure for failure in outcome.failures}
    for failure in reasons.values():
        sys.stdout.write(f"{name}: input {failure.number}\n{failure.reason}\n")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
