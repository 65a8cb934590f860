"""A peer for the benchmark's tests whose package is not installed."""

if __name__ == "__main__":  # pytest imports this file in search of doctests
    import a_package_that_nobody_has  # noqa: F401  # pyrefly: ignore[missing-import]
