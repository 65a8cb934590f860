"""Against a server on this machine: what comes is whole and right, or nothing is left behind."""

import contextlib
import hashlib
import http.server
import resource
import signal
import threading

import pytest

from convcorr_jax.backbone.weights import OfficialFile, download, fetch
from convcorr_jax.errors import InputError, WriteError

CONTENT = bytes(range(256)) * 5000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        lengths = {"/unsized": None, "/endless": None, "/odd": "abc", "/odder": "9" * 5000}
        if (length := lengths.get(self.path, str(len(CONTENT)))) is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.path == "/endless":
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(CONTENT)
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path == "/cut" else CONTENT)

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
    assert path == weights_folder / page
    assert path.read_bytes() == CONTENT
    assert calls[-1] == (len(CONTENT), total)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    calls.clear()
    assert fetch("caffenet", progress=lambda done, of: calls.append((done, of))) == path
    assert not calls


def test_a_wrong_copy_is_replaced(address, weights_folder, publish):
    publish(official(f"{address}/whole"))
    weights_folder.mkdir()
    (weights_folder / "whole").write_bytes(b"half of it")
    assert fetch("caffenet").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "checksum", "sentence"),
    [
        ("cut", None, "cut short: 640000 of 1280000 bytes came"),
        ("whole", "0" * 40, "/whole is not the published file: its sha1 is .*; 0000"),
        ("missing", None, "cannot be downloaded: HTTP Error 404"),
        ("endless", None, "/endless sends more than the 1 MB of the published file"),
        ("odd", None, "/odd states the length 'abc'; a number of bytes is expected"),
        ("odder", None, "/odder was cut short: 1280000 of 99999999999999999999 bytes came"),
    ],
)
def test_a_failed_download_leaves_nothing(
    page, checksum, sentence, address, weights_folder, publish
):
    file = official(f"{address}/{page}")
    publish(file._replace(checksum=checksum or file.checksum))
    with pytest.raises(InputError, match=sentence):
        fetch("caffenet")
    assert not list(weights_folder.iterdir())


def test_no_server_is_one_sentence(weights_folder, publish):
    publish(official("http://127.0.0.1:9/file"))
    with pytest.raises(InputError, match=r"127.0.0.1:9/file cannot be downloaded: .*refused"):
        fetch("caffenet")


def test_a_folder_that_cannot_be_made_is_one_sentence(address, tmp_path, monkeypatch, publish):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path / "file" / "weights"))
    publish(official(f"{address}/whole"))
    with pytest.raises(InputError, match="cannot be created"):
        fetch("caffenet")


def test_a_full_disk_is_a_write_error_and_leaves_nothing(address, weights_folder, publish):
    publish(official(f"{address}/whole"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # A file may not grow beyond 64 bytes, which fails as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(WriteError, match="cannot be written: File too large"):
            fetch("caffenet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(weights_folder.iterdir())
