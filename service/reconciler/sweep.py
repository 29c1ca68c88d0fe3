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
from service.reconciler.observe import ingress, ready_endpoints
from service.store.wishes import Settled


def differing(settled: Sequence[Settled], look: Look, now: datetime) -> set[Ref]:
    """Return the keys of settled exposures that something has to be done for."""
    found = {action.ref for action in plan({s.ref: _desired(s) for s in settled}, look.services, now)}
    return found | {s.ref for s in settled if s.ref not in found and _has_news(s, look)}


def _has_news(settled: Settled, look: Look) -> bool:
    """Return whether its endpoints or its balancer's addresses are others than was written down."""
    service = look.services[settled.ref]
    ready = ready_endpoints(service, look.slices.get(settled.ref, ()))
    return (ready, list(ingress(service))) != (settled.ready_endpoints, list(settled.ingress))


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
