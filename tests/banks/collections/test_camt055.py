"""A request to call debits back says what was asked, as classes made from the schema read it."""

import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks.collections import camt055
from banks.collections.recalls import RecallHead, RecallReason
from banks.collections.written import Written
from banks.errors import Misconfigured
from banks.money import dong
from tests.banks.collections.asked import NOW, US
from tests.banks.collections.others import document
from tests.banks.collections.test_recalls import HEAD, RECALL


def made(recalls, heads, version="08", creditor=US):
    out = io.BytesIO()
    written = camt055.write(
        out, iter(recalls), heads, message_id="RECALL-1", creditor=creditor, version=version, now=NOW
    )
    return out.getvalue(), written


def asked(count):
    """Return recalls from two groups of two files, and their heads."""
    recalls = [
        replace(RECALL, end_to_end_id=f"HD{number:05}", amount=dong(5 + number), message_id=f"RUN-{number % 2}",
                payment_group=f"RUN-{number % 2}-0001", reason=list(RecallReason)[number % 5])
        for number in range(count)
    ]  # fmt: skip
    recalls.sort(key=lambda one: one.message_id)
    found = [[one for one in recalls if one.message_id == f"RUN-{file}"] for file in (0, 1)]
    return recalls, [
        RecallHead(
            members[0].message_id, members[0].payment_group, len(members), sum(one.amount.minor for one in members)
        )
        for members in found
    ]


@pytest.mark.parametrize("version", camt055.VERSIONS)
@settings(deadline=None, max_examples=8)
@given(
    count=st.integers(2, 20),
    bank=st.sampled_from(["BFTVVNVX", "970436"]),
    name=st.sampled_from(["A & B <co>", US.name]),
)
def test_a_request_says_what_was_asked(version, count, bank, name):
    recalls, heads = asked(count)
    data, written = made(recalls, heads, version, replace(US, bank=bank, name=name))
    told = document(data, f"camt.055.001.{version}").cstmr_pmt_cxl_req
    assert (told.assgnmt.id, told.case.id, told.case.cretr.pty.nm) == ("RECALL-1", "RECALL-1", name)
    assert told.assgnmt.cre_dt_tm.to_datetime().astimezone(UTC) == datetime(2026, 11, 18, 2, tzinfo=UTC)
    to = told.assgnmt.assgne.agt.fin_instn_id
    if bank.isdigit():
        assert to.clr_sys_mmb_id.mmb_id == bank
    else:
        assert (to.bic if version == "01" else to.bicfi) == bank
    assert (told.ctrl_data.nb_of_txs, told.ctrl_data.ctrl_sum) == (str(count), sum(one.amount.minor for one in recalls))
    (underlying,) = told.undrlyg
    groups = underlying.orgnl_pmt_inf_and_cxl
    assert [
        (one.orgnl_grp_inf.orgnl_msg_id, one.orgnl_pmt_inf_id, one.nb_of_txs, one.ctrl_sum, one.pmt_inf_cxl)
        for one in groups
    ] == [(head.message_id, head.payment_group, str(head.debits), head.total_minor, False) for head in heads]
    assert {one.orgnl_grp_inf.orgnl_msg_nm_id for one in groups} == {"pain.008.001.08"}
    found = [(group, one) for group in groups for one in group.tx_inf]
    assert [
        replace(
            RECALL, end_to_end_id=one.orgnl_end_to_end_id, amount=dong(int(one.orgnl_instd_amt.value)),
            collect_on=one.orgnl_reqd_colltn_dt.to_date(), message_id=group.orgnl_grp_inf.orgnl_msg_id,
            payment_group=group.orgnl_pmt_inf_id, reason=RecallReason(reason_of(one)),
        )
        for group, one in found
    ] == recalls  # fmt: skip
    assert {one.orgnl_instd_amt.ccy for _, one in found} == {"VND"}
    assert written == Written(
        "RECALL-1",
        count,
        dong(sum(one.amount.minor for one in recalls)),
        2,
        len(data),
        hashlib.sha256(data).hexdigest(),
    )


def reason_of(transaction):
    (told,) = transaction.cxl_rsn_inf
    return getattr(told.rsn.cd, "value", told.rsn.cd) or told.rsn.prtry


def test_the_first_version_has_codes_for_few_reasons():
    recalls, heads = asked(5)
    data, _ = made(recalls, heads, "01")
    assert (data.count(b"<Cd>"), data.count(b"<Prtry>")) == (2, 3)
    data, _ = made(recalls, heads, "08")
    assert (data.count(b"<Cd>"), data.count(b"<Prtry>")) == (5, 0)


def test_the_same_recalls_make_the_same_bytes():
    assert made(*asked(9)) == made(*asked(9))


def test_a_fault_is_named():
    with pytest.raises(Misconfigured, match=r"debit 'HD2611000001-1': expected no more debits than the heads promised"):
        made([RECALL, RECALL], [HEAD])
    with pytest.raises(Misconfigured, match=r"expected 2 debits of 844960 VND, as its head promised, got 1"):
        made([RECALL], [replace(HEAD, debits=2)])
    with pytest.raises(Misconfigured, match=r"expected camt\.055\.001\.01 or \.08, got \.03"):
        made([RECALL], [HEAD], "03")
