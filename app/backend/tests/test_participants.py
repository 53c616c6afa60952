"""What can a client do with participants?"""

from __future__ import annotations

import pytest

from tests.api import Api


def test_a_new_participant_can_be_read_where_location_says(api: Api) -> None:
    body = {"name": "Ada", "email": "ada@example.org"}
    created = api.post("/api/participants", body)

    assert created.status_code == 201
    assert created.get_json() == {"id": created.get_json()["id"], **body}
    assert api.get(created.headers["Location"]).get_json() == created.get_json()


@pytest.mark.parametrize("spelling", ["ada@example.org", "ADA@example.ORG"])
def test_an_email_address_belongs_to_one_participant(api: Api, spelling: str) -> None:
    api.participant("Ada", "ada@example.org")

    refused = api.post("/api/participants", {"name": "Eve", "email": spelling})

    assert refused.status_code == 409
    assert refused.get_json()["type"] == "urn:maria:problem:email-taken"
    assert len(api.get("/api/participants").get_json()["items"]) == 1


@pytest.mark.parametrize("name", ["a" * 100, "Zoë 👩‍🚀", "' ; DROP TABLE x; --", " "])
def test_a_name_is_kept_as_it_was_given(api: Api, name: str) -> None:
    participant = api.participant(name, "x@example.org")

    found = api.get(f"/api/participants/{participant['id']}").get_json()

    assert found["name"] == name


@pytest.mark.parametrize(
    "email", ["", "ada", "@", "ada@", "a b@c", "a@b@c", "a@b\n", "a\0@b", "a@" * 200, 7]
)
def test_an_email_address_looks_like_one(api: Api, email: object) -> None:
    refused = api.post("/api/participants", {"name": "Ada", "email": email})

    assert refused.status_code == 422
    assert refused.get_json()["errors"] == [
        {
            "pointer": "/email",
            "detail": "must be an e-mail address of at most 254 characters",
        }
    ]


def test_the_list_is_in_the_order_in_which_they_came(api: Api) -> None:
    people = [api.participant(name) for name in ("Cleo", "Ada", "Bob")]

    assert list(api.pages("/api/participants", limit=2)) == [people[:2], people[2:]]


@pytest.mark.parametrize(
    "id", ["0", "-1", "x", "1.5", str(10**18 - 1), str(2**63), "9" * 99]
)
def test_an_id_that_nobody_has_is_not_found(api: Api, id: str) -> None:
    assert api.get(f"/api/participants/{id}").status_code == 404
