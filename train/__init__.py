"""One script a model; each writes its weights and ``run.json`` to ``--out``."""

import sys

from convcorr_jax.runtime import exit_on_signals

# Only while ``python -m`` imports a script, which takes seconds, is this its first word.
if sys.argv[0] == "-m":
    exit_on_signals()
