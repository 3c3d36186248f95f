"""/api/v1/marks: the billing system fetches what bills are paid and no longer paid, and says what it has received."""

from collections.abc import Iterator

from flask import Response

from gateway import mark_files
from gateway.api import kinds, shapes
from gateway.api.operations import Asked, Body, Done, operation
from gateway.api.problems import Problem
from reconciliation import audit, marks

_MAX_BYTES = 1024
_NUMBER = {
    "type": "integer",
    "minimum": 0,
    "maximum": 10**18 - 1,
    "description": "The last mark that has been received.",
}


@operation(
    "GET", "/marks", "marks", name="fetchMarks", answer=shapes.TEXT, media_type="text/csv",
    example="record,batch,number,action,bill,version,customer,period,billed,change,paid,owed,state,at,items,marked,"
    "unmarked\r\n",
    query={"since": kinds.whole(0, 10**18 - 1, "The number of a mark; the last acknowledged one when not given.")},
)  # fmt: skip
def fetch(asked: Asked) -> Response:
    """Return the batches that hold the marks after `since`, or after the last acknowledged one, as CSV."""

    def lines() -> Iterator[bytes]:
        for line in mark_files.lines(asked.wiring, asked["since"]):
            yield line.encode()

    return Response(lines(), content_type="text/csv; charset=utf-8")


@operation(
    "POST", "/marks/acknowledged", "marks", name="acknowledgeMarks", problems=(422,),
    body=Body(shapes.of(number=_NUMBER), lambda: _MAX_BYTES, {"number": 1204}),
    answer=shapes.of(acknowledged=shapes.COUNT), example={"acknowledged": 1204},
)  # fmt: skip
def acknowledge(asked: Asked) -> Done:
    """Say that a mark and all before it have been received; a repetition changes nothing."""
    number = asked.content.get("number")
    if type(number) is not int or set(asked.content) != {"number"}:
        raise Problem(400, "not readable", ["number: expected a whole number and nothing else"])
    who = asked.caller.actor
    try:
        done = marks.acknowledge(asked.session, number, by=who, how="told by the billing system", now=asked.now)
    except marks.Unknown as error:
        raise Problem(422, "unknown mark", [str(error)]) from None
    facts = {"number": number, "batches": len(done)}
    audit.append(asked.session, actor=who, action="marks_acknowledged", subject="marks", facts=facts, now=asked.now)
    return Done({"acknowledged": marks.acknowledged(asked.session)})
