"""The hosts of one training run: each ends within a minute after another one has ended, and says which.

After its heartbeat's timeout, JAX aborts the processes that wait for a lost host: with a C++ traceback, without
an exception that could be caught, and with no more than the lost task's number. Each host therefore starts its
part of the run as a child process, and stays connected with the first host, whose port is the one after that of
JAX's coordinator. A connection that ends without a word means that its host has ended or cannot be reached.
"""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from convcorr_jax.errors import InputError
from convcorr_jax.runtime.ending import FAILED, INTERRUPTED, TERMINATED, Terminated

HEARTBEAT_S = 30
"""Seconds without a sign of life after which a host counts as lost."""

# The environment variable of a child process: the descriptor of a pipe that ends with its parent.
_PARENT = "CONVCORR_PARENT_PIPE"
_CONNECT_S = 300.0
# A child may still end by itself, after saving a checkpoint, when another host has ended.
_GRACE_S = 20.0
_MESSAGE_S = 5.0
_POLL_S = 0.2


def is_child() -> bool:
    """Return whether this process was started by `supervise`; it then ends with its parent."""
    descriptor = os.environ.pop(_PARENT, None)
    if descriptor is None:
        return False

    def end_with_parent() -> None:
        os.read(int(descriptor), 1)
        os._exit(FAILED)

    threading.Thread(target=end_with_parent, daemon=True).start()
    return True


def supervise(coordinator: str, *, hosts: int, host: int) -> int:
    """Run this process's command in a child process, and return its status; end it when another host has ended.

    The coordinator is the address and port of host 0. SIGINT and SIGTERM are passed on. A `ConnectionError`
    names the host that has ended or cannot be reached; an `InputError` says that the address is wrong, or the
    first host cannot be reached at all.
    """
    reads, writes = os.pipe()
    # A session of its own: signals of the terminal reach the child only through this process.
    command, environment = [sys.executable, *sys.orig_argv[1:]], os.environ | {_PARENT: str(reads)}
    child = subprocess.Popen(command, env=environment, pass_fds=(reads,), start_new_session=True)
    os.close(reads)
    try:
        with _connected(coordinator, hosts, host) as (losses, send_end):
            status, loss = _wait(child, losses)
            send_end(status)
    finally:
        child.kill()
        child.wait()
        os.close(writes)
    if loss is not None and status not in (0, INTERRUPTED, TERMINATED):
        raise ConnectionError(f"{loss}; run the same command on all hosts to continue")
    return 128 - status if status < 0 else status


def _wait(child: subprocess.Popen[bytes], losses: "queue.Queue[str]") -> tuple[int, str | None]:
    """Return the child's status, and the sentence on another host that has ended, if one has."""
    loss, deadline = None, float("inf")
    while True:
        try:
            status = child.wait(timeout=_POLL_S)
            break
        except subprocess.TimeoutExpired:
            pass
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
        except Terminated:
            child.send_signal(signal.SIGTERM)
        if loss is None and not losses.empty():
            loss, deadline = losses.get(), time.monotonic() + _GRACE_S
        if time.monotonic() > deadline:
            child.kill()
    if loss is None and status not in (0, INTERRUPTED, TERMINATED):
        # The message that explains this end may still be on its way.
        with contextlib.suppress(queue.Empty):
            loss = losses.get(timeout=_MESSAGE_S)
    return status, loss


@contextlib.contextmanager
def _connected(
    coordinator: str, hosts: int, host: int
) -> Iterator[tuple["queue.Queue[str]", Callable[[int], None]]]:
    """Yield a queue of sentences on hosts that end, and a function that sends this one's exit status."""
    losses: queue.Queue[str] = queue.Queue()
    address, _, port = coordinator.rpartition(":")
    if not address or not port.isdigit() or not 0 < int(port) < 65535:
        raise InputError(f"{coordinator} is no address and port, such as 10.0.0.1:8476")
    connections = _Connections(hosts, host, losses)
    with contextlib.ExitStack() as stack:
        if host == 0:
            server = stack.enter_context(_server(int(port) + 1))
            threading.Thread(target=connections.accept, args=(server,), daemon=True).start()
        else:
            connections.add(_connection((address, int(port) + 1)), 0, coordinator)
        stack.callback(connections.close)
        yield losses, connections.send_end


def _server(port: int) -> socket.socket:
    try:
        return socket.create_server(("", port))
    except OSError as error:
        raise InputError(f"port {port}, which hosts use to watch each other, is taken: {error}") from error


def _connection(address: tuple[str, int]) -> socket.socket:
    deadline = time.monotonic() + _CONNECT_S
    while True:
        try:
            return socket.create_connection(address, timeout=_MESSAGE_S)
        except OSError as error:
            if time.monotonic() > deadline:
                raise InputError(
                    f"the first host, {address[0]}:{address[1]}, cannot be reached: {error}"
                ) from error
            time.sleep(_POLL_S)


class _Connections:
    """Connections with other hosts, each of which a thread reads."""

    def __init__(self, hosts: int, host: int, losses: "queue.Queue[str]") -> None:
        self._hosts, self._host, self._losses = hosts, host, losses
        self._sockets: dict[int, socket.socket] = {}
        self._lock = threading.Lock()

    def accept(self, server: socket.socket) -> None:
        """Accept the connections of all other hosts."""
        with contextlib.suppress(OSError):
            while True:
                connection, (address, *_) = server.accept()
                connection.settimeout(_MESSAGE_S)
                with contextlib.suppress(OSError, ValueError, KeyError):
                    host = int(_read_line(connection)["host"])
                    if 0 < host < self._hosts:
                        self.add(connection, host, address)

    def add(self, connection: socket.socket, host: int, name: str) -> None:
        """Read from a connection until it ends."""
        _keep_alive(connection)
        connection.settimeout(None)
        if self._host > 0:
            _send(connection, {"host": self._host})
        with self._lock:
            self._sockets[host] = connection
        threading.Thread(target=self._read, args=(connection, host, name), daemon=True).start()

    def send_end(self, status: int) -> None:
        """Send the exit status of this host to all others."""
        self._broadcast({"host": self._host, "status": status}, besides=self._host)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for connection in self._sockets.values():
                connection.close()

    def _read(self, connection: socket.socket, host: int, name: str) -> None:
        ended: set[int] = set()
        with contextlib.suppress(OSError, ValueError, KeyError):
            while True:
                message = _read_line(connection)
                ended.add(int(message["host"]))
                self._report_end(int(message["host"]), message.get("name", name), message["status"])
        if host not in ended:
            self._report_end(host, name, None)

    def _report_end(self, host: int, name: str, status: int | None) -> None:
        """Pass on the end of another host, and let this one end if that one has not succeeded."""
        if self._host == 0:
            self._broadcast({"host": host, "status": status, "name": name}, besides=host)
        if status not in (0, INTERRUPTED, TERMINATED):
            how = "has ended or cannot be reached" if status is None else f"ended with {status}"
            self._losses.put(f"host {host} of {self._hosts} ({name}) {how}")

    def _broadcast(self, message: dict[str, Any], *, besides: int) -> None:
        with self._lock:
            for host, connection in self._sockets.items():
                if host != besides:
                    with contextlib.suppress(OSError):
                        _send(connection, message)


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _read_line(connection: socket.socket) -> dict[str, Any]:
    """Read one message, byte by byte, since messages are few and short."""
    line = b""
    while not line.endswith(b"\n") and len(line) < 1000:
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError("the connection has ended")
        line += byte
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("no message")
    return message


def _keep_alive(connection: socket.socket) -> None:
    """Let the system find out within half a minute that a host has lost its power or its network."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
