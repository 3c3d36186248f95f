"""A session without a socket: what it answers, when it gives up, and that nothing unanswered is forgotten."""

import pytest

from sms.smpp import pdus
from sms.smpp.account import Account
from sms.smpp.framing import Frames
from sms.smpp.letters import Letter, References, parts_of
from sms.smpp.session import Answered, Bound, Event, Over, Session
from sms.transport import OutgoingSms, Refused, Unsure

ACCOUNT = Account("smsc", 2775, "doisoat", "secret", "DIENLUC", answer_seconds=30, idle_seconds=20, connect_seconds=10)


class Talk:
    """A session and the moment it is; `said` are the PDUs it sent since the last look."""

    def __init__(self, *, bound: bool = True) -> None:
        self.now = 0.0
        self.session = Session(ACCOUNT, self.now)
        assert [one.command for one in self.said()] == ["bind_transceiver"]
        if bound:
            assert self.hear("bind_transceiver_resp", 1) == [Bound()]

    def said(self) -> list[pdus.Pdu]:
        frames = Frames().feed(bytes(self.session.out))
        self.session.out.clear()
        return [pdus.header_of(one) for one in frames]

    def hear(self, command: str, sequence: int, status: int = 0) -> list[Event]:
        return [*self.session.received(pdus.build(command, sequence, status=status), self.now)]

    def wait(self, seconds: float) -> list[Event]:
        self.now += seconds
        return [*self.session.tick(self.now)]

    def submit(self) -> Letter:
        message = OutgoingSms("1", "+84912345678", "Da nhan", "DIENLUC")
        letter = Letter(message, parts_of(message.text, message.to, References()), 60)
        self.session.submit(letter, self.now)
        return letter


def test_a_carrier_that_asks_whether_we_are_there_is_answered() -> None:
    talk = Talk()
    assert talk.hear("enquire_link", 77) == []
    assert [(one.command, one.sequence) for one in talk.said()] == [("enquire_link_resp", 77)]


def test_a_request_that_nobody_knows_is_refused_and_a_strange_answer_is_passed_over() -> None:
    talk = Talk()
    for code, said in ((0x00000021, [("generic_nack", 7, 0x03)]), (0x80000021, []), (0x80000099, [])):
        raw = (16).to_bytes(4) + code.to_bytes(4) + bytes(4) + (7).to_bytes(4)
        assert [*talk.session.received(raw, talk.now)] == []
        assert [(one.command, one.sequence, one.status) for one in talk.said()] == said


def test_silence_is_asked_about_and_then_ends_the_link() -> None:
    talk = Talk()
    assert talk.wait(19) == []
    assert talk.session.until() == 20
    assert talk.wait(1) == []
    assert [one.command for one in talk.said()] == ["enquire_link"]
    assert talk.wait(29) == []
    assert talk.wait(1) == [Over("no answer to enquire_link")]
    assert talk.wait(100) == []


def test_whatever_is_heard_answers_the_question() -> None:
    talk = Talk()
    talk.wait(20)
    assert talk.hear("enquire_link", 5) == []
    assert talk.wait(19) == []
    talk.said()
    assert talk.wait(1) == []
    assert [one.command for one in talk.said()] == ["enquire_link"]


def test_a_bind_that_is_not_answered_ends() -> None:
    talk = Talk(bound=False)
    assert talk.wait(10) == [Over("no answer to bind_transceiver")]


@pytest.mark.parametrize(("status", "wrong"), [(0x0E, True), (0x0D, True), (0x05, False), (0x08, False)])
def test_a_refused_bind_tells_whether_a_person_is_needed(status: int, wrong: bool) -> None:
    [over] = Talk(bound=False).hear("bind_transceiver_resp", 1, status)
    assert isinstance(over, Over)
    assert (over.wrong_account, f"0x{status:02X}" in over.reason) == (wrong, True)


def test_what_the_carrier_could_not_read_it_did_not_take() -> None:
    talk = Talk()
    letter = talk.submit()
    [answered] = talk.hear("generic_nack", 2, 0x02)
    assert isinstance(answered, Answered)
    assert (answered.letter, isinstance(answered.word, Refused)) == (letter, True)
    assert talk.session.in_flight == 0


def test_lost_in_the_stream_everything_out_is_unsure() -> None:
    talk = Talk()
    talk.submit()
    answered, over = talk.session.received(b"\0\0\0\1garbage", talk.now)
    assert isinstance(answered, Answered)
    assert isinstance(answered.word, Unsure)
    assert over == Over("expected a PDU of 16 to 65536 octets, got a length of 1")


def test_a_carrier_that_unbinds_may_still_answer_what_it_took() -> None:
    talk = Talk()
    talk.submit()
    assert talk.hear("unbind", 9) == []
    assert [one.command for one in talk.said()] == ["submit_sm", "unbind_resp"]
    assert not talk.session.has_room
    assert talk.wait(1) == []
    [answered] = talk.hear("submit_sm_resp", 2)
    assert isinstance(answered, Answered)
    assert talk.wait(1) == [Over("the carrier has unbound")]
