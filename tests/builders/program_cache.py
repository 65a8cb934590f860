"""Where tests keep compiled programs."""

import hashlib
import os
from pathlib import Path


def program_cache() -> Path:
    """Return a folder of this user and this kind of processor; without a home, a folder of the checkout."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        base = Path(__file__).parents[2] / ".pytest_cache"
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    kind = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return base / "convcorr_jax_tests" / hashlib.sha256(kind.encode()).hexdigest()[:16]
