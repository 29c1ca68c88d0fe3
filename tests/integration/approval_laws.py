"""What is always so of an exposure, whatever was done: its moves, its events, its ports, its words."""

from dataclasses import replace
from datetime import datetime

from service.domain.exposure import ExposureRecord, Revision, RevisionKind
from service.domain.status import state_word
from tests.integration.approval_model import OPEN, TABLE, is_path, number_of


def check_moved(then: ExposureRecord | None, record: ExposureRecord, revision: Revision) -> None:
    now = revision.decision.value
    if then is None or revision.number > len(then.revisions):
        assert now in ("pending", "approved")
        return
    had = then.revisions[revision.number - 1]
    was = had.decision.value
    assert was == now or (was, now) in TABLE
    assert replace(revision, decision=had.decision, decided_at=None, break_glass=None) == replace(
        had, decided_at=None, break_glass=None
    )
    if (was, now) == ("live", "retired"):
        assert number_of(record, "live") is not None or record.exposure.ended_at is not None
    if (was, now) == ("approved", "live"):
        assert then.exposure.intent == "present"


def check_told(record: ExposureRecord, revision: Revision, words: list[str]) -> None:
    assert is_path(words), words
    decision, last = revision.decision.value, words[-1]
    by_the_whole = record.exposure.intent == "absent" and decision == "withdrawn"
    by_the_worker = (last, decision) in (("live", "retired"), ("retired", "live"))
    assert last == decision or by_the_whole or by_the_worker


def check_ports(record: ExposureRecord) -> None:
    wanted = {n for r in record.revisions if r.decision.value in OPEN for n in r.allocation.numbers()}
    have = {state: {c.port for c in record.claims if c.state.value == state} for state in ("held", "bound")}
    assert have["held"] <= wanted <= have["held"] | have["bound"]
    if record.exposure.ended_at is not None:
        assert not wanted
        assert not have["bound"]
        assert not any(r.decision.value in OPEN for r in record.revisions)
    elif record.exposure.intent == "present":
        assert any(r.decision.value in OPEN for r in record.revisions)


def check_word(record: ExposureRecord, now: datetime) -> None:
    word, exposure = state_word(record, now), record.exposure
    pending, approved, live = (number_of(record, each) for each in ("pending", "approved", "live"))
    assert (word == "Ended") == (exposure.ended_at is not None)
    assert (exposure.end_reason is None) <= (word != "Ended")
    assert (word == "Ending") == (exposure.intent == "absent" and exposure.ended_at is None)
    assert (word == "Suspended") == (exposure.intent == "suspended" and exposure.ended_at is None)
    assert (exposure.suspension is not None) == (exposure.intent == "suspended")
    if exposure.intent == "present" and exposure.ended_at is None:
        assert (word == "AwaitingApproval") == (pending is not None and live is approved is None)
        assert word != "Active" or (live is not None and pending is approved is None)
        assert word != "ActiveChangePending" or live is not None
        assert word != "Scheduled" or (approved is not None and live is None)


def check_suspension(then: ExposureRecord | None, record: ExposureRecord) -> None:
    """What the clock has suspended a renewal alone lifts, and one that was granted is not undone."""
    if then is None:
        return
    was, now = then.exposure.suspension, record.exposure.suspension
    granted = {
        r.number
        for r in record.revisions
        if r.kind is RevisionKind.RENEWAL and r.decision.value in ("approved", "live")
    }
    if was == "expired" and record.exposure.intent == "present":
        assert granted - {r.number for r in then.revisions if r.decision != "pending"}
    waiting = number_of(record, "approved")
    if now == "expired" and was != "expired":
        assert waiting not in granted
