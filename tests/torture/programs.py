"""Programs that resume, small enough to be killed hundreds of times.

``python -m tests.torture.programs NAME OUT LOG`` runs one of them in a folder. A program that reports parts
appends a line to the log when it begins a part and one when the part is saved, so that the harness can find
parts that were reported and computed again.
"""

import functools
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np

from convcorr_jax.io import write_arrays
from convcorr_jax.runtime import accumulate, cached_in_parts, exit_process, run_guarded

# Items of a program, and seconds that each takes, so that kills meet them at work.
_COUNT, _SECONDS = 24, 0.02


class Log:
    """Lines that are on the disk when they are reported."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, line: str) -> None:
        """Append a line."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)


def stages(out: Path, log: Log) -> None:
    """Compute an array in cached parts, and write the whole."""

    def compute(items: range) -> dict[str, np.ndarray]:
        log.add(f"begin {items.start}")
        time.sleep(_SECONDS * len(items))
        return {"values": np.random.default_rng(items.start).standard_normal((len(items), 2000))}

    values = cached_in_parts(out, "part", {"seed": 1}, compute, count=_COUNT, part=3)
    write_arrays(out / "result.npz", **values)


class Sums:
    """The sum of random matrices."""

    def __init__(self, total: np.ndarray) -> None:
        self.total = total

    def arrays(self) -> Mapping[str, np.ndarray]:
        """Return the sum."""
        return {"total": self.total}

    def restored(self, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the sum that was saved."""
        return type(self)(arrays["total"])


def sums(out: Path, log: Log) -> None:
    """Sum up blocks, and write what the sums are at two stops."""

    def step(state: Sums, number: int) -> Sums:
        time.sleep(_SECONDS)
        rng = np.random.default_rng(number)
        return Sums(state.total + rng.standard_normal((200, 200)).astype(np.float32))

    stops = [stop for stop in (_COUNT // 2, _COUNT) if not (out / f"after_{stop}.npz").is_file()]
    start = Sums(np.zeros((200, 200), np.float32))
    for stop, state in accumulate(out / "sums.npz", {"seed": 1}, step, start=start, stops=stops, every_s=0.0):
        log.add(f"begin {stop}")
        write_arrays(out / f"after_{stop}.npz", total=state.total)
        log.add(f"done {stop}")


def prepared(out: Path, log: Log) -> None:
    """Prepare a data set from an archive, by two processes that write shards."""
    from convcorr_jax.datasets.formats.archives import unpack
    from convcorr_jax.datasets.prepared import planning, prepare
    from convcorr_jax.io import temporary_folder
    from tests.builders import image_set

    planning.RECORDS_PER_SHARD = 2
    source = os.environ["TORTURE_ARCHIVE"]
    options = {"name": "images", "description": "Noise.", "processes": 2}
    with temporary_folder(out) as temporary:
        read = functools.partial(image_set.read_entries, unpack(Path(source), temporary / "unpacked"))
        prepare(read, out / "images" / "1.0.0", progress=lambda done, _: log.add(f"shards {done}"), **options)


def pose(out: Path, log: Log) -> None:
    """Train a tiny cascade in its three phases."""
    from convcorr_jax.runtime import devices
    from convcorr_jax.tasks import Output
    from convcorr_jax.tasks.pose import PoseData, Training, TrainingConfig, setup, train
    from tests.builders.pose_architectures import tiny_small

    devices.use_cores(1)
    setup.pose.small = tiny_small
    train(
        TrainingConfig(
            PoseData((os.environ["TORTURE_PEOPLE"],)),
            Training(steps=(12, 8, 8), batch=4, validate_every=3),
            output=Output(out),
        )
    )


def _script(module: str, *words: str) -> Callable[[Path, Log], None]:
    """Return the program that runs a script with its command line."""

    def program(out: Path, log: Log) -> None:
        import importlib

        script = importlib.import_module(module)
        config = importlib.import_module("convcorr_jax.runtime.options").parse(
            script.Config, [*words, "--out", str(out)]
        )
        script.main(config)

    return program


PROGRAMS: Mapping[str, Callable[[Path, Log], None]] = MappingProxyType(
    {
        "stages": stages,
        "sums": sums,
        "prepared": prepared,
        "pose": pose,
        "detectors": _script(
            "train.keypoint_detectors",
            *("--rendered-train", "9", "--rendered-test", "1", "--categories", "person"),
            *("--images", "9", "--no-winograd"),
        ),
        "probes": _script("train.ridge_probes", "--rendered-train", "12", "--no-winograd"),
        "extraction": _script(
            "eval.rgb_reconstruction",
            *("--rendered-train", "20", "--rendered-test", "2", "--side-px", "64"),
            *("--images", "40", "80", "--shown", "2", "--no-winograd"),
        ),
        "reproduce": _script("eval.reproduce"),
    }
)


def main() -> int:
    """Run the program that the command line names."""
    name, out, log = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    from convcorr_jax.io import file_lock
    from convcorr_jax.runtime import caches

    caches.enable()
    with file_lock(Path(out) / ".lock"):
        PROGRAMS[name](Path(out), Log(Path(log)))
    return 0


if __name__ == "__main__":
    exit_process(run_guarded(main))
