"""What can a client do with conversations?"""

from __future__ import annotations

import pytest

from tests.api import Api

UNKNOWN = 10**18 - 1


def test_a_new_conversation_can_be_read_where_location_says(api: Api) -> None:
    ada, bob = api.participant("Ada"), api.participant("Bob")
    body = {"title": "Plans 🗺️", "participants": [bob["id"], ada["id"]]}

    created = api.post("/api/conversations", body)

    conversation = created.get_json()
    assert created.status_code == 201
    assert conversation == {
        "id": conversation["id"],
        "title": "Plans 🗺️",
        "created_at": conversation["created_at"],
        "last_message_at": None,
        "message_count": 0,
        "participants": [ada, bob],
    }
    assert conversation["created_at"].endswith("Z")
    assert api.get(created.headers["Location"]).get_json() == conversation


def test_all_unknown_participants_are_named(api: Api) -> None:
    ada = api.participant("Ada")
    body = {"title": "T", "participants": [UNKNOWN, ada["id"], UNKNOWN - 1]}

    refused = api.post("/api/conversations", body)

    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.get_json()["errors"]] == [
        "/participants/0",
        "/participants/2",
    ]
    assert api.get("/api/conversations").get_json()["items"] == []


def test_all_that_is_wrong_is_said_at_once(api: Api) -> None:
    body = {"title": "", "participants": [1, "x", 1, -1, True], "a/b~c": None}

    problem = api.post("/api/conversations", body).get_json()

    whole_number = "must be a whole number from 1 to 999999999999999999"
    assert problem["detail"] == "6 things are wrong."
    assert problem["errors"] == [
        {"pointer": "/title", "detail": "must have 1 to 200 characters"},
        {"pointer": "/participants/1", "detail": whole_number},
        {"pointer": "/participants/2", "detail": "is given twice"},
        {"pointer": "/participants/3", "detail": whole_number},
        {"pointer": "/participants/4", "detail": whole_number},
        {"pointer": "/a~1b~0c", "detail": "is not known here"},
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ([], {"pointer": "", "detail": "must be an object"}),
        ({"participants": [1]}, {"pointer": "/title", "detail": "is required"}),
        (
            {"title": 7, "participants": [1]},
            {"pointer": "/title", "detail": "must be a string"},
        ),
        (
            {"title": "x" * 201, "participants": [1]},
            {"pointer": "/title", "detail": "must have 1 to 200 characters"},
        ),
        (
            {"title": "a\0b", "participants": [1]},
            {"pointer": "/title", "detail": "must not hold the character NUL"},
        ),
        (
            {"title": "T", "participants": []},
            {"pointer": "/participants", "detail": "must be a list of at least 1"},
        ),
        (
            {"title": "T", "participants": {"0": 1}},
            {"pointer": "/participants", "detail": "must be a list of at least 1"},
        ),
    ],
)
def test_what_is_wrong_is_said_and_where(
    api: Api, body: object, error: dict[str, str]
) -> None:
    refused = api.post("/api/conversations", body)

    assert refused.status_code == 422
    assert refused.get_json()["errors"] == [error]


def test_lengths_count_characters_not_bytes(api: Api) -> None:
    ada = api.participant()

    assert api.conversation(ada, title="🙂" * 200)["title"] == "🙂" * 200


@pytest.mark.parametrize("id", ["-1", "0", "007", str(UNKNOWN), str(2**63)])
def test_an_unknown_conversation_is_not_found(api: Api, id: str) -> None:
    ada = api.participant()
    path = f"/api/conversations/{id}"

    assert api.get(path).status_code == 404
    assert api.get(f"{path}/messages").status_code == 404
    assert api.get(f"{path}/messages/1").status_code == 404
    body = {"author": ada["id"], "body": "Hello"}
    assert api.post(f"{path}/messages", body).status_code == 404
    joining = {"participant": ada["id"]}
    assert api.post(f"{path}/participants", joining).status_code == 404


class TestListing:
    def test_is_empty_at_first(self, api: Api) -> None:
        assert api.get("/api/conversations").get_json() == {"items": [], "next": None}

    def test_begins_with_the_latest_active(self, api: Api) -> None:
        ada = api.participant()
        old, silent, new = (api.conversation(ada, title=t) for t in ("a", "b", "c"))

        api.message(old, ada)

        items = api.get("/api/conversations").get_json()["items"]
        assert [item["id"] for item in items] == [old["id"], new["id"], silent["id"]]

    def test_has_a_cursor_as_long_as_more_follow(self, api: Api) -> None:
        ada = api.participant()
        made = [api.conversation(ada)["id"] for _ in range(5)]

        pages = list(api.pages("/api/conversations", limit=2))

        assert [[item["id"] for item in page] for page in pages] == [
            [made[4], made[3]],
            [made[2], made[1]],
            [made[0]],
        ]

    def test_ends_with_a_page_that_is_just_full(self, api: Api) -> None:
        ada = api.participant()
        for _ in range(4):
            api.conversation(ada)

        pages = list(api.pages("/api/conversations", limit=2))

        assert [len(page) for page in pages] == [2, 2]

    def test_is_not_upset_by_what_comes_in_between_pages(self, api: Api) -> None:
        ada = api.participant()
        made = [api.conversation(ada) for _ in range(4)]
        pages = api.pages("/api/conversations", limit=2)

        first = next(pages)
        api.conversation(ada)
        api.message(made[3], ada)
        second = next(pages)

        assert [item["id"] for item in first] == [made[3]["id"], made[2]["id"]]
        assert [item["id"] for item in second] == [made[1]["id"], made[0]["id"]]

    def test_has_twenty_items_unless_told(self, api: Api) -> None:
        ada = api.participant()
        for _ in range(21):
            api.conversation(ada)

        assert len(api.get("/api/conversations").get_json()["items"]) == 20

    @pytest.mark.parametrize("count", [1, 8])
    def test_costs_two_queries_for_any_number(
        self, api: Api, statements: list[str], count: int
    ) -> None:
        people = [api.participant(name) for name in ("Ada", "Bob")]
        for _ in range(count):
            api.conversation(*people)
        statements.clear()

        items = api.get("/api/conversations").get_json()["items"]

        assert [item["participants"] for item in items] == [people] * count
        assert len(statements) == 2


class TestJoining:
    def test_adds_a_participant_once(self, api: Api) -> None:
        ada, bob = api.participant("Ada"), api.participant("Bob")
        path = f"/api/conversations/{api.conversation(ada)['id']}/participants"

        first = api.post(path, {"participant": bob["id"]})
        again = api.post(path, {"participant": bob["id"]})

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.get_json()["participants"] == [ada, bob]
        assert again.get_json() == first.get_json()

    def test_lets_the_participant_write(self, api: Api) -> None:
        ada, bob = api.participant("Ada"), api.participant("Bob")
        conversation = api.conversation(ada)
        path = f"/api/conversations/{conversation['id']}/participants"

        api.post(path, {"participant": bob["id"]})

        assert api.message(conversation, bob)["author"] == bob

    def test_needs_somebody_who_exists(self, api: Api) -> None:
        path = f"/api/conversations/{api.conversation(api.participant())['id']}"

        refused = api.post(f"{path}/participants", {"participant": UNKNOWN})

        assert refused.status_code == 422
        assert refused.get_json()["errors"] == [
            {"pointer": "/participant", "detail": "is not the id of a participant"}
        ]
