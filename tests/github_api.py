"""A small GitHub on loopback: its releases, as its published description says.

Every request (path, query, headers, body) and every answer is held against that
description (tests/release/targets/github_openapi.json); what does not fit is in
``GitHub.wrong``, and the request is answered with 500.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DESCRIPTION = Path(__file__).parent / "release" / "targets" / "github_openapi.json"
TOKEN = "github-token-0123456789"
REPOSITORY = "acme/maria"
VERSION = "2022-11-28"
URN = "urn:github"
Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Faults:
    """What goes wrong: by operation (``repos/create-release``), used up from the front.

    A number is the status of the answer; "before" cuts the connection before anything
    is done, "after" when it was done; "starter" keeps an upload's name without its
    bytes, and cuts; "changed" keeps other bytes. ``raw`` is a body in place of JSON.
    """

    at: dict[str, list[int | str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    words: str = "Server Error"
    delay: float = 0.0
    raw: bytes | None = None


@dataclass
class GitHub:
    """The server's state; ``api`` is its address, ``asked`` the operations, in order."""

    api: str = ""
    token: str = TOKEN
    repository: str = REPOSITORY
    rights: dict[str, bool] | None = None
    archived: bool = False
    digests: bool = True
    immutable: bool = False
    page: int = 100
    releases: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stored_for: list[str] = field(default_factory=list)
    storage: str = ""
    _last: int = 100

    def next(self) -> int:
        """Return a number that was not used."""
        self._last += 1
        return self._last

    def of_tag(self, tag: str) -> list[dict[str, Any]]:
        """Return all releases of a tag, drafts too."""
        return [each for each in self.releases.values() if each["tag_name"] == tag]

    def names(self) -> set[str]:
        """Return the names of all files that are there whole."""
        every = [a for each in self.releases.values() for a in each["assets"]]
        return {each["name"] for each in every if each["state"] == "uploaded"}

    def add(self, tag: str, /, **told: Any) -> dict[str, Any]:
        """Have a release, as if somebody had made it by hand."""
        made = self.fill("release", draft=False, name=tag, tag_name=tag, assets=[])
        number = self.next()
        here = f"{self.api}/repos/{self.repository}/releases"
        made |= {
            "id": number,
            "url": f"{here}/{number}",
            "html_url": f"{self.api}/{self.repository}/releases/tag/{quote(tag)}",
            "upload_url": f"{self.api}/uploads/repos/{self.repository}/releases/"
            f"{number}/assets{{?name,label}}",
            "immutable": False,
            **told,
        }
        self.releases[number] = made
        return made

    def attach(self, release: dict[str, Any], name: str, body: bytes) -> dict[str, Any]:
        """Give a release a file."""
        number, digest = self.next(), hashlib.sha256(body).hexdigest()
        told = {
            "id": number,
            "name": name,
            "size": len(body),
            "state": "uploaded",
            "digest": f"sha256:{digest}" if self.digests else None,
            "url": f"{self.api}/repos/{self.repository}/releases/assets/{number}",
        }
        asset = self.fill("release-asset", **told)
        release["assets"].append(asset)
        self.files[number] = body
        return asset

    @staticmethod
    def fill(schema: str, /, **told: Any) -> dict[str, Any]:
        """Return the least that fits a schema, with ``told``."""
        return {**_least(_description()["components"]["schemas"][schema]), **told}


@contextmanager
def github(**told: Any) -> Iterator[GitHub]:
    """Serve a GitHub; at the end, nothing that was asked or answered was wrong."""
    hub = GitHub(**told)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.hub = hub  # type: ignore[attr-defined]
    port = server.server_address[1]
    hub.api, hub.storage = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert not hub.wrong, "\n".join(hub.wrong)


