"""The persistent cache of compiled programs.

JAX stores every compiled program under a hash of the program, its options and the version of XLA. The commands
of ``convcorr`` and all scripts turn the cache on (`enable`); importing the package does not. The oldest
programs are removed when a process begins and the folder is too large.
"""

import contextlib
import hashlib
import os
import platform
import sys
from pathlib import Path

VARIABLE = "CONVCORR_COMPILATION_CACHE"
"""The environment variable that names another folder, or turns the cache off."""
OFF = "off"
"""The value of `VARIABLE` that turns the cache off."""
LARGEST_BYTES = 512 * 1024**2
"""The size to which the folder is reduced, room for thousands of programs."""

# JAX's own variable; a user who sets it has chosen a folder.
_JAX_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def cache_folder() -> Path | None:
    """Return the folder of compiled programs; None if the cache is off or the user has no home folder.

    It is ``$CONVCORR_COMPILATION_CACHE``, else ``convcorr_jax/compiled`` in the user's cache folder.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return None if chosen == OFF else Path(chosen)
    # Imported here, because it imports NumPy, which a command's help does not need.
    from convcorr_jax.io import user_folder

    try:
        return user_folder("cache") / "compiled"
    except RuntimeError:
        return None


def enable() -> Path | None:
    """Let JAX read and store compiled programs in the `cache_folder`; return the folder, if it is used.

    Programs of each version of JAX and each kind of processor have a folder of their own. A folder that cannot
    be written is not used, and a folder that the user has given to JAX (``JAX_COMPILATION_CACHE_DIR``) stays.
    """
    root = cache_folder()
    if root is None or os.environ.get(_JAX_VARIABLE):
        return None
    folder = root / _kind_of_program()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
        prune(root, largest_bytes=LARGEST_BYTES)
    except OSError:
        return None
    if not writable:
        return None
    options = {
        "jax_compilation_cache_dir": str(folder),
        # Most programs compile in less than a second, and there are many of them.
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    if "jax" in sys.modules:
        import jax

        for name, value in options.items():
            jax.config.update(name, value)
    else:
        # JAX reads these when it is imported, which a command may not need.
        os.environ.update({name.upper(): str(value) for name, value in options.items()})
    return folder


def disable() -> None:
    """Let this process, and those that it starts, compile everything anew: a later `enable` does nothing."""
    os.environ[VARIABLE] = OFF


def prune(folder: Path, *, largest_bytes: int) -> None:
    """Remove the oldest files below a folder until all together have at most ``largest_bytes``."""
    found = []
    for path in folder.rglob("*"):
        # Another process may remove a file meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
    excess = sum(size for _, size, _ in found) - largest_bytes
    for _, size, path in sorted(found):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


def _kind_of_program() -> str:
    """Return a name for the programs that this machine and this version of JAX can run."""
    # Imported here: it takes a fifth of the time of a command's help.
    from importlib.metadata import version

    processor = " ".join((platform.machine(), platform.processor()))
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        # The instructions that the compiler may use.
        processor += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    digest = hashlib.blake2b(processor.encode(), digest_size=4).hexdigest()
    return f"jax-{version('jax')}-{digest}"
