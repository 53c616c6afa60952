"""What is talked about, and by whom?"""

from flask import Blueprint, Response, url_for

from maria import contract
from maria.database import unit_of_work
from maria.paging import ByActivity
from maria.problems import no_such
from maria.validation import Finding, Invalid, refuse
from maria.web import answer, answer_page, read_body, read_window

blueprint = Blueprint("conversations", __name__, url_prefix="/api/conversations")

UNKNOWN = "is not the id of a participant"


@blueprint.get("")
def listing() -> Response:
    window = read_window(ByActivity)
    with unit_of_work() as work:
        page = work.conversations.page(window.limit, window.after)
        return answer_page(page, contract.Conversation)


@blueprint.post("")
def create() -> Response:
    wanted = read_body(contract.NewConversation)
    with unit_of_work() as work:
        known = work.participants.with_ids(wanted.participants)
        refuse(
            [
                Finding(pointer=f"/participants/{index}", detail=UNKNOWN)
                for index, id in enumerate(wanted.participants)
                if id not in known
            ]
        )
        conversation = work.conversations.add(wanted.title, known.values())
        location = url_for(".show", id=conversation.id)
        return answer(conversation, contract.Conversation, 201, location)


@blueprint.get("/<id:id>")
def show(id: int) -> Response:
    with unit_of_work() as work:
        conversation = work.conversations.get(id)
        if conversation is None:
            raise no_such("conversation", id)
        return answer(conversation, contract.Conversation)


@blueprint.post("/<id:id>/participants")
def join(id: int) -> Response:
    wanted = read_body(contract.Joining)
    with unit_of_work() as work:
        conversation = work.conversations.get(id)
        if conversation is None:
            raise no_such("conversation", id)
        participant = work.participants.get(wanted.participant)
        if participant is None:
            raise Invalid([Finding(pointer="/participant", detail=UNKNOWN)])
        new = work.conversations.join(conversation, participant)
        return answer(conversation, contract.Conversation, 201 if new else 200)
