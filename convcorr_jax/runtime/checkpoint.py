"""Checkpoints of a training run: the latest, to continue a killed run, and the best, to use its model.

A checkpoint is a folder named after its step. It is written under a temporary name and renamed at the end, so
that a run that is killed at any moment, or stopped by a full disk, leaves the checkpoint before it intact.
Restored arrays equal the saved ones bit for bit: a checkpoint holds digests of its parts, and one whose parts
changed is refused. Checkpoints of older versions hold no digests and are read unchecked.

Only this module imports Orbax, which takes almost a second; import it where a run needs it.
"""

import hashlib
import json
import logging
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from convcorr_jax.errors import InputError, WriteError
from convcorr_jax.io import make_folder

Training = TypeVar("Training")

_METRIC = "metric"
# What Orbax and TensorStore raise for files that are damaged or cannot be written.
_FAILURES = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError)
# Orbax logs the error of a thread that writes, with its traceback, and raises it as well.
_RAISED_TOO = "_SignalingThread.run() raised an exception"
logging.getLogger("absl").addFilter(lambda record: _RAISED_TOO not in record.getMessage())


class Saved(NamedTuple):
    """The best model of a run, its step and metric (greater is better), and the run's description."""

    step: int
    metric: float
    about: dict[str, Any]
    params: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run, in one folder; a context manager that closes them.

    ``continued`` is the description of the latest checkpoint when the folder was opened; None without one.

    Args:
        folder: the folder of the run's checkpoints; it is created if it does not exist.
        about: the description of the run, as JSON stores it: ``architecture``, a mapping with a ``name``, and
            everything else that decides what a step does. A run continues only from checkpoints with the same
            description; those of another are an `InputError`.
        may_change: names of entries of the description that a run may change when it continues.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], *, may_change: Collection[str] = ()) -> None:
        self._folder = make_folder(folder)
        self._about = dict(about)
        self._manager = _open(self._folder, writes=True)
        self.continued: dict[str, Any] | None = None
        step = self._manager.latest_step()
        if step is not None:
            try:
                _check_metrics(self._manager, self._folder)
                self.continued = _described(self._manager, self._folder, step, "about")
                _check_same(self._folder, self.continued | {name: about[name] for name in may_change}, about)
            except InputError:
                self.close()
                raise

    def save(self, step: int, params: Any, training: Any, *, metric: float) -> None:
        """Save a step as the latest checkpoint, and as the best one if no other has a greater metric.

        Steps rise. ``training`` is a tree of arrays of all that continuing needs besides ``params``, such as
        the optimizer's state. NaN is the least metric. After a `WriteError`, earlier checkpoints are intact.
        """
        params, training = jax.tree.map(np.asarray, (params, training))
        layout = _layout((params, training))
        parts = {"params": params, "training": training, "about": self._about, "layout": layout}
        digests = {name: _digest(part) for name, part in {**parts, _METRIC: float(metric)}.items()}
        items = ocp.args.Composite(
            params=ocp.args.StandardSave(params),
            training=ocp.args.StandardSave(training),
            about=ocp.args.JsonSave(self._about),
            layout=ocp.args.JsonSave(layout),
            digests=ocp.args.JsonSave(digests),
        )
        try:
            self._manager.save(step, args=items, metrics={_METRIC: float(metric)}, force=True)
        except InputError:
            # The metric of an earlier checkpoint, of which the best is retained, is damaged.
            raise
        except _FAILURES as error:
            raise WriteError(
                f"the checkpoint of step {step} cannot be written to {self._folder}: {_first_line(error)}"
            ) from error

    def latest(self, params: Any, training: Training) -> tuple[int, Any, Training] | None:
        """Restore the step, parameters and everything else of the latest checkpoint; None if there is none.

        The arguments are trees of arrays with the structure, shapes and types of what was saved; a damaged
        checkpoint and one of other arrays are an `InputError`.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        params, training = jax.tree.map(np.asarray, (params, training))
        # Orbax would silently cut, pad and convert arrays of other shapes and types.
        saved, expected = _described(self._manager, self._folder, step, "layout"), _layout((params, training))
        if saved != expected:
            raise InputError(
                f"the checkpoint {self._folder / str(step)} has other arrays: {_differences(saved, expected)}"
            )
        items = ocp.args.Composite(
            params=ocp.args.StandardRestore(params), training=ocp.args.StandardRestore(training)
        )
        restored = _restored(self._manager, self._folder, step, items)
        parts = {name: restored[name] for name in ("params", "training")}
        _check_digests(self._manager, self._folder, step, parts)
        return step, restored["params"], restored["training"]

    def close(self) -> None:
        """Close the files and threads that Orbax holds."""
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_best(folder: Path) -> Saved:
    """Read the best model of a run's checkpoints, and the run's description; refuse damaged or missing ones."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; a folder of checkpoints is expected")
    with _open(folder, writes=False) as manager:
        step = manager.best_step()
        if step is None:
            raise InputError(f"{folder} has no checkpoint")
        _check_metrics(manager, folder)
        restored = _restored(manager, folder, step, ocp.args.Composite(params=ocp.args.StandardRestore()))
        _check_digests(manager, folder, step, {"params": restored["params"]})
        metric = _metric(manager.metrics(step), folder)
        return Saved(step, metric, _described(manager, folder, step, "about"), restored["params"])


