"""What a script needs to run: options, progress, cached stages, checkpoints, devices and the record of a run.

Names are imported when they are first used, so that importing this room, as the command line does for its help,
imports neither JAX nor Orbax. ``devices`` is used as a module: ``from convcorr_jax.runtime import devices``.
"""

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

# Imported at once: the function has the name of its module, which an import of the module would set instead.
from convcorr_jax.runtime.progress import bar as bar
from convcorr_jax.runtime.progress import note as note
from convcorr_jax.runtime.progress import progress as progress
from convcorr_jax.runtime.progress import status as status

if TYPE_CHECKING:
    from convcorr_jax.runtime.checkpoint import Checkpoints as Checkpoints
    from convcorr_jax.runtime.checkpoint import Saved as Saved
    from convcorr_jax.runtime.checkpoint import read_best as read_best
    from convcorr_jax.runtime.ending import Terminated as Terminated
    from convcorr_jax.runtime.ending import exit_on_signals as exit_on_signals
    from convcorr_jax.runtime.ending import exit_process as exit_process
    from convcorr_jax.runtime.ending import exit_status as exit_status
    from convcorr_jax.runtime.ending import run_guarded as run_guarded
    from convcorr_jax.runtime.options import BoxOption as BoxOption
    from convcorr_jax.runtime.options import Check as Check
    from convcorr_jax.runtime.options import as_box as as_box
    from convcorr_jax.runtime.options import checked as checked
    from convcorr_jax.runtime.options import numbers as numbers
    from convcorr_jax.runtime.options import parse as parse
    from convcorr_jax.runtime.runlog import finished_config as finished_config
    from convcorr_jax.runtime.runlog import plain as plain
    from convcorr_jax.runtime.runlog import write_results as write_results
    from convcorr_jax.runtime.runlog import write_run as write_run
    from convcorr_jax.runtime.script import run as run
    from convcorr_jax.runtime.stages import CachedParts as CachedParts
    from convcorr_jax.runtime.stages import RowFiles as RowFiles
    from convcorr_jax.runtime.stages import accumulate as accumulate
    from convcorr_jax.runtime.stages import cached as cached
    from convcorr_jax.runtime.stages import cached_in_parts as cached_in_parts
    from convcorr_jax.runtime.stages import stage as stage

_NAMES_OF = {
    "checkpoint": "Checkpoints Saved read_best",
    "ending": "Terminated exit_on_signals exit_process exit_status run_guarded",
    "options": "BoxOption Check as_box checked numbers parse",
    "runlog": "finished_config plain write_results write_run",
    "script": "run",
    "stages": "CachedParts RowFiles accumulate cached cached_in_parts stage",
}
_MODULE_OF = MappingProxyType({name: module for module, names in _NAMES_OF.items() for name in names.split()})


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
