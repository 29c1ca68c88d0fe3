"""What is ours in a cluster and belongs to an exposure that has ended: reported first, removed later.

How it comes about: a create whose answer was lost and that arrived long after everybody had given it up.
Nobody decided these removals, so they are counted: too many at once stop and ask. Copies and strangers are
reported and left alone; the Service of an exposure that was abandoned with its cluster is such a copy.
"""

import logging
from collections.abc import Mapping

from service.cluster.gateway import Gateway
from service.domain.cluster import Mode
from service.domain.errors import ClusterError, ObjectMissing
from service.domain.manifest import Mark
from service.domain.orphan import Standing, are_too_many, standing
from service.domain.plan import Observed, Owner, Ref
from service.reconciler.cache import Look
from service.reconciler.edge import Edge
from service.reconciler.recording import ACTOR
from service.store import audit, events, orphans
from service.store.identities import Cluster
from service.store.orphans import Orphan

log = logging.getLogger(__name__)


class Orphans:
    """One cluster's."""

    def __init__(self, cluster: Cluster, gateway: Gateway, edge: Edge) -> None:
        self._cluster, self._gateway, self._edge = cluster, gateway, edge

    def look(self, look: Look, owners: Mapping[Ref, Owner]) -> list[Orphan]:
        """Count and report what no exposure wants; return what may be removed now.

        Args:
            look: at all Services.
            owners: by what the exposures that have not ended know theirs.
        """
        marked = {ref: (s, mark) for ref, s in look.services.items() if (mark := Mark.of(s.service))}
        stray = {
            ref: found for ref, found in marked.items() if ref not in owners or not owners[ref].owns(found[0])
        }
        now, name = self._edge.now(), self._cluster.name
        with self._edge.transaction() as session:
            known, ended = orphans.exposures_behind(session, {mark.exposure_id for _, mark in stray.values()})
            kinds = {
                ref: standing(service, mark, ended.get(mark.exposure_id), mark.exposure_id in known)
                for ref, (service, mark) in stray.items()
            }
            seen = [
                Orphan(ref, service.uid, mark.exposure_id)
                for ref, (service, mark) in stray.items()
                if kinds[ref] is Standing.ORPHAN and not service.terminating
            ]
            sightings, new = orphans.see(session, name, seen, now)
            due = [orphan for orphan in seen if sightings[orphan.uid].is_due(now)]
            released = orphans.released_at(session, name)
            due_sightings = [sightings[orphan.uid] for orphan in due]
            strangers = sum(kind is not Standing.ORPHAN for kind in kinds.values())
            ours = len(marked) - strangers
            is_held = are_too_many(due_sightings, ours, self._cluster.removal_share, released)
            withheld = len(due) if is_held else 0
            before = orphans.record_counts(session, name, len(seen), strangers, withheld)
            for orphan in seen:
                if orphan.uid in new:
                    data = {"cluster": name, "service": str(orphan.ref), "exposure": str(orphan.exposure_id)}
                    audit.append(session, "orphan-seen", ACTOR, now, None, data)
            if withheld and not before:
                held = {"cluster": name, "removals": withheld, "of": ours}
                audit.append(session, "removals-withheld", ACTOR, now, None, held)
        if withheld:
            log.warning("removals are withheld", extra={"cluster": name, "removals": withheld})
        may_remove = self._cluster.mode is Mode.SYNC and not is_held
        return due if may_remove else []

    def remove(self, orphan: Orphan) -> None:
        """Delete one after a direct read, fenced; whatever stands in the way, the next sweep sees it again.

        Raises:
            Busy, Unavailable: the database.
        """
        facts = {"exposure_id": str(orphan.exposure_id), "service": str(orphan.ref)}
        try:
            found = self._gateway.service(orphan.ref.namespace, orphan.ref.name)
            mark = None if found is None else Mark.of(found)
            if found is None or mark is None:
                return
            if (Observed(found).uid, mark.exposure_id) != (orphan.uid, orphan.exposure_id):
                return
            version = Observed(found).resource_version
            self._gateway.delete(orphan.ref.namespace, orphan.ref.name, orphan.uid, version)
        except ObjectMissing:
            return
        except ClusterError as error:
            log.warning("orphan could not be removed", extra=facts | {"answer": str(error)})
            return
        log.info("orphan removed", extra=facts)
        with self._edge.transaction() as session:
            now = self._edge.now()
            events.append(
                session,
                orphan.exposure_id,
                "orphan-removed",
                actor=ACTOR,
                now=now,
                request_id="",
                data={"service": str(orphan.ref), "uid": orphan.uid},
            )