def _open(folder: Path, *, writes: bool) -> ocp.CheckpointManager:
    def metric(metrics: Any) -> float:
        value = _metric(metrics, folder)
        # Every comparison with NaN is false, which a sort takes for any order.
        return -math.inf if math.isnan(value) else value

    try:
        return ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                best_fn=metric,
                preservation_policy=AnyPreservationPolicy(
                    [
                        LatestN(1),
                        # A checkpoint without a metric was being removed when the run was killed.
                        BestN(get_metric_fn=metric, n=1, keep_checkpoints_without_metrics=False),
                    ]
                ),
                # A step counts as saved only when it is on disk, so that a killed run loses no saved step.
                enable_async_checkpointing=False,
                cleanup_tmp_directories=writes,
                create=writes,
            ),
        )
    except InputError:
        raise
    except _FAILURES as error:
        raise InputError(f"the checkpoints in {folder} cannot be read: {_first_line(error)}") from error


def _metric(metrics: Any, folder: Path) -> float:
    """Return the metric of a checkpoint, which Orbax reads as whatever its JSON file holds."""
    metric = metrics.get(_METRIC) if isinstance(metrics, dict) else None
    if not isinstance(metric, int | float):
        raise InputError(
            f"a checkpoint in {folder} is damaged: its metrics are {metrics!r}; a number named "
            f"{_METRIC!r} is expected"
        )
    return float(metric)


def _described(manager: ocp.CheckpointManager, folder: Path, step: int, name: str) -> dict[str, Any]:
    """Return what a JSON file of a checkpoint holds if it is an object, and is the one that was saved."""
    items = ocp.args.Composite(**{name: ocp.args.JsonRestore()})
    value = _restored(manager, folder, step, items)[name]
    if not isinstance(value, dict):
        raise InputError(
            f"the checkpoint {folder / str(step)} is damaged: {value!r} stands where names and "
            "values are expected"
        )
    if name != "digests":
        _check_digests(manager, folder, step, {name: value})
    return value


def _layout(tree: Any) -> dict[str, Any]:
    """Return the type and shape of every array of a tree, by its path in the tree."""
    return {
        jax.tree_util.keystr(path): [str(leaf.dtype), *leaf.shape]
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _digest(part: Any) -> str:
    """Return a digest of a part of a checkpoint: a tree of arrays, or what JSON stores of any other value."""
    leaves = jax.tree_util.tree_leaves_with_path(part)
    if not any(hasattr(leaf, "dtype") for _, leaf in leaves):
        text = json.dumps(json.loads(json.dumps(part)), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    digest = hashlib.blake2b(digest_size=16)
    # Restored trees have dictionaries in place of other containers.
    named = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
    for name, leaf in sorted(named.items()):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{name} {array.dtype} {np.shape(leaf)}".encode())
        digest.update(array.view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def _check_digests(manager: ocp.CheckpointManager, folder: Path, step: int, parts: Mapping[str, Any]) -> None:
    """Refuse parts of a checkpoint that are not those that were saved."""
    if not (folder / str(step) / "digests").is_dir():
        return  # written by an older version
    digests = _described(manager, folder, step, "digests")
    for name, part in parts.items():
        if digests.get(name) != _digest(part):
            raise InputError(
                f"the checkpoint {folder / str(step)} is damaged: its {name} changed after it was saved"
            )


def _check_metrics(manager: ocp.CheckpointManager, folder: Path) -> None:
    """Refuse a damaged metric of any checkpoint, which would make another one the best."""
    for step in manager.all_steps():
        if (folder / str(step) / "metrics").is_dir():
            _check_digests(manager, folder, step, {_METRIC: _metric(manager.metrics(step), folder)})


def _restored(manager: ocp.CheckpointManager, folder: Path, step: int, items: ocp.args.Composite) -> Any:
    try:
        return manager.restore(step, args=items)
    except _FAILURES as error:
        raise InputError(f"the checkpoint {folder / str(step)} is damaged: {_first_line(error)}") from error


def _check_same(folder: Path, saved: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse to continue from the checkpoints of another model or of another training."""
    # JSON returns tuples as lists.
    expected = json.loads(json.dumps(expected))
    if saved == expected:
        return
    saved_model, expected_model = saved.get("architecture"), expected["architecture"]
    if not isinstance(saved_model, dict):
        raise InputError(f"{folder} has checkpoints of no architecture; another folder is expected")
    if saved_model != expected_model:
        raise InputError(
            f"{folder} has checkpoints of {saved_model.get('name')}, not of {expected_model['name']}: "
            f"{_differences(saved_model, expected_model)}; another folder is expected"
        )
    raise InputError(
        f"{folder} has checkpoints of another training: {_differences(saved, expected)}; "
        "another folder is expected"
    )


def _differences(saved: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} is {saved.get(name)} in the checkpoint and {expected.get(name)} in this run"
        for name in sorted({*saved, *expected})
        if saved.get(name) != expected.get(name)
    )


def _first_line(error: Exception) -> str:
    """Return the first line of an error's message, which Orbax and TensorStore follow with pages of traces."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
