"""Numerical tests as other processors compute: other kernels of OpenBLAS, vectors of XLA, numbers of threads.

python -m tests.processors runs the tests of linear models, in which both libraries take part, in every setting,
and the other numerical tests in settings that contain every kernel, width of vectors and number of threads once
or more. `--every` runs all in every setting, `--only Haswell AVX2 1` in one. A line a setting says what failed;
what this processor cannot run is skipped by name. The status is 1 if a test fails.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
# OpenBLAS's kernels, and the flag of /proc/cpuinfo that they need.
KERNELS = {"Nehalem": "sse4_2", "Sandybridge": "avx", "Haswell": "avx2", "SkylakeX": "avx512f"}
# XLA's widest instructions; "own" are the processor's.
VECTORS = {"SSE4_2": "sse4_2", "AVX2": "avx2", "own": "sse4_2"}
LINEAR = ("tests/linear",)
OTHERS = (
    *("tests/flow", "tests/probes", "tests/metrics", "tests/descriptors", "tests/test_retrieval.py"),
    *("tests/test_numerical_promises.py", "tests/test_reproducibility.py"),
    *(f"tests/pose/test_{name}.py" for name in ("cascade", "nets", "layers")),
    # The examples of docstrings.
    *(f"convcorr_jax/{room}" for room in ("linear", "flow", "probes", "metrics", "descriptors")),
    # The shipped model, on people whose figures its card states.
    "tests/pose/test_trained.py::test_it_finds_genuine_people",
)


class Setting(NamedTuple):
    """What decides the last bits of sums."""

    kernel: str
    vectors: str
    threads: int

    @property
    def lacks(self) -> str | None:
        """The instructions that the setting needs and this processor does not have."""
        has = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
        needed = (KERNELS[self.kernel], VECTORS[self.vectors])
        return next((flag for flag in needed if flag not in has), None)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that bring the setting about."""
        flags = [os.environ.get("XLA_FLAGS", "")]
        if self.vectors != "own":
            flags.append(f"--xla_cpu_max_isa={self.vectors}")
        if self.threads == 1:
            flags.append("--xla_cpu_multi_thread_eigen=false")
        return {
            "OPENBLAS_CORETYPE": self.kernel,
            "OPENBLAS_NUM_THREADS": str(self.threads),
            "XLA_FLAGS": " ".join(flags).strip(),
        }


SETTINGS = [Setting(*one) for one in itertools.product(KERNELS, VECTORS, (1, 2))]
# Every kernel, every width of vectors and every number of threads is in one of these.
COVERING = [
    Setting(kernel, vectors, threads)
    for kernel, vectors, threads in zip(KERNELS, ("SSE4_2", "own", "AVX2", "own"), (1, 2, 1, 2), strict=True)
]


class Outcome(NamedTuple):
    """What a run of the tests gave."""

    count: int
    failed: list[str]
    unsupported: list[str]
    """Tests of half precision, which XLA cannot compile for a processor without F16C."""


def run(setting: Setting, paths: tuple[str, ...], *, slow: bool) -> Outcome:
    """Run tests in a setting."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", *paths, "--quiet", f"--junitxml={report}"),
                *("--numprocesses", "2", "--dist", "loadfile"),
                *(() if slow else ("-m", "not slow")),
            ],
            cwd=ROOT,
            env=os.environ | setting.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            return Outcome(0, [f"no report: {ended.stdout[-300:]}{ended.stderr[-300:]}"], [])
        cases = list(ElementTree.parse(report).iter("testcase"))
    outcome = Outcome(len(cases), [], [])
    for case in cases:
        for problem in (*case.iter("failure"), *case.iter("error")):
            lacks = "Failed to materialize symbols" in (problem.text or "")
            kind = outcome.unsupported if lacks and setting.vectors == "SSE4_2" else outcome.failed
            kind.append(f"{case.get('classname')}::{case.get('name')}")
    return outcome


def main() -> int:
    """Print a line a setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", action="store_true", help="run all tests in every setting")
    parser.add_argument("--only", nargs=3, metavar=("KERNEL", "VECTORS", "THREADS"))
    options = parser.parse_args()
    only = options.only and Setting(options.only[0], options.only[1], int(options.only[2]))
    found = False
    for setting in [only] if only else SETTINGS:
        name = f"{setting.kernel}, {setting.vectors}, threads: {setting.threads}"
        if setting.lacks:
            sys.stdout.write(f"{name}: skipped, this processor has no {setting.lacks}\n")
            continue
        whole = bool(only) or options.every or setting in COVERING
        began = time.monotonic()
        outcome = run(setting, (*LINEAR, *(OTHERS if whole else ())), slow=whole)
        sys.stdout.write(
            f"{name}: {outcome.count} tests, {len(outcome.failed)} failed, {time.monotonic() - began:.0f} s\n"
        )
        sys.stdout.writelines(f"    failed: {one}\n" for one in outcome.failed)
        sys.stdout.writelines(f"    skipped, no half precision: {one}\n" for one in outcome.unsupported)
        sys.stdout.flush()
        found = found or bool(outcome.failed) or not outcome.count
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
