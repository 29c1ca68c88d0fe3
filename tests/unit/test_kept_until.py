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
from tests.builders import EARLIER, NOON, make_exposure, make_record, make_revision, make_spec

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
    assert kept_until(record) == until
