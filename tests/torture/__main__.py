"""Kill everything that resumes, and fill its disk, at random moments.

python -m tests.torture --kills 200 shares the kills among the programs; the exit status is 1 if a run did not
end at the same files.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.harness import disturb
from tests.torture.programs import PROGRAMS

# Kills of each program: those that take long are killed less often.
_SHARES = {
    **{"stages": 8, "sums": 8, "prepared": 8, "pose": 4, "detectors": 4, "probes": 4},
    **{"extraction": 3, "reproduce": 1},
}


def main() -> int:
    """Disturb the programs that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    parser.add_argument("--kills", type=int, default=200, help="for all programs together")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    names = options.programs or list(PROGRAMS)
    total = sum(_SHARES[name] for name in names)
    failed = False
    for name in names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"torture-{name}-") as folder:
            kills = max(1, round(options.kills * _SHARES[name] / total))
            outcome = disturb(name, Path(folder), kills=kills, seed=options.seed)
        sys.stdout.write(
            f"{name}: {outcome.kills} kills, {outcome.full_disks} full disks, "
            f"{len(outcome.failures)} failures, {time.monotonic() - started:.0f} s\n"
        )
        for failure in outcome.failures:
            sys.stdout.write(f"  {failure}\n")
        sys.stdout.flush()
        failed |= bool(outcome.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
