"""One experiment: a script with its configuration."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from convcorr_jax.report import Section, sections
from convcorr_jax.tasks import CategoryData, Data, Output
from convcorr_jax.tasks.patches import PatchData
from convcorr_jax.tasks.pose import PoseData
from eval import keypoint_transfer


class Experiment(NamedTuple):
    """A script with its configuration, and the section that shows its result."""

    name: str
    """Unique among all experiments; also the name of the folder."""
    main: Callable[[Any], Path]
    """The script's ``main``."""
    config: Any
    """The script's ``Config``."""
    section: Callable[[str, dict[str, Any]], Section]
    """Build the section from the experiment's name and the content of its ``result.json``."""
    folder: Path
    """Where the script writes ``result.json`` and ``run.json``."""
    sources: tuple[str, ...] = ()
    """Names of the records that the script reads, for `convcorr_jax.tasks.reading.read`."""
    data_root: Path | None = None
    """Folder of the data sets among the sources."""
    background_order: int | None = None
    """Its place, from 0, among the experiments that may run in another process; None if it
    may not."""


def experiment(
    script: Any,
    section: Callable[[str, dict[str, Any]], Section],
    folder: Path,
    *,
    sources: tuple[str, ...] = (),
    data_root: Path | None = None,
    **options: Any,
) -> Experiment:
    """Configure a script, a module with ``Config`` and ``main``, to write into the experiment's folder.

    The other arguments are those of `Experiment`. The ``data_root`` is also the option of that name, if there
    is one; options are fields of the script's ``Config``.
    """
    config = script.Config(**_options(script, folder, data_root, options))
    return Experiment(folder.name, script.main, config, section, folder, sources, data_root)


def _options(script: Any, folder: Path, data_root: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """Add the folders to a script's options, by the names that its ``Config`` has for them."""
    names = {field.name for field in dataclasses.fields(script.Config)}
    if "data_root" in names:
        options = {"data_root": data_root} | options
    return options | {"output": Output(folder)}


def on_data(
    script: Any,
    section: Callable[[str, dict[str, Any]], Section],
    folder: Path,
    data: Data | PatchData | PoseData,
    **options: Any,
) -> Experiment:
    """Configure a script that reads one source of records, the ``data`` of its ``Config``."""
    return experiment(
        script,
        section,
        folder,
        sources=data.dataset if isinstance(data, PoseData) else (data.dataset,),
        data_root=data.data_root,
        data=data,
        **options,
    )


def transfer_experiment(
    out: Path,
    data: CategoryData,
    protocol: keypoint_transfer.Transfer,
    *,
    name: str | None = None,
    **options: Any,
) -> Experiment:
    """Configure `eval.keypoint_transfer`, in a folder named after data set and protocol by default."""
    folder = out / (name or f"{data.dataset}_{protocol}")
    section = sections.correspondence.transfer
    return on_data(keypoint_transfer, section, folder, data, protocol=protocol, **options)
