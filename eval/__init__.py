"""One script a table or figure; each writes ``result.json``, ``run.json`` and its pictures to ``--out``."""

import sys

from convcorr_jax.runtime import exit_on_signals

# Only while ``python -m`` imports a script, which takes seconds, is this its first word.
if sys.argv[0] == "-m":
    exit_on_signals()
