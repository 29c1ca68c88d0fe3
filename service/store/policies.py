"""Policies: every version of each is kept, one of them is active."""

from datetime import datetime

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from service.domain.policy import PolicyVersion
from service.domain.spec import Document
from service.store import tables as t
from service.store.prepared import Prepared
from service.store.tables.governance import POLICY_ACTIVATION

policy = t.policy.c

EPOCH = Prepared(select(func.coalesce(func.max(policy.activation), 0).label("epoch")))
SHOWN = [policy[name] for name in PolicyVersion.__annotations__]


def epoch(session: Session) -> int:
    """Return a number that grows whenever other policies become active."""
    found: int = EPOCH.first(session, {}).epoch
    return found


def active(session: Session) -> list[PolicyVersion]:
    """Return the policies that hold now, by name."""
    query = select(*SHOWN).where(policy.state == "active").order_by(policy.name)
    return [PolicyVersion(**row._mapping) for row in session.execute(query)]


def versions(session: Session, name: str | None = None) -> list[PolicyVersion]:
    """Return every version of one policy or of all, by name, the newest first."""
    query = select(*SHOWN).order_by(policy.name, policy.version.desc())
    if name is not None:
        query = query.where(policy.name == name)
    return [PolicyVersion(**row._mapping) for row in session.execute(query)]


def lock(session: Session) -> None:
    """Let nobody else write policies until the transaction ends: activations come one after another."""
    session.execute(text("LOCK TABLE policy IN SHARE ROW EXCLUSIVE MODE"))


def add(session: Session, name: str, document: Document, by: Document, now: datetime) -> PolicyVersion:
    """Write the next version of a policy, proposed; the caller has the lock."""
    known = versions(session, name)
    row = {
        "name": name,
        "version": known[0].version + 1 if known else 1,
        "document": document,
        "state": "proposed",
        "created_by": by,
        "created_at": now,
    }
    written = session.execute(insert(t.policy).values(row).returning(*SHOWN)).one()
    return PolicyVersion(**written._mapping)


def activate(session: Session, name: str, version: int, by: Document | None, now: datetime) -> None:
    """Let one version hold from now on, in place of the one that did; the caller has the lock."""
    session.execute(
        update(t.policy)
        .where(policy.name == name, policy.state == "active")
        .values(state="retired", retired_at=now)
    )
    session.execute(
        update(t.policy)
        .where(policy.name == name, policy.version == version)
        .values(
            state="active",
            reviewed_by=by,
            activated_at=now,
            activation=POLICY_ACTIVATION.next_value(),
        )
    )


def refuse(session: Session, name: str, version: int, by: Document, now: datetime) -> None:
    """Let a proposed version never hold; the caller has the lock."""
    session.execute(
        update(t.policy)
        .where(policy.name == name, policy.version == version)
        .values(state="retired", reviewed_by=by, retired_at=now)
    )
