"""Checkpoints of a training run: the latest, to go on from after a kill, and the best, to use.

A checkpoint is a folder named after its step. It is written under another name and renamed at the end, so that
a run killed at any moment, or stopped by a full disk, leaves the one before it whole. What is restored is what
was saved, bit for bit.

This module alone imports Orbax, which takes almost a second; import it where a run needs it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder

Training = TypeVar("Training")

_METRIC = "metric"
# What Orbax and the store below it raise of files that are damaged or cannot be written.
_FAILURES = (OSError, ValueError, RuntimeError, KeyError, TypeError)


class Saved(NamedTuple):
    """A model as a checkpoint holds it."""

    step: int
    metric: float
    """By which it was compared with others; greater is better."""
    about: dict[str, Any]
    """What the run said of itself, see `Checkpoints`."""
    params: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run, in one folder; to be closed, as a context manager does.

    Args:
        folder: of the run's checkpoints; made if it is not there.
        about: what made them, as JSON holds it: ``architecture``, a mapping with a ``name``, and whatever else
            decides what a step does. A run goes on only from checkpoints that say the same.

    Raises:
        InputError: the folder cannot be made or written, or has checkpoints of another architecture (both are
            named) or of other settings.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._folder = make_folder(folder)
        self._about = dict(about)
        self._manager = _open(self._folder, writes=True)
        step = self._manager.latest_step()
        if step is not None:
            try:
                _check_same(self._folder, _about(self._manager, self._folder, step), about)
            except InputError:
                self.close()
                raise

    def save(self, step: int, params: Any, training: Any, *, metric: float) -> None:
        """Keep a step: always as the latest, and as the best if none has a greater metric.

        Args:
            step: greater than those of all checkpoints before.
            params: the model's, as nested mappings of arrays: what is used of a checkpoint.
            training: all else that is needed to go on, a tree of arrays.
            metric: greater is better.

        Raises:
            InputError: it cannot be written; the checkpoints before it are whole.
        """
        params, training = jax.tree.map(np.asarray, (params, training))
        items = ocp.args.Composite(
            params=ocp.args.StandardSave(params),
            training=ocp.args.StandardSave(training),
            about=ocp.args.JsonSave(self._about),
            layout=ocp.args.JsonSave(_layout((params, training))),
        )
        try:
            self._manager.save(step, args=items, metrics={_METRIC: float(metric)}, force=True)
        except _FAILURES as error:
            raise InputError(
                f"the checkpoint of step {step} cannot be written to {self._folder}: {_first(error)}"
            ) from error

    def latest(self, params: Any, training: Training) -> tuple[int, Any, Training] | None:
        """The step, parameters and rest of the latest checkpoint, or None where there is none.

        Args:
            params: arrays of the shapes and types that were saved.
            training: likewise.

        Raises:
            InputError: the checkpoint is damaged, or of other shapes.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        params, training = jax.tree.map(np.asarray, (params, training))
        self._check_layout(step, _layout((params, training)))
        items = ocp.args.Composite(
            params=ocp.args.StandardRestore(params),
            training=ocp.args.StandardRestore(training),
        )
        found = _restored(self._manager, self._folder, step, items)
        return step, found["params"], found["training"]

    def _check_layout(self, step: int, wanted: Mapping[str, Any]) -> None:
        """Orbax cuts and pads arrays of other shapes without a word, and converts other types."""
        items = ocp.args.Composite(layout=ocp.args.JsonRestore())
        kept = _restored(self._manager, self._folder, step, items)["layout"]
        if kept != wanted:
            raise InputError(
                f"the checkpoint {self._folder / str(step)} has other arrays: {_differences(kept, wanted)}"
            )

    def close(self) -> None:
        """End what Orbax keeps open."""
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_best(folder: Path) -> Saved:
    """The best model of a run's checkpoints, and what the run said of itself.

    Raises:
        InputError: the folder is not there, has no checkpoint, or a damaged one.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; one of checkpoints is expected")
    with _open(folder, writes=False) as manager:
        step = manager.best_step()
        if step is None:
            raise InputError(f"{folder} has no checkpoint")
        items = ocp.args.Composite(params=ocp.args.StandardRestore())
        return Saved(
            step,
            float(manager.metrics(step)[_METRIC]),
            _about(manager, folder, step),
            _restored(manager, folder, step, items)["params"],
        )


def _open(folder: Path, *, writes: bool) -> ocp.CheckpointManager:
    def metric(metrics: Mapping[str, float]) -> float:
        return metrics[_METRIC]

    try:
        return ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                best_fn=metric,
                preservation_policy=AnyPreservationPolicy(
                    [
                        LatestN(1),
                        # One without a metric was being removed when the run was killed.
                        BestN(get_metric_fn=metric, n=1, keep_checkpoints_without_metrics=False),
                    ]
                ),
                # Written before the step is counted as done: a run that is killed loses no step that it kept.
                enable_async_checkpointing=False,
                cleanup_tmp_directories=writes,
                create=writes,
            ),
        )
    except _FAILURES as error:
        raise InputError(f"the checkpoints in {folder} cannot be read: {_first(error)}") from error


def _layout(tree: Any) -> dict[str, Any]:
    """Type and shape of every array of a tree, by its place."""
    return {
        jax.tree_util.keystr(place): [str(leaf.dtype), *leaf.shape]
        for place, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _about(manager: ocp.CheckpointManager, folder: Path, step: int) -> dict[str, Any]:
    items = ocp.args.Composite(about=ocp.args.JsonRestore())
    return dict(_restored(manager, folder, step, items)["about"])


def _restored(
    manager: ocp.CheckpointManager, folder: Path, step: int, items: ocp.args.Composite
) -> Any:
    try:
        return manager.restore(step, args=items)
    except _FAILURES as error:
        raise InputError(
            f"the checkpoint {folder / str(step)} is damaged: {_first(error)}"
        ) from error


def _check_same(folder: Path, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on from what another model, or another training, left."""
    # As JSON gives it back.
    wanted = json.loads(json.dumps(wanted))
    if kept == wanted:
        return
    theirs, ours = kept.get("architecture", {}), wanted["architecture"]
    if theirs != ours:
        raise InputError(
            f"{folder} has checkpoints of {theirs.get('name')}, not of {ours['name']}: "
            f"{_differences(theirs, ours)}; give another folder"
        )
    raise InputError(
        f"{folder} has checkpoints of another training: {_differences(kept, wanted)}; give another folder"
    )


def _differences(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} is {kept.get(name)} there and {wanted.get(name)} here"
        for name in sorted({*kept, *wanted})
        if kept.get(name) != wanted.get(name)
    )


def _first(error: Exception) -> str:
    """The first line of what an error says; Orbax and its store add pages of traces."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
