"""Data-parallel training steps on all devices of one host or of several.

The state of a step is the same on every device, its batch is divided among the devices, and `mean` turns
averages over a device's part into averages over the whole batch. A step of D devices therefore equals that of
one device on the whole batch, as long as its loss is a plain mean over samples and its random numbers for a
sample come from `sample_keys`.

On several hosts each process calls `initialize` first, then runs the same script on its own rows of each batch.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Key, Shaped

from convcorr_jax.errors import InputError
from convcorr_jax.runtime.ending import postponed_termination
from convcorr_jax.runtime.hosts import HEARTBEAT_S

State = TypeVar("State")
Inputs = TypeVar("Inputs")
Outcome = TypeVar("Outcome")
Tree = TypeVar("Tree")

_AXIS = "devices"


def data_parallel(
    step: Callable[[State, Inputs], tuple[State, Outcome]],
) -> Callable[[State, Inputs], tuple[State, Outcome]]:
    """Compile a step for all devices.

    The step is a function of the state and of one device's part of a batch that returns the next state and an
    outcome, such as metrics. Both must be the same on every device: all that depends on the batch goes through
    `mean`. The compiled step takes a state from `replicate` or from the step before, whose buffers it reuses,
    and a batch from `shard`.
    """
    # JAX does not check that the results of all devices are equal: it returns those of the first.
    return jax.pmap(step, _AXIS, in_axes=(None, 0), out_axes=None, donate_argnums=0)


def on_local_devices(function: Callable[[State, Inputs], Outcome]) -> Callable[[State, Inputs], Outcome]:
    """Compile a function of a state and of rows, which returns a row for each, for this host's devices.

    The devices divide the rows evenly; another number of rows is an `InputError`.
    """
    divided = jax.pmap(function, in_axes=(None, 0), devices=jax.local_devices())

    def on_all(state: State, rows: Inputs) -> Outcome:
        outcome = divided(state, shard(rows))
        return jax.tree.map(lambda part: np.asarray(part).reshape(-1, *part.shape[2:]), outcome)

    return on_all


def mean(tree: Tree) -> Tree:
    """Average the arrays of all devices, inside a step."""
    return lax.pmean(tree, _AXIS)


def sample_keys(key: Key[Array, ""], count: int) -> Key[Array, " count"]:
    """Return a PRNG key for each of this device's samples, inside a step, from the step's key.

    A sample's key depends on its number in the whole batch only, not on the number of devices.
    """
    numbers = lax.axis_index(_AXIS) * count + jnp.arange(count)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)


def shard(batch: Tree) -> Tree:
    """Divide this host's rows ``[rows, ...]`` evenly among its devices: ``[devices, rows / devices, ...]``."""
    devices = jax.local_device_count()

    def divide(rows: Any) -> Any:
        if len(rows) % devices:
            raise InputError(f"{len(rows)} samples of a batch cannot be divided evenly among {devices} devices")
        return rows.reshape(devices, -1, *rows.shape[1:])

    return jax.tree.map(divide, batch)


def round_up(rows: int) -> int:
    """Return the least number of rows, at least this one, that this host's devices divide evenly."""
    count = jax.local_device_count()
    return -(-rows // count) * count


def replicate(tree: Tree) -> Tree:
    """Copy arrays that are the same on all hosts to every device, as the first state of a step.

    A step returns its states in this layout, and would be compiled once more for a first state in another.
    Every leaf gets a buffer of its own, since a step cannot reuse a shared buffer twice.
    """
    devices = Mesh(np.array(jax.devices()), (_AXIS,))
    copy = jax.jit(
        lambda leaves: jax.tree.map(jnp.copy, leaves), out_shardings=NamedSharding(devices, PartitionSpec())
    )
    # Through the host: arrays on the devices of one host cannot be moved to those of all hosts.
    return copy(jax.tree.map(np.asarray, tree))


def first_copy(tree: Tree) -> Tree:
    """Return the copy of replicated arrays that this host's first device holds.

    A program whose arguments are replicated computes the same on every device.
    """
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def use_cores(batch: int) -> None:
    """Make every core of the processor a device of its own, before JAX is first used.

    XLA computes most operations of a convolutional network with one core for each device. The number of devices
    is the greatest that divides this host's batch. This changes nothing on accelerators, where the number of
    devices was chosen by JAX's own options, and in a process that has already used JAX.
    """
    chosen = jax.config.values["jax_num_cpu_devices"] != -1
    if chosen or "host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    cores = range(1, (os.cpu_count() or 1) + 1)
    # With no more threads than devices, threads that wait for each other in `mean` may leave none to the
    # others.
    os.environ.setdefault("PJRT_NPROC", str(max(16, 2 * len(cores))))
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", max(count for count in cores if batch % count == 0))


def initialize(coordinator: str, *, hosts: int, host: int) -> None:
    """Connect host number ``host`` to the others, before JAX is first used.

    The coordinator is the address and port of host 0, such as ``10.0.0.1:8476``. An `InputError` says that the
    hosts do not find each other.
    """
    if not 0 <= host < hosts:
        raise InputError(f"host is {host}; 0 to {hosts - 1} are expected of {hosts} hosts")
    try:
        jax.distributed.initialize(
            coordinator, num_processes=hosts, process_id=host, heartbeat_timeout_seconds=HEARTBEAT_S
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the hosts of {coordinator} did not find each other: {error}") from error


@contextlib.contextmanager
def preemption() -> Iterator[Callable[[int], bool]]:
    """Find out during a ``with`` block whether this run must end soon, because a host has received SIGTERM.

    The function that is yielded takes the number of steps done, after every step. It returns True after the
    same step on all hosts, of which only one needs to receive the signal.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    with postponed_termination() as has_come:
        yield lambda done: has_come()


def rows_here(count: int) -> slice:
    """Return this host's range of a batch's ``count`` rows, those of all hosts; refuse uneven shares."""
    hosts = jax.process_count()
    if count % hosts:
        raise InputError(f"a batch of {count} cannot be divided evenly among {hosts} hosts")
    own = count // hosts
    return slice(jax.process_index() * own, (jax.process_index() + 1) * own)


def shared_rows(count: int) -> range:
    """Return this host's share of rows that are divided among all hosts, as evenly as possible; refuse none."""
    hosts = jax.process_count()
    if count < hosts:
        raise InputError(f"{count} samples cannot be shared by {hosts} hosts")
    return range(jax.process_index(), count, hosts)


def from_all_hosts(rows: Shaped[np.ndarray, " _ ..."]) -> Shaped[np.ndarray, " _ ..."]:
    """Return the rows of all hosts together, in the order of hosts; all of them call this at the same time.

    Hosts may have different numbers of rows, of at most 32 bits a value.
    """
    if jax.process_count() == 1:
        return rows
    counts = np.asarray(multihost_utils.process_allgather(np.array(len(rows)))).tolist()
    if not any(counts):
        return rows
    padding = ((0, max(counts) - len(rows)), *((0, 0),) * (rows.ndim - 1))
    gathered = np.asarray(multihost_utils.process_allgather(np.pad(rows, padding)))
    return np.concatenate([own[:count] for own, count in zip(gathered, counts, strict=True)])


def is_first_host() -> bool:
    """Return whether this process is the one that writes the files of a run."""
    return jax.process_index() == 0
