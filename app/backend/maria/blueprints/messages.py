"""What was said?"""

from flask import Blueprint, Response, url_for

from maria import contract
from maria.database import unit_of_work
from maria.paging import ById
from maria.problems import no_such
from maria.validation import Finding, Invalid
from maria.web import answer, answer_page, read_body, read_window

blueprint = Blueprint(
    "messages", __name__, url_prefix="/api/conversations/<id:conversation_id>/messages"
)


@blueprint.get("")
def listing(conversation_id: int) -> Response:
    window = read_window(ById)
    with unit_of_work() as work:
        if not work.conversations.exists(conversation_id):
            raise no_such("conversation", conversation_id)
        page = work.messages.page(conversation_id, window.limit, window.after)
        return answer_page(page, contract.Message)


@blueprint.post("")
def create(conversation_id: int) -> Response:
    wanted = read_body(contract.NewMessage)
    with unit_of_work() as work:
        if not work.conversations.exists(conversation_id):
            raise no_such("conversation", conversation_id)
        author = work.messages.author(conversation_id, wanted.author)
        if author is None:
            detail = "does not take part in this conversation"
            raise Invalid([Finding(pointer="/author", detail=detail)])
        message = work.messages.add(conversation_id, author, wanted.body)
        location = url_for(".show", conversation_id=conversation_id, id=message.id)
        return answer(message, contract.Message, 201, location)


@blueprint.get("/<id:id>")
def show(conversation_id: int, id: int) -> Response:
    with unit_of_work() as work:
        message = work.messages.get(conversation_id, id)
        if message is None:
            raise no_such("message", id)
        return answer(message, contract.Message)
