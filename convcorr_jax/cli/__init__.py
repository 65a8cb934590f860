"""The command line: one file a command, options as frozen dataclasses, one sentence on bad input.

A command's file imports what it needs only when it runs, so that help comes at once.
"""

from convcorr_jax.cli.main import main as main
