"""How do the tests talk to the application?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


@dataclass(frozen=True)
class Api:
    """A client that speaks of people and conversations rather than of requests."""

    client: FlaskClient

    def get(self, path: str, **query: object) -> TestResponse:
        return self.client.get(path, query_string=query)

    def post(self, path: str, body: object) -> TestResponse:
        return self.client.post(path, json=body)

    def participant(self, name: str = "Ada", email: str = "") -> dict[str, Any]:
        body = {"name": name, "email": email or f"{name.lower()}@example.org"}
        return self._created("/api/participants", body)

    def conversation(self, *people: dict[str, Any], title: str = "T") -> dict[str, Any]:
        body = {"title": title, "participants": [person["id"] for person in people]}
        return self._created("/api/conversations", body)

    def message(
        self, conversation: dict[str, Any], author: dict[str, Any], body: str = "Hello"
    ) -> dict[str, Any]:
        path = f"/api/conversations/{conversation['id']}/messages"
        return self._created(path, {"author": author["id"], "body": body})

    def pages(self, path: str, limit: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of a list, following the cursors to the end."""
        query: dict[str, object] = {"limit": limit}
        while True:
            page = self.get(path, **query).get_json()
            yield page["items"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def _created(self, path: str, body: object) -> dict[str, Any]:
        response = self.post(path, body)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.get_json()
        return created
