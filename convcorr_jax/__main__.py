"""The entry of the command ``convcorr``, also as ``python -m convcorr_jax``.

Signals end the process without a traceback from here on, before the command and what it needs are imported.
"""

import sys

from convcorr_jax.runtime import exit_on_signals


def main() -> int:
    """Run the command line of this process, and end the process with the command's status."""
    exit_on_signals()
    from convcorr_jax.cli import main as run_command

    return run_command()


if __name__ == "__main__":
    sys.exit(main())
