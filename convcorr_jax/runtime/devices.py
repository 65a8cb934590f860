"""Devices: one training step over all of them, on one host or on several.

A step is data-parallel: its state is the same on every device, its batch is cut into as many parts as there are
devices, and what it averages with `mean` over its own part becomes the average over the whole batch. So a step
of D devices equals that of one device on the whole batch, as long as its loss is a plain mean over samples and
what it draws for a sample comes from `sample_keys`.

On several hosts each process calls `initialize` first, then runs the same script on its own rows of each batch.
"""

import contextlib
import os
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Key

from convcorr_jax.errors import InputError

State = TypeVar("State")
Inputs = TypeVar("Inputs")
Outcome = TypeVar("Outcome")
Tree = TypeVar("Tree")

_AXIS = "devices"


def data_parallel(
    step: Callable[[State, Inputs], tuple[State, Outcome]],
) -> Callable[[State, Inputs], tuple[State, Outcome]]:
    """Compile a step for all devices; it takes what `shard` makes of a batch, and gives up its old state.

    Args:
        step: from a state and a part of a batch to the next state and an outcome. Both must come out the same
            on every device: whatever depends on the batch goes through `mean`.
    """
    # Without checking that nothing was forgotten: one device's word is taken for all.
    return jax.pmap(step, _AXIS, in_axes=(None, 0), out_axes=None, donate_argnums=0)


def mean(tree: Tree) -> Tree:
    """Inside a step: the mean over all devices."""
    return lax.pmean(tree, _AXIS)


def sample_keys(key: Key[Array, ""], count: int) -> Key[Array, " count"]:
    """Inside a step: a key for each of this device's samples, the one that it has in the whole batch."""
    numbers = lax.axis_index(_AXIS) * count + jnp.arange(count)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)


def shard(batch: Tree) -> Tree:
    """Cut this host's rows of a batch for its devices: ``[rows, ...]`` to ``[devices, rows / devices, ...]``.

    Raises:
        InputError: the rows cannot be shared out evenly.
    """
    devices = jax.local_device_count()

    def cut(rows: Any) -> Any:
        if len(rows) % devices:
            raise InputError(
                f"{len(rows)} samples of a batch cannot be shared out evenly among {devices} devices"
            )
        return rows.reshape(devices, -1, *rows.shape[1:])

    return jax.tree.map(cut, batch)


def everywhere(tree: Tree) -> Tree:
    """Copy arrays that are the same on all hosts to every device: how a step takes its first state.

    A step leaves its states laid out like this; it would be compiled once more for a first one that is not.
    No two leaves share a buffer, which a step could not give up twice.
    """
    devices = Mesh(np.array(jax.devices()), (_AXIS,))
    copy = jax.jit(
        lambda leaves: jax.tree.map(jnp.copy, leaves),
        out_shardings=NamedSharding(devices, PartitionSpec()),
    )
    # By way of the host: arrays that lie on one host's devices cannot be moved to all.
    return copy(jax.tree.map(np.asarray, tree))


def use_cores(batch: int) -> None:
    """Make every core of a processor a device of its own, if nothing was asked of JAX yet.

    XLA computes most of a convolutional net's operations with one core a device. As many cores are taken as a
    batch can be shared out among evenly. Accelerators, a number of devices that was chosen in JAX's own ways,
    and the devices of a process that has begun with JAX stay as they are.
    """
    chosen = jax.config.values["jax_num_cpu_devices"] != -1
    if chosen or "host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    cores = range(1, (os.cpu_count() or 1) + 1)
    # With no more threads than devices, those that wait for each other in `mean` may leave none to the others.
    os.environ.setdefault("PJRT_NPROC", str(max(16, 2 * len(cores))))
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", max(one for one in cores if batch % one == 0))


def initialize(coordinator: str, *, hosts: int, host: int) -> None:
    """Join the other hosts of a run, before anything else is asked of JAX.

    Args:
        coordinator: address and port of host 0, such as ``10.0.0.1:8476``.
        hosts: how many there are.
        host: which one this is, from 0.

    Raises:
        InputError: ``host`` is none of them, or they do not find each other.
    """
    if not 0 <= host < hosts:
        raise InputError(f"host is {host}; 0 to {hosts - 1} are expected of {hosts} hosts")
    try:
        jax.distributed.initialize(coordinator, num_processes=hosts, process_id=host)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the hosts of {coordinator} did not find each other: {error}") from error


def rows_here(count: int) -> slice:
    """Which of a batch's ``count`` rows are this host's.

    Raises:
        InputError: they cannot be shared out evenly.
    """
    hosts = jax.process_count()
    if count % hosts:
        raise InputError(f"a batch of {count} cannot be shared out evenly among {hosts} hosts")
    each = count // hosts
    return slice(jax.process_index() * each, (jax.process_index() + 1) * each)


def is_first_host() -> bool:
    """Whether this process is the one that writes what is written once."""
    return jax.process_index() == 0
