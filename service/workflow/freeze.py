"""A change freeze: a cluster takes nothing new for a while. What is approved meanwhile waits."""

from sqlalchemy.orm import Session

from service.domain.errors import Fault, Invalid, NotFound
from service.domain.freeze import Freeze
from service.domain.identifiers import NAME, NAME_IN_WORDS
from service.domain.spec import Document
from service.store import audit, freezes, identities
from service.store.database import wake
from service.workflow.act import Act
from service.workflow.govern import check_platform


def put_freeze(session: Session, wanted: Freeze, act: Act) -> tuple[Freeze, bool]:
    """Make a freeze, or change the one of that name; return it, and whether it is new.

    Raises:
        Forbidden: not the platform.
        NotFound: no such cluster.
        Invalid: its name or its times are none.
    """
    check_platform(act)
    if identities.cluster(session, wanted.cluster) is None:
        raise NotFound(f"There is no cluster {wanted.cluster!r}.")
    faults = []
    if not NAME.fullmatch(wanted.name):
        detail = f"{wanted.name!r} is no freeze's name: {NAME_IN_WORDS}."
        faults.append(Fault("#/name", detail))
    if wanted.ends_at <= max(wanted.begins_at, act.now):
        faults.append(Fault("#/ends_at", "A freeze ends after it begins, and in the future."))
    if faults:
        raise Invalid(faults)
    is_new = freezes.put(session, wanted, act.principal.document(), act.now)
    _note(session, "freeze-set", wanted.cluster, wanted.name, act, {"ends_at": wanted.ends_at.isoformat()})
    return wanted, is_new


def delete_freeze(session: Session, cluster: str, name: str, act: Act) -> None:
    """Lift a freeze: what waited for it goes on at once.

    Raises:
        Forbidden: not the platform.
        NotFound: there is none of that name.
    """
    check_platform(act)
    if not freezes.remove(session, cluster, name):
        raise NotFound(f"Cluster {cluster!r} has no change freeze {name!r}.")
    _note(session, "freeze-lifted", cluster, name, act, {})
    wake(session, cluster)


def freezes_of(session: Session, cluster: str) -> list[Freeze]:
    """Return the freezes of a cluster, the first to begin first; those that are over too.

    Raises:
        NotFound: no such cluster.
    """
    if identities.cluster(session, cluster) is None:
        raise NotFound(f"There is no cluster {cluster!r}.")
    return freezes.of_cluster(session, cluster)


def _note(session: Session, kind: str, cluster: str, name: str, act: Act, data: Document) -> None:
    facts = {"cluster": cluster, "name": name, **data}
    audit.append(session, kind, act.principal.document(), act.now, act.request_id, facts)
