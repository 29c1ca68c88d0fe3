"""When a ledger and a cluster do not belong together."""

from uuid import UUID

import pytest

from service.domain.ledger_mark import Known, LedgerMark, why_frozen

OURS, OTHER = UUID(int=1), UUID(int=2)
HASH = "sha256:aa"


def make_mark(event_id: int = 7, event_hash: str = HASH, ledger: UUID = OURS) -> LedgerMark:
    return LedgerMark(ledger, event_id, event_hash)


def make_known(newest: int = 9, hash_of_marked: str | None = HASH) -> Known:
    return Known(OURS, newest, hash_of_marked)


@pytest.mark.parametrize("mark", [None, make_mark(0, ""), make_mark(), make_mark(9)])
def test_a_cluster_without_a_mark_or_with_one_that_the_ledger_knows_may_be_written(
    mark: LedgerMark | None,
) -> None:
    assert why_frozen(mark, make_known()) is None


@pytest.mark.parametrize(
    ("mark", "known", "said"),
    [
        (make_mark(ledger=OTHER), make_known(), "Another ledger"),
        (make_mark(0, "", ledger=OTHER), make_known(), "Another ledger"),
        (make_mark(10), make_known(9, None), "restored from an older state"),
        (make_mark(), make_known(hash_of_marked="sha256:bb"), "a copy"),
        (make_mark(), make_known(hash_of_marked=None), "a copy"),
    ],
    ids=["another", "another-that-did-nothing", "behind", "another-event", "no-such-event"],
)
def test_what_the_ledger_does_not_know_freezes_the_cluster(mark: LedgerMark, known: Known, said: str) -> None:
    assert said in (why_frozen(mark, known) or "")


def test_a_mark_is_read_as_it_was_written() -> None:
    document = make_mark().document("wharfinger", "west")
    assert document["metadata"] == {"namespace": "wharfinger", "name": "wharfinger-ledger-west"}
    assert LedgerMark.of(document) == make_mark()


@pytest.mark.parametrize("data", [None, {}, {"ledger": "x", "event": "1", "hash": ""}, {"ledger": str(OURS)}])
def test_what_we_cannot_have_written_is_no_mark(data: dict[str, str] | None) -> None:
    assert LedgerMark.of({"data": data}) is None
