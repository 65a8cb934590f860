"""A peer for the benchmark's tests whose package is not installed."""

import a_package_that_nobody_has  # noqa: F401  # pyrefly: ignore[missing-import]
