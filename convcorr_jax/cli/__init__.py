"""The command line: one file for each command, options as frozen dataclasses, one sentence on errors.

A command imports what it needs only when it runs, so that its help appears at once.
"""

from convcorr_jax.cli.main import main as main
