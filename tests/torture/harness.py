"""Disturb a program again and again, let it finish, and compare what it leaves with an undisturbed run."""

import contextlib
import functools
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.builders.processes import Ended, end, start

# Names and parts of values that time and machine decide.
_VARIES = re.compile(
    r"second|time|memory|images_per_s|forward_ms|device|versions|command|options|out$|finished"
)
# Checkpoints are compared by the model that is written from them; pages and curves show times.
_BY_NAME = re.compile(r"(^|/)(checkpoints/.*|run\.json|.*\.html|curves\.png|provenance.*)$")
_SHARE_OF_FULL_DISKS = 0.1
# A disk holds a program's results so many times, and 64 MiB: the next run removes what a killed one left.
_DISK_COPIES, _DISK_BYTES = 2, 64 * 2**20


class Outcome(NamedTuple):
    """What a number of disturbed runs came to."""

    kills: int
    """Processes ended by SIGKILL."""
    full_disks: int
    """Processes that ended because the disk was full."""
    failures: tuple[str, ...]
    """What was wrong, a sentence each."""


def disturb(name: str, folder: Path, *, kills: int, seed: int, full_disks: bool = True) -> Outcome:
    """Kill a program at random moments until it has been killed often enough; compare every finished run.

    Every run is killed up to four times before it may finish. At every tenth time on average the disk fills
    instead, if this process may mount file systems. The folder is empty; the seed decides the moments.
    """
    rng = random.Random(seed)
    program = functools.partial(
        start, "-m", "tests.torture.programs", name, **_write_sources(folder / "sources")
    )
    started = time.monotonic()
    expected_folder = folder / "undisturbed"
    ended = end(program(expected_folder, folder / "log"))
    seconds = time.monotonic() - started
    if ended.status:
        return Outcome(0, 0, (f"{name}: the undisturbed run ended with {_complaint(ended)}",))
    expected = content(expected_folder)
    disk_bytes = _DISK_BYTES + _DISK_COPIES * _bytes_in(expected_folder) if full_disks else None
    killed = filled = number = 0
    failures: list[str] = []
    while killed + filled < kills:
        number += 1
        log = folder / f"log_{number}"
        with _disk(folder / f"run_{number}", disk_bytes) as (out, is_limited):
            for attempt in range(min(rng.randint(1, 4), kills - killed - filled)):
                after, begun = rng.uniform(0.1, 1.0) * seconds, time.monotonic()
                fills = is_limited and rng.random() < _SHARE_OF_FULL_DISKS
                ended = _disturb_once(program(out, log), after, fill=out.parent if fills else None)
                if fills and (ended.status not in (0, 1) or "Traceback" in ended.err):
                    failures.append(f"{name}: a full disk ended it with {_complaint(ended)}")
                was_disturbed = ended.status == (1 if fills else -signal.SIGKILL)
                filled += was_disturbed and fills
                killed += was_disturbed and not fills
                if not was_disturbed:
                    # The first run compiled programs that later ones find, and took longer than a whole run.
                    if attempt == 0:
                        seconds = min(seconds, time.monotonic() - begun)
                    break
            ended = end(program(out, log))
            if ended.status:
                failures.append(f"{name} {number}: the last run ended with {_complaint(ended)}")
            else:
                failures += _differences(f"{name} {number}", expected, content(out))
                failures += _repetitions(f"{name} {number}", log)
    return Outcome(killed, filled, tuple(failures))


def content(folder: Path) -> dict[str, str]:
    """Return a digest of every file below a folder, without what times and machines decide."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_dir() or _BY_NAME.search(relative):
            is_own = not relative.count("checkpoints/") or relative.count("/") <= 1
            if is_own:
                digests[relative] = ""
        elif path.suffix in (".json", ".jsonl"):
            lines = path.read_text(encoding="utf-8").splitlines()
            texts = lines if path.suffix == ".jsonl" else ["\n".join(lines)]
            fixed = [_fixed(json.loads(text)) for text in texts]
            digests[relative] = _digest(json.dumps(fixed, sort_keys=True).encode())
        elif path.suffix == ".npz":
            digests[relative] = _digest_of_arrays(path)
        else:
            digests[relative] = _digest(path.read_bytes())
    return digests


def _fixed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _fixed(one) for key, one in value.items() if not _VARIES.search(key)}
    return [_fixed(one) for one in value] if isinstance(value, list) else value


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _digest_of_arrays(path: Path) -> str:
    if not zipfile.is_zipfile(path):  # half-written
        return _digest(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        names = [name for name in sorted(archive.namelist()) if not _VARIES.search(name)]
        return _digest(b"".join(name.encode() + archive.read(name) for name in names))


def _write_sources(folder: Path) -> dict[str, str]:
    """Write what the programs read; return the variables that say where it is."""
    from tests.builders import image_set
    from tests.builders.people import write_people

    image_set.write_images(folder / "images")
    archive = shutil.make_archive(str(folder / "images"), "zip", folder / "images")
    people = write_people(folder / "people", train=12, test=2, side=64)
    return {"TORTURE_ARCHIVE": archive, "TORTURE_PEOPLE": str(people)}


def _disturb_once(process: subprocess.Popen[str], after: float, *, fill: Path | None) -> Ended:
    """Kill a process after some seconds, or fill a disk until it ends."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=after)
    if fill is None:
        return end(process, signal.SIGKILL)
    ballast = fill / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb") as stream:
        while True:
            stream.write(bytes(2**20))
            stream.flush()
    ended = end(process)
    ballast.unlink()
    return ended


def _complaint(ended: Ended) -> str:
    return f"{ended.status}: {ended.err[-2000:]}"


@contextlib.contextmanager
def _disk(folder: Path, size: int | None) -> Iterator[tuple[Path, bool]]:
    """Yield a new folder, on a disk of its own if it has a size and that is allowed; remove it at the end."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    is_mounted = size is not None and subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield folder / "out", is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)


def _differences(run: str, expected: dict[str, str], found: dict[str, str]) -> list[str]:
    return [
        f"{run}: {path} is {'missing' if path not in found else 'new' if path not in expected else 'other'}"
        for path in sorted({*expected, *found})
        if expected.get(path) != found.get(path)
    ]


def _repetitions(run: str, log: Path) -> list[str]:
    """Find parts that were begun after they had been reported."""
    done, repeated = set(), []
    for line in log.read_text(encoding="utf-8").splitlines() if log.is_file() else ():
        word, part = line.split()
        if word == "done":
            done.add(part)
        elif word == "begin" and part in done:
            repeated.append(f"{run}: part {part} was computed again")
    return repeated
