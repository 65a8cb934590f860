"""Run the command ``convcorr``, by ``python -m convcorr_jax``."""

import sys

from convcorr_jax.cli import main

sys.exit(main())
