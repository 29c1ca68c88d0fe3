"""A look at everything: what wake-ups missed is found here. It writes nothing.

Most exposures are as they should be, so each one is compared from one lean row with what is known of the
cluster, by the same ``plan`` as a single key. Whoever differs, or is in the middle of something, is looked at
like after a wake-up.
"""

from collections.abc import Sequence
from datetime import datetime

from service.domain.exposure import SyncState
from service.domain.manifest import with_ports
from service.domain.plan import Desired, Ref, plan
from service.reconciler.cache import Look
from service.reconciler.readiness import Seen, see
from service.store.wishes import Settled


def differing(settled: Sequence[Settled], look: Look, now: datetime) -> set[Ref]:
    """Return the keys of settled exposures that something has to be done for."""
    return {s.ref for s in settled if _differs(s, look, now)}


def _differs(settled: Settled, look: Look, now: datetime) -> bool:
    try:
        return any(plan({settled.ref: _desired(settled)}, look.services, now)) or _has_news(settled, look)
    except Exception:
        return True  # it is looked at alone, where its fault is logged and stops nobody else


def _has_news(settled: Settled, look: Look) -> bool:
    """Return whether clients find it otherwise than was written down."""
    service = look.services[settled.ref]
    seen = see(service, settled.manifest, look.slices.get(settled.ref, ()))
    known = Seen(service.uid, settled.ready_endpoints, tuple(settled.ingress), settled.target_ports)
    return seen != known


def _desired(settled: Settled) -> Desired:
    return Desired(
        exposure_id=settled.exposure_id,
        revision=settled.revision,
        digest=settled.digest,
        manifest=with_ports(settled.manifest, settled.allocation),
        sync_state=SyncState.IN_SYNC,
        sync_revision=settled.revision,
        is_live=True,
        uid=settled.uid,
        create_tokens=settled.create_tokens,
        tried_aim=None,
        next_attempt_at=None,
        asked_ports=settled.allocation.asked(),
        request_id=settled.request_id,
    )
