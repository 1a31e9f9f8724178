"""A bucket that is busy for a while, and answers 503."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.lake.conftest import LakeRepo
from tests.servers import Store

_BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
DAILY = "seeknal/transforms/daily.yml"


class Front(ThreadingHTTPServer):
    """A way to an object store that is busy when it is told to be."""

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.target = target
        self.left = 0  # requests that are refused from now on
        self.refused = 0
        self._lock = threading.Lock()

    def refuses(self) -> bool:
        with self._lock:
            if not self.left:
                return False
            self.left -= 1
            self.refused += 1
            return True


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def _pass_on(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.refuses():
            self._answer(503, {"Content-Type": "application/xml"}, _BUSY)
            return
        ahead = http.client.HTTPConnection("127.0.0.1", self.server.target)
        ahead.request(self.command, self.path, content, dict(self.headers.items()))
        found = ahead.getresponse()
        # The length of an answer to HEAD is that of a content that does not come.
        self._answer(found.status, dict(found.getheaders()), found.read())
        ahead.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        known = {name.lower(): value for name, value in headers.items()}
        known.pop("transfer-encoding", None)
        if self.command != "HEAD":
            known["content-length"] = str(len(content))
        for name, value in known.items():
            if name not in ("server", "date", "connection"):
                self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def behind(repo: LakeRepo, store: Store) -> Iterator[Front]:
    """A project whose store is behind a front."""
    with Front(store.port) as front:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        profiles = repo.read("profiles.yml")
        repo.write(
            "profiles.yml",
            profiles.replace(store.endpoint, f"127.0.0.1:{front.server_address[1]}"),
        )
        yield front
        front.shutdown()
        repo.write("profiles.yml", profiles)


def test_a_bucket_that_is_busy_for_a_moment_is_asked_again(bucket: LakeRepo, store: Store) -> None:
    with behind(bucket, store) as front:
        bucket.seeknal("run")
        bucket.replace(DAILY, "sum(amount)", "sum(amount) * 2")
        front.left = 2
        bucket.seeknal("run")
        assert front.refused == 2
    assert bucket.ask("SELECT sum(total) FROM main.daily") == [(200,)]


def test_a_bucket_that_stays_busy_fails_a_run_and_the_next_one_completes_it(
    bucket: LakeRepo, store: Store
) -> None:
    with behind(bucket, store) as front:
        bucket.seeknal("run")
        bucket.replace(DAILY, "sum(amount)", "sum(amount) * 2")
        front.left = 10_000
        said = bucket.seeknal("run", code=1)
        assert front.refused > 0
        assert "503" in said.out, said
        assert "Traceback" not in said.out + said.err
        front.left = 0
        assert bucket.ask("SELECT sum(total) FROM main.daily") == [(100,)], "as before"
        assert list(bucket.run()["built"]) == ["transform.daily"]
    assert bucket.ask("SELECT sum(total) FROM main.daily") == [(200,)]
