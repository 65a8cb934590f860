"""Processes that watch each other, with children that compute nothing."""

import contextlib
import re
import signal
import socket
import time

import pytest

from tests.builders.processes import end, free_address, is_alive, start

PROGRAM = """
import os, sys, time
from convcorr_jax.runtime import hosts
from convcorr_jax.runtime import exit_process, run_guarded

hosts._GRACE_S = 1.0
coordinator, count, host, work = sys.argv[1:]

def program():
    if not hosts.is_child():
        return hosts.supervise(coordinator, hosts=int(count), host=int(host))
    print(os.getpid(), flush=True)
    exec(work)
    return 0

exit_process(run_guarded(program))
"""


@pytest.fixture
def coordinator():
    return free_address()


def start_hosts(coordinator, works):
    """Start a process for each host; return the processes and the numbers of their children."""
    processes = [start("-c", PROGRAM, coordinator, len(works), host, work) for host, work in enumerate(works)]
    return processes, [int(process.stdout.readline()) for process in processes]


def ends(processes):
    """Return the status of every process and the last line of its error stream."""
    return [(ended.status, "".join(ended.err.splitlines()[-1:])) for ended in map(end, processes)]


SLEEP = "time.sleep(300)"


def test_hosts_that_succeed_end_in_any_order(coordinator):
    processes, _ = start_hosts(coordinator, ["time.sleep(1)", "pass", "time.sleep(0.5)"])
    assert ends(processes) == [(0, "")] * 3


@pytest.mark.parametrize(("killed", "name"), [(0, r"127\.0\.0\.1:\d+"), (2, r"127\.0\.0\.1")])
def test_a_killed_host_ends_the_others_which_name_it(coordinator, killed, name):
    processes, children = start_hosts(coordinator, [SLEEP] * 3)
    # Every host is connected before one ends.
    time.sleep(1)
    processes[killed].send_signal(signal.SIGKILL)
    found = ends(processes)
    assert found.pop(killed)[0] == -signal.SIGKILL
    for status, sentence in found:
        assert status == 1
        assert re.fullmatch(
            rf"host {killed} of 3 \({name}\) has ended or cannot be reached; "
            "run the same command on all hosts to continue",
            sentence,
        )
    time.sleep(0.5)
    assert not any(map(is_alive, children))


def test_a_child_that_fails_ends_the_others(coordinator):
    processes, _ = start_hosts(coordinator, [SLEEP, "raise MemoryError"])
    time.sleep(0.1)
    found = ends(processes)
    assert (found[1], found[0][0]) == ((1, "memory ran out"), 1)
    assert found[0][1].startswith("host 1 of 2 (127.0.0.1) ended with 1; run the same command")


def test_signals_are_passed_on_to_the_child(coordinator):
    processes, children = start_hosts(coordinator, [SLEEP, SLEEP])
    time.sleep(1)
    for process, number in zip(processes, (signal.SIGTERM, signal.SIGINT), strict=True):
        process.send_signal(number)
    assert ends(processes) == [(143, ""), (130, "")]
    assert not any(map(is_alive, children))


@pytest.mark.parametrize(
    ("address", "host", "sentence"),
    [
        ("127.0.0.1:{port}", 1, "the first host, 127.0.0.1:{next}, cannot be reached: "),
        ("127.0.0.1:{port}", 0, "port {next}, which hosts use to watch each other, is taken"),
        ("here", 1, "here is no address and port, such as 10.0.0.1:8476"),
    ],
)
def test_a_host_alone_is_one_sentence(coordinator, address, host, sentence):
    port = int(coordinator.split(":")[1])
    places = {"port": port, "next": port + 1}
    code = PROGRAM.replace("hosts._GRACE_S = 1.0", "hosts._CONNECT_S = 0.5")
    with contextlib.ExitStack() as stack:
        if host == 0:
            stack.enter_context(socket.create_server(("", port + 1)))
        ended = end(start("-c", code, address.format(**places), 2, host, SLEEP))
    assert ended.status == 2
    assert sentence.format(**places) in ended.err.splitlines()[-1]
    assert not any(is_alive(int(pid)) for pid in ended.out.split())
