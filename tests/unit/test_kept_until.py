"""Until when an exposure has its node ports, if nobody does anything."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from service.domain.exposure import (
    Decision,
    Exposure,
    ExposureRecord,
    Intent,
    Revision,
    RevisionKind,
    Suspension,
)
from service.domain.lifetime import GRACE, LATEST_START, NEVER_APPLIED, kept_until
from tests.builders import (
    EARLIER,
    NOON,
    NUMBER,
    make_exposure,
    make_port,
    make_record,
    make_revision,
    make_spec,
)

UNDECIDED = NOON + timedelta(days=14)
DAY = timedelta(days=1)


def pending(number: int = 1, **fields: Any) -> Revision:
    return make_revision(number=number, decision=Decision.PENDING, pending_until=UNDECIDED, **fields)


def live(lifetime: int | None = 86_400, **fields: Any) -> Revision:
    return make_revision(make_spec(lifetime=lifetime), **fields)


def started(**fields: Any) -> Exposure:
    return make_exposure(applied_at=EARLIER, **({"clock_started_at": NOON} | fields))


CASES: list[tuple[str, ExposureRecord, datetime | None]] = [
    ("undecided", make_record(pending()), UNDECIDED),
    ("approved", make_record(make_revision(decision=Decision.APPROVED)), NOON + NEVER_APPLIED),
    ("live", make_record(live(), exposure=started()), NOON + DAY + GRACE),
    (
        "not-ready-yet",
        make_record(live(), exposure=started(clock_started_at=None)),
        EARLIER + LATEST_START + DAY + GRACE,
    ),
    ("for-ever", make_record(live(None), exposure=started()), None),
    ("live-with-a-change", make_record(live(), pending(2), exposure=started()), NOON + DAY + GRACE),
    (
        "renewed",
        make_record(
            live(),
            make_revision(number=2, decision=Decision.APPROVED, kind=RevisionKind.RENEWAL),
            exposure=started(),
        ),
        None,
    ),
    (
        "over",
        make_record(
            live(),
            exposure=started(intent=Intent.SUSPENDED, suspension=Suspension.EXPIRED, suspended_at=NOON + DAY),
        ),
        NOON + DAY + GRACE,
    ),
    ("taken-back", make_record(live(), exposure=started(intent=Intent.ABSENT)), None),
    (
        "break-glass",
        make_record(live(None, break_glass={"until": UNDECIDED.isoformat()}), exposure=started()),
        UNDECIDED,
    ),
]


@pytest.mark.parametrize(("record", "until"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_ports_are_kept_until_the_clock_takes_them(record: ExposureRecord, until: datetime | None) -> None:
    assert kept_until(record, NUMBER) == until


OTHER = make_spec(ports=(make_port(node_port=NUMBER + 1),))


def test_a_port_that_only_an_open_change_has_is_kept_as_long_as_that() -> None:
    change = make_revision(OTHER, number=2, decision=Decision.PENDING, pending_until=UNDECIDED)
    record = make_record(live(None), change, exposure=started())
    assert (kept_until(record, NUMBER), kept_until(record, NUMBER + 1)) == (None, UNDECIDED)


def test_a_break_glass_change_that_is_not_reviewed_ends_its_own_ports_alone() -> None:
    change = make_revision(
        OTHER, number=2, decision=Decision.APPROVED, break_glass={"until": (NOON + DAY).isoformat()}
    )
    record = make_record(live(None), change, exposure=started())
    assert (kept_until(record, NUMBER), kept_until(record, NUMBER + 1)) == (None, NOON + DAY)
