"""Steps on several devices and hosts, in processes of their own: a process cannot change its devices."""

import json
import os

import jax
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.runtime import devices
from tests.builders.processes import end, free_address, printed, start

ROWS, FEATURES, RATE, STEPS = 8, 5, 0.1, 3
# A linear regression that adds random noise to every sample.
SCRIPT = f"""
import json, sys, warnings
warnings.simplefilter("error")
import jax, jax.numpy as jnp, numpy as np
from convcorr_jax.runtime import devices

jax.config.update("jax_numpy_rank_promotion", "raise")
address, hosts, host = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if hosts > 1:
    devices.initialize(address, hosts=hosts, host=host)
traces = []

def step(state, rows):
    traces.append(1)
    keys = devices.sample_keys(jax.random.fold_in(jax.random.key(1), state["step"]), len(rows))
    noise = jax.vmap(lambda key: jax.random.normal(key, ({FEATURES},)))(keys)
    def loss(weights):
        return (((rows + 0.1 * noise) @ weights - 1.0) ** 2).mean()
    value, gradient = devices.mean(jax.value_and_grad(loss)(state["weights"]))
    weights = state["weights"] - {RATE} * gradient
    state = {{"weights": weights, "first": state["first"], "step": state["step"] + 1}}
    return state, {{"loss": value}}

rows = np.random.default_rng(0).standard_normal(({ROWS}, {FEATURES})).astype(np.float32)
start = jnp.zeros({FEATURES})
# Two leaves with one buffer, which a step cannot reuse twice.
state = {{"weights": start, "first": start, "step": jnp.zeros((), jnp.int32)}}
state = devices.replicate(state)
compiled = devices.data_parallel(step)
losses = []
for number in range({STEPS}):
    if number == 1:
        # As when the next phase of a training begins.
        state = devices.replicate(state)
    old = state
    state, outcome = compiled(state, devices.shard(rows[devices.rows_here({ROWS})]))
    losses.append(float(outcome["loss"]))
    assert old["weights"].is_deleted(), "the buffers of the old state are not reused"
print(json.dumps({{
    "devices": jax.device_count(), "traces": len(traces), "losses": losses,
    "weights": np.asarray(state["weights"]).tolist(), "first": devices.is_first_host(),
}}))
"""


def run(*, devices, hosts=1):
    address = free_address()
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    environment = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PJRT_NPROC": "16"}
    processes = [start("-c", SCRIPT, address, hosts, host, **environment) for host in range(hosts)]
    ended = [end(process) for process in processes]
    assert [one.status for one in ended] == [0] * hosts, ended
    return [json.loads(one.out.splitlines()[-1]) for one in ended]


@pytest.fixture(scope="module")
def one_device():
    return run(devices=1)[0]


def test_one_device_does_what_the_formula_says(one_device):
    rows = np.random.default_rng(0).standard_normal((ROWS, FEATURES)).astype(np.float32)
    weights = np.zeros(FEATURES)
    for step in range(STEPS):
        key = jax.random.fold_in(jax.random.key(1), step)
        noise = [jax.random.normal(jax.random.fold_in(key, i), (FEATURES,)) for i in range(ROWS)]
        features = rows + 0.1 * np.stack(noise)
        residual = features @ weights - 1
        np.testing.assert_allclose(one_device["losses"][step], (residual**2).mean(), rtol=1e-5)
        weights -= RATE * 2 * features.T @ residual / ROWS
    np.testing.assert_allclose(one_device["weights"], weights, rtol=1e-4)
    assert one_device["traces"] == 1


@pytest.mark.parametrize(("count", "hosts"), [(4, 1), (2, 2)])
def test_several_devices_and_hosts_do_the_step_of_one(one_device, count, hosts):
    results = run(devices=count, hosts=hosts)
    for host, result in enumerate(results):
        assert (result["devices"], result["traces"], result["first"]) == (4, 1, host == 0)
        assert result["weights"] == results[0]["weights"]
    for name in ("weights", "losses"):
        np.testing.assert_allclose(results[0][name], one_device[name], rtol=1e-5)


CORES = """
import os, jax
from convcorr_jax.runtime import devices
os.cpu_count = lambda: 4
devices.use_cores(6)
print(jax.device_count())
"""


@pytest.mark.parametrize(("chosen", "devices"), [({}, 3), ({"JAX_NUM_CPU_DEVICES": "2"}, 2)])
def test_as_many_cores_as_divide_a_batch_become_devices(chosen, devices):
    assert printed("-c", CORES, JAX_PLATFORMS="cpu", **chosen).split() == [str(devices)]


def test_a_process_that_has_begun_keeps_its_devices():
    before = jax.device_count()
    devices.use_cores(8)
    assert jax.device_count() == before


def test_other_hosts_and_batches_that_cannot_be_divided_are_refused(monkeypatch):
    with pytest.raises(InputError, match="host is 2; 0 to 1 are expected"):
        devices.initialize("127.0.0.1:1", hosts=2, host=2)
    monkeypatch.setattr(devices.jax, "local_device_count", lambda: 3)
    with pytest.raises(InputError, match=r"8 samples of a batch cannot be divided .* 3 devices"):
        devices.shard(np.zeros((8, 2)))
    assert [devices.round_up(rows) for rows in (1, 3, 4)] == [3, 3, 6]
    monkeypatch.setattr(devices.jax, "process_count", lambda: 3)
    with pytest.raises(InputError, match=r"a batch of 8 cannot be divided .* 3 hosts"):
        devices.rows_here(8)


def test_rows_of_all_hosts_are_joined_in_their_order(monkeypatch):
    rows = {0: np.array([[1, 2], [3, 4]], np.int32), 1: np.array([[5, 6]], np.int32)}
    np.testing.assert_array_equal(devices.from_all_hosts(rows[0]), rows[0])
    sent = []

    def gathered(values):
        """Return what two hosts receive of which this one is the second."""
        sent.append(values)
        return np.array([2, 1]) if len(sent) == 1 else np.stack([rows[0], values])

    monkeypatch.setattr(devices.jax, "process_count", lambda: 2)
    monkeypatch.setattr(devices.multihost_utils, "process_allgather", gathered)
    np.testing.assert_array_equal(devices.from_all_hosts(rows[1]), [[1, 2], [3, 4], [5, 6]])
    assert sent[1].dtype == np.int32


def test_hosts_share_rows_without_gap_or_overlap(monkeypatch):
    assert devices.shared_rows(7) == range(7)
    monkeypatch.setattr(devices.jax, "process_count", lambda: 3)
    shares = []
    for host in range(3):
        monkeypatch.setattr(devices.jax, "process_index", lambda host=host: host)
        shares.append(devices.shared_rows(7))
    assert sorted(row for share in shares for row in share) == list(range(7))
    with pytest.raises(InputError, match="2 samples cannot be shared by 3 hosts"):
        devices.shared_rows(2)
