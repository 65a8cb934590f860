"""``python -m convcorr_jax`` is ``convcorr``."""

import sys

from convcorr_jax.cli import main

sys.exit(main())
