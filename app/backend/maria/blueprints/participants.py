"""Who can take part?"""

from flask import Blueprint, Response, url_for

from maria import contract
from maria.database import unit_of_work
from maria.paging import ById
from maria.problems import no_such
from maria.web import answer, answer_page, read_body, read_window

blueprint = Blueprint("participants", __name__, url_prefix="/api/participants")


@blueprint.get("")
def listing() -> Response:
    window = read_window(ById)
    with unit_of_work() as work:
        page = work.participants.page(window.limit, window.after)
        return answer_page(page, contract.Participant)


@blueprint.post("")
def create() -> Response:
    wanted = read_body(contract.NewParticipant)
    with unit_of_work() as work:
        participant = work.participants.add(wanted.name, wanted.email)
        location = url_for(".show", id=participant.id)
        return answer(participant, contract.Participant, 201, location)


@blueprint.get("/<id:id>")
def show(id: int) -> Response:
    with unit_of_work() as work:
        participant = work.participants.get(id)
        if participant is None:
            raise no_such("participant", id)
        return answer(participant, contract.Participant)