class _Cut(Exception):
    """The connection is to end without an answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *told: object) -> None:
        """Be quiet."""

    @property
    def hub(self) -> GitHub:
        """The state of the server."""
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        """Answer any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.hub.faults.delay)
        try:
            self._answer(*self._look(body))
        except _Cut:
            self.close_connection = True
        except Exception as error:
            self.hub.wrong.append(f"{self.command} {self.path}: {error}")
            self._answer(500, {"message": str(error)}, {})

    do_POST = do_PATCH = do_DELETE = do_GET

    def _look(self, body: bytes) -> Answer:
        parts = urlsplit(self.path)
        if parts.path.startswith("/storage/"):
            self.hub.stored_for.append(self.headers.get("Authorization", ""))
            return 200, self.hub.files[int(parts.path.rpartition("/")[2])], {}
        path = parts.path.removeprefix("/uploads")
        template, operation, values = _operation(self.command, path)
        name = operation["operationId"]
        uploads = name == "repos/upload-release-asset"
        assert uploads == (path != parts.path), f"{name} is at another host"
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        told = _check_request(template, operation, values, query, self.headers, body)
        self.hub.asked.append(name)
        waiting = self.hub.faults.at.get(name) or [0]
        fault = waiting.pop(0)
        if fault == "before":
            raise _Cut
        if isinstance(fault, int) and fault:
            return fault, {"message": self.hub.faults.words}, self.hub.faults.headers
        if self.hub.faults.raw is not None:
            return 200, self.hub.faults.raw, {}
        nobody = "Authorization" not in self.headers
        if not nobody and self.headers["Authorization"] != f"Bearer {self.hub.token}":
            return 401, {"message": "Bad credentials"}, {}
        if nobody and self.command != "GET":
            return 401, {"message": "Requires authentication"}, {}
        if f"{values['owner']}/{values['repo']}" != self.hub.repository:
            return 404, {"message": "Not Found"}, {}
        answer = _DO[name](self.hub, values, query, told, fault)
        if nobody and name == "repos/list-releases":
            shown = [each for each in answer[1] if not each["draft"]]
            answer = answer[0], shown, answer[2]
        if self.headers["Accept"] == "application/octet-stream" and answer[0] == 200:
            number = int(values["asset_id"])
            return 302, b"", {"Location": f"{self.hub.storage}/storage/{number}"}
        _check_answer(operation, answer)
        if fault in ("after", "starter"):
            raise _Cut
        return answer

    def _answer(self, status: int, told: Any, headers: dict[str, str]) -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        kind = "octet-stream" if isinstance(told, bytes) else "json"
        self.send_header("Content-Type", f"application/{kind}")
        if status == 204:
            self.end_headers()
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _repository(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    made = hub.fill("full-repository", full_name=hub.repository, archived=hub.archived)
    if hub.rights is not None:
        made["permissions"] = hub.rights
    return 200, made, {}


def _list(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    every = sorted(hub.releases.values(), key=lambda each: -each["id"])
    return _paged(hub, every, query)


def _paged(hub: GitHub, every: list[Any], query: dict[str, str]) -> Answer:
    size = min(int(query.get("per_page", 30)), hub.page)
    number = int(query.get("page", 1))
    shown, more = every[(number - 1) * size : number * size], len(every) > number * size
    link = {"Link": f'<{hub.api}/x?page={number + 1}>; rel="next"'} if more else {}
    return 200, shown, link


def _create(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    if any(not each["draft"] for each in hub.of_tag(told["tag_name"])):
        return _invalid("Release", "already_exists", "tag_name")
    if len(told.get("body", "")) > 125_000:
        return _invalid("Release", "custom", "body")
    made = hub.add(told["tag_name"], **{k: told[k] for k in told if k != "make_latest"})
    return 201, made, {}


def _by_tag(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    for each in hub.of_tag(values["tag"]):
        if not each["draft"]:
            return 200, each, {}
    return _missing()


def _get(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    found = hub.releases.get(int(values["release_id"]))
    return (200, found, {}) if found else _missing()


def _update(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    found = hub.releases.get(int(values["release_id"]))
    if not found:
        return _missing()
    was_draft = found["draft"]
    found |= {name: told[name] for name in told if name != "make_latest"}
    if was_draft and not found["draft"]:
        found["published_at"] = "2026-11-23T00:00:00Z"
        found["immutable"] = hub.immutable
    return 200, found, {}


def _assets(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    found = hub.releases.get(int(values["release_id"]))
    return _paged(hub, found["assets"], query) if found else _missing()


def _upload(hub: GitHub, values: Any, query: Any, told: bytes, fault: Any) -> Answer:
    found = hub.releases.get(int(values["release_id"]))
    if not found:
        return _missing()
    if found["immutable"]:
        return _invalid("ReleaseAsset", "custom", "release is immutable")
    if any(each["name"] == query["name"] for each in found["assets"]):
        return _invalid("ReleaseAsset", "already_exists", "name")
    body = told + b"!" if fault == "changed" else b"" if fault == "starter" else told
    made = hub.attach(found, query["name"], body)
    if fault == "starter":
        made["state"] = "open"
    return 201, made, {}


def _asset(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    for release in hub.releases.values():
        for each in release["assets"]:
            if each["id"] == int(values["asset_id"]):
                return 200, each, {}
    return _missing()


def _drop(hub: GitHub, values: Any, query: Any, told: Any, fault: Any) -> Answer:
    for release in hub.releases.values():
        for each in release["assets"]:
            if each["id"] == int(values["asset_id"]):
                release["assets"].remove(each)
                return 204, b"", {}
    return _missing()


def _missing() -> Answer:
    return 404, {"message": "Not Found"}, {}


def _invalid(resource: str, code: str, where: str) -> Answer:
    wrong = [{"resource": resource, "code": code, "field": where}]
    told = {"message": "Validation Failed", "documentation_url": "", "errors": wrong}
    return 422, told, {}


_DO = {
    "repos/get": _repository,
    "repos/list-releases": _list,
    "repos/create-release": _create,
    "repos/get-release-by-tag": _by_tag,
    "repos/get-release": _get,
    "repos/update-release": _update,
    "repos/list-release-assets": _assets,
    "repos/upload-release-asset": _upload,
    "repos/get-release-asset": _asset,
    "repos/delete-release-asset": _drop,
}


@cache
def _description() -> dict[str, Any]:
    return _nullable(json.loads(DESCRIPTION.read_text()))  # type: ignore[no-any-return]


def _nullable(node: Any) -> Any:
    """Return OpenAPI 3.0's ``nullable`` in the words of JSON Schema."""
    if isinstance(node, list):
        return [_nullable(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _nullable(inner) for key, inner in node.items()}
    if made.pop("nullable", None) is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = _description()
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        node = found
    return node


def _operation(method: str, path: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Return which operation of the description it is: the most literal path."""
    for template, methods in sorted(
        _description()["paths"].items(), key=lambda each: each[0].count("{")
    ):
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
        found = re.fullmatch(pattern, path)
        if found and method.lower() in methods:
            values = {name: unquote(text) for name, text in found.groupdict().items()}
            return template, methods[method.lower()], values
    raise AssertionError("no such operation")


@cache
def _registry() -> Any:
    resource = Resource.from_contents(_description(), default_specification=DRAFT202012)
    return Registry().with_resource(URN, resource)


def _check(value: Any, schema: dict[str, Any], what: str) -> None:
    rooted = json.loads(json.dumps(schema).replace('"#/', f'"{URN}#/'))
    validator = Draft202012Validator(
        rooted, registry=_registry(), format_checker=FormatChecker()
    )
    for error in validator.iter_errors(value):
        raise AssertionError(f"{what}: {error.json_path}: {error.message}")


def _check_request(
    template: str,
    operation: dict[str, Any],
    values: dict[str, str],
    query: dict[str, str],
    headers: Any,
    body: bytes,
) -> Any:
    """Return the body, decoded. Raises AssertionError for what is not as described."""
    allowed = {}
    for parameter in map(_resolved, operation.get("parameters", [])):
        name, kind = parameter["name"], parameter["in"]
        allowed[name] = kind
        given = {"path": values, "query": query}[kind].get(name)
        assert given is not None or not parameter.get("required"), f"{name} is missing"
        if given is not None:
            whole = parameter["schema"].get("type") == "integer"
            _check(int(given) if whole else given, parameter["schema"], name)
    assert all(allowed.get(name) == "query" for name in query), f"unknown in {query}"
    assert headers["X-GitHub-Api-Version"] == VERSION, "version"
    assert headers["User-Agent"], "GitHub refuses calls without a User-Agent"
    given = headers.get("Authorization", "Bearer x")
    assert re.fullmatch(r"Bearer \S+", given), "authorization"
    accepted = {"application/vnd.github+json"}
    if operation["operationId"] == "repos/get-release-asset":
        accepted.add("application/octet-stream")
    assert headers["Accept"] in accepted, headers["Accept"]
    if "requestBody" not in operation:
        assert not body, "a body where none is described"
        return None
    content = operation["requestBody"]["content"]
    kind = headers["Content-Type"]
    assert kind in content, f"{kind} is not one of {list(content)}"
    if kind == "application/octet-stream":
        assert headers["Content-Length"], "length"
        return body
    told = json.loads(body)
    schema = content[kind]["schema"]
    _check(told, {**schema, "additionalProperties": False}, "request")
    return told


def _check_answer(operation: dict[str, Any], answer: Answer) -> None:
    status, told, _ = answer
    if operation["operationId"] == "repos/get-release" and status == 404:
        return  # it happens, though the description names 401 only
    if operation["operationId"] == "repos/list-release-assets" and status == 404:
        return
    if operation["operationId"] == "repos/upload-release-asset" and status == 404:
        return
    described = operation["responses"].get(str(status))
    assert described is not None, f"{status} is not described"
    content = _resolved(described).get("content", {}).get("application/json")
    if content:
        _check(told, content["schema"], "answer")


def _least(schema: dict[str, Any]) -> Any:
    """Return a small value that fits ``schema``."""
    schema = _resolved(schema)
    if "anyOf" in schema:
        nothing = any(each.get("type") == "null" for each in schema["anyOf"])
        return None if nothing else _least(schema["anyOf"][0])
    if "allOf" in schema:
        return {k: v for each in schema["allOf"] for k, v in _least(each).items()}
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        every = schema.get("properties", {})
        return {name: _least(every[name]) for name in schema.get("required", ())}
    if kind == "string":
        formats = {"date-time": "2026-11-23T00:00:00Z", "uri": "https://example.org/x"}
        return formats.get(schema.get("format", ""), "x")
    return {"integer": 1, "boolean": False, "array": [], "number": 1.0}[kind]
