"""A REST catalog of Iceberg, over the catalog that PyIceberg keeps in SQLite: `python -m
tests.iceberg_catalog PORT TOKEN FOLDER WAREHOUSE ENDPOINT`.

It answers what DuckDB asks, for a bearer token. A commit of several tables is one of all or none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest, Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

_CODES = {
    NoSuchNamespaceError: 404,
    NoSuchTableError: 404,
    NamespaceAlreadyExistsError: 409,
    TableAlreadyExistsError: 409,
    NamespaceNotEmptyError: 409,
    CommitFailedException: 409,
}


class Rest:
    """The answers of the catalog: method and path of a request → JSON."""

    def __init__(self, folder: Path, warehouse: str, endpoint: str) -> None:
        place = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": warehouse}
        bucket = {
            "s3.endpoint": f"http://{endpoint}",
            "s3.access-key-id": "any",
            "s3.secret-access-key": "any",
            "s3.region": "us-east-1",
        }
        self.catalog = SqlCatalog("rest", **place, **bucket)
        self.lock = Lock()

    def answer(self, method: str, parts: list[str], body: Any) -> Any:
        with self.lock:
            match parts:
                case ["namespaces", space, *rest] if rest:
                    return self._of_tables(method, space, rest, body)
                case ["namespaces", *space]:
                    return self._of_namespaces(method, space, body)
                case ["transactions", "commit"]:
                    return self._commit_all(list(map(_asked, body["table-changes"])))
                case ["config"]:
                    return {"defaults": {}, "overrides": {}}
        raise NoSuchTableError(f"{method} {parts}")

    def _of_namespaces(self, method: str, space: list[str], body: Any) -> Any:
        match method, space:
            case "GET", []:
                return {"namespaces": self.catalog.list_namespaces()}
            case "POST", []:
                self.catalog.create_namespace(tuple(body["namespace"]))
                return {"namespace": body["namespace"], "properties": {}}
            case "DELETE", [name]:
                return self.catalog.drop_namespace(name)
            case _, [name]:
                return {
                    "namespace": [name],
                    "properties": self.catalog.load_namespace_properties(name),
                }

    def _of_tables(self, method: str, space: str, rest: list[str], body: Any) -> Any:
        match method, rest:
            case "GET", ["tables"]:
                names = [name for _, name in self.catalog.list_tables(space)]
                return {"identifiers": [{"namespace": [space], "name": name} for name in names]}
            case "GET", ["views"]:
                return {"identifiers": []}
            case "POST", ["tables"]:
                return self._create(space, body)
            case "POST", ["tables", name]:
                place = {"namespace": [space], "name": name}
                return self._commit(_asked({**body, "identifier": place}))
            case "DELETE", ["tables", name]:
                return self.catalog.drop_table((space, name))
            case _, ["tables", name]:
                return _loaded(self.catalog.load_table((space, name)))
        raise NoSuchTableError(f"{method} {space} {rest}")

    def _commit_all(self, asked: list[CommitTableRequest]) -> None:
        for change in asked:
            self._stage(change)  # raises an error before anything is written
        for change in asked:
            self._commit(change)

    def _create(self, space: str, body: Any) -> Any:
        asked = CreateTableRequest.model_validate({"location": None, **body})
        staged, made_at_once = self.catalog._create_staged_table, self.catalog.create_table
        made = (staged if asked.stage_create else made_at_once)(
            (space, asked.name),
            asked.table_schema,
            asked.location,
            asked.partition_spec or UNPARTITIONED_PARTITION_SPEC,
            asked.write_order or UNSORTED_SORT_ORDER,
            asked.properties,
        )
        return _loaded(made)

    def _stage(self, asked: CommitTableRequest) -> None:
        name = _name(asked)
        there = self.catalog.load_table(name) if self.catalog.table_exists(name) else None
        self.catalog._update_and_stage_table(there, name, asked.requirements, asked.updates)

    def _commit(self, asked: CommitTableRequest) -> Any:
        table = SimpleNamespace(name=lambda: _name(asked))
        done = self.catalog.commit_table(table, asked.requirements, asked.updates)
        return {"metadata-location": done.metadata_location, "metadata": _plain(done.metadata)}


def _asked(change: Any) -> CommitTableRequest:
    return CommitTableRequest.model_validate(change)


def _name(asked: CommitTableRequest) -> tuple[str, ...]:
    return (*asked.identifier.namespace.root, asked.identifier.name)


def _loaded(table: Table) -> Any:
    return {
        "metadata-location": table.metadata_location,
        "metadata": _plain(table.metadata),
        "config": {},
    }


def _plain(model: Any) -> Any:
    return json.loads(model.model_dump_json())


def handler(
    answer: Callable[[str, list[str], Any], Any], token: str
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or "null") if size else None
            parts = [unquote(part) for part in urlsplit(self.path).path.split("/")[2:]]
            if self.path == "/health":
                return self._say(200, {})
            if self.headers.get("Authorization") != f"Bearer {token}":
                return self._say(401, _error(401, "NotAuthorizedException", "Unauthorized"))
            try:
                found = answer(self.command, parts, body)
                self._say(204 if found is None else 200, found)
            except ValueError as exc:
                self._say(400, _error(400, type(exc).__name__, str(exc)))
            except tuple(_CODES) as exc:
                code = _CODES[type(exc)]
                self._say(code, _error(code, type(exc).__name__, str(exc)))

        def _say(self, code: int, found: Any) -> None:
            text = b"" if found is None or self.command == "HEAD" else json.dumps(found).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    for method in ("GET", "POST", "DELETE", "HEAD"):
        setattr(Handler, f"do_{method}", Handler._serve)
    return Handler


def _error(code: int, kind: str, message: str) -> Any:
    return {"error": {"message": message, "type": kind, "code": code}}


if __name__ == "__main__":
    port, token, folder, *place = sys.argv[1:]
    rest = Rest(Path(folder), *place)
    ThreadingHTTPServer(("127.0.0.1", int(port)), handler(rest.answer, token)).serve_forever()
