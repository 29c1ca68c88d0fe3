"""What is written down of what the worker does not do: drift that is kept for people, what a mode holds back.

Each is said once: the same drift, the same reason, again and again at each look, is one event.
"""

import json
from datetime import datetime

from service.domain.drift import drift_of, storable
from service.domain.exposure import Decision, ExposureRecord, SyncState
from service.domain.manifest import Mark, with_mark
from service.domain.plan import Desired, Observed, Withhold
from service.domain.spec import Document
from service.reconciler.desire import desired_of
from service.reconciler.recording import tell, via
from service.store import exposures, sync
from service.store.database import Session

DRIFTED = "Drifted"

MOST_CHARACTERS = 32_000
"""Of a Service that is kept for an adoption, as JSON: each look reads it."""


def noticed(session: Session, want: Desired, found: Observed, now: datetime) -> None:
    """Keep drift for people: what differs, who wrote it, and the Service as it was just read."""
    assert want.manifest is not None
    mark = Mark.of(found.service)
    drift = drift_of(found.service, with_mark(want.manifest, want.marked(mark.create_token if mark else "")))
    record = _locked(session, want, now) if drift is not None else None
    if drift is None or record is None:
        return  # undone since: the next look confirms it
    told = drift.document()
    kept = {
        **told,
        "seen_at": now.isoformat(),
        "resource_version": found.resource_version,
        "service": _copy(record, found.service),
    }
    sync.record(
        session,
        want.exposure_id,
        now,
        state=_drifted(record.sync.state),
        aim=None,
        attempts=0,
        next_attempt_at=None,
        reason=DRIFTED,
        message=f"{drift.sentence()}. It is left as it is: revert it, or adopt it "
        f"(POST /v1/exposures/{want.exposure_id}/drift).",
        drift=kept,
    )
    if record.sync.drift is None or record.sync.drift["diff"] != told["diff"]:
        tell(session, want, "drift-seen", now, uid=found.uid, **told)


def withheld(session: Session, want: Desired, action: Withhold, now: datetime) -> None:
    """Say what the cluster's mode holds back."""
    record = _locked(session, want, now)
    if record is None:
        return
    known = record.sync
    sync.record(
        session,
        want.exposure_id,
        now,
        state=_drifted(known.state) if known.state is SyncState.IN_SYNC else known.state.value,
        aim=want.aim,
        attempts=0,
        next_attempt_at=None,
        reason=action.reason,
        message=action.message,
        retryable=True,
    )
    if (known.reason, known.message) != (action.reason, action.message):
        tell(session, want, "held-back", now, reason=action.reason, message=action.message)


def _locked(session: Session, want: Desired, now: datetime) -> ExposureRecord | None:
    """Lock and look again; None: what was planned is no longer what is wanted."""
    record = exposures.lock(session, want.exposure_id, wait=False)
    return None if record is None or not want.is_same_wish(desired_of(record, now)) else record


def _drifted(state: SyncState) -> str:
    if state is SyncState.DRIFTED:
        return state.value
    begin = () if state is SyncState.IN_SYNC else (SyncState.APPLYING, SyncState.IN_SYNC)
    return via(state, *begin, SyncState.DRIFTED)


def _copy(record: ExposureRecord, service: Document) -> Document | None:
    """Return what an adoption needs of a Service; None: it is too long to be kept."""
    live = record.newest(Decision.LIVE)
    ours = live.manifest["metadata"].get("annotations", {}) if live else {}
    annotations = service["metadata"].get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if key in ours}
    copy: Document = storable({"spec": service["spec"], "annotations": kept})
    return copy if len(json.dumps(copy)) <= MOST_CHARACTERS else None
