"""From two maps to actions with reasons."""

from collections.abc import Callable
from typing import Any

import pytest

from service.domain.exposure import SyncState
from service.domain.plan import (
    FOREIGN_OWNER,
    TERMINATING,
    Action,
    Confirm,
    Create,
    Delete,
    Desired,
    Linger,
    Observed,
    Ref,
    Replace,
    Report,
    Settle,
    plan,
)
from service.domain.spec import Document, ExposureType
from tests.builders import (
    LATER,
    NOON,
    REF,
    TOKEN,
    make_desired,
    make_foreign,
    make_manifest,
    make_observed,
    make_service,
    make_spec,
    make_wish,
)

NEW = make_manifest(make_spec(selector={"app": "new"}))


def plan_one(want: Desired, have: Observed | None) -> list[Action]:
    return list(plan({REF: want}, {} if have is None else {REF: have}, NOON))


def make_removal(**fields: Any) -> Desired:
    return make_desired(manifest=None, **fields)


def edited(change: Callable[[Document], object], want: Desired | None = None) -> Observed:
    service = make_service(want)
    change(service)
    return Observed(service)


# What is to be there.


def test_a_missing_service_is_created() -> None:
    assert plan_one(make_wish(), None) == [Create(REF, "missing")]


def test_a_live_service_that_somebody_deleted_is_created_again() -> None:
    assert plan_one(make_desired(), None) == [Create(REF, "missing")]


def test_a_service_in_sync_needs_nothing() -> None:
    assert plan_one(make_desired(), make_observed()) == []


def test_a_new_revision_replaces_the_live_service() -> None:
    want = make_desired(revision=2, digest="sha256:new", is_live=False, manifest=NEW)

    assert plan_one(want, make_observed()) == [Replace(REF, "revised")]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["spec"].update(selector={"app": "thief"}),
        lambda s: s["spec"]["ports"][0].update(nodePort=30008),
        lambda s: s["spec"].update(type="ClusterIP"),
        lambda s: s["spec"]["ports"].append({"name": "more", "port": 81, "protocol": "TCP"}),
        lambda s: s["metadata"].pop("labels"),
        lambda s: s["metadata"]["annotations"].update({"wharfinger.dev/digest": "sha256:other"}),
        lambda s: s["metadata"]["annotations"].update({"wharfinger.dev/revision": "9"}),
        lambda s: s["metadata"]["annotations"].update({"wharfinger.dev/request-id": "other"}),
    ],
    ids=["selector", "node-port", "type", "more-ports", "no-label", "digest", "revision", "request"],
)
def test_a_live_service_changed_by_hand_is_put_right(change: Callable[[Document], object]) -> None:
    assert plan_one(make_desired(), edited(change)) == [Replace(REF, "drift")]


def test_what_others_add_to_a_service_is_theirs() -> None:
    def annotate(service: Document) -> None:
        service["metadata"]["annotations"]["example.com/note"] = "hello"
        service["metadata"]["labels"]["example.com/tier"] = "front"

    assert plan_one(make_desired(), edited(annotate)) == []


def test_a_create_whose_answer_was_lost_is_confirmed() -> None:
    want = make_wish(create_tokens=("older", TOKEN), sync_state=SyncState.APPLYING, sync_revision=1)

    assert plan_one(want, make_observed(want)) == [Confirm(REF, "applied")]


def test_a_lost_create_that_arrives_beside_a_recorded_uid_is_confirmed() -> None:
    late = make_observed(uid="uid-2")

    assert plan_one(make_desired(create_tokens=(TOKEN,)), late) == [Confirm(REF, "applied")]


@pytest.mark.parametrize(
    "unsettled",
    [{"sync_state": SyncState.FAILED}, {"sync_state": SyncState.APPLYING}, {"sync_revision": None}],
    ids=["failed", "applying", "other-revision"],
)
def test_a_cluster_that_has_it_while_the_ledger_says_otherwise_is_confirmed(unsettled: Any) -> None:
    assert plan_one(make_desired(**unsettled), make_observed()) == [Confirm(REF, "applied")]


DYING = {"deletionTimestamp": "2030-01-01T11:59:59Z"}


def test_a_service_that_is_being_deleted_is_told_of_and_gets_no_new_revision() -> None:
    dying = make_observed(**DYING)

    assert plan_one(make_desired(is_live=False, revision=2), dying) == [Linger(REF, "terminating")]


def test_a_service_that_is_being_deleted_is_told_of_once() -> None:
    told = make_desired(sync_state=SyncState.FAILED, failure=TERMINATING, tried_aim="revision 1")

    assert plan_one(told, make_observed(**DYING)) == []


def test_drift_is_put_right_while_finalizers_keep_the_service() -> None:
    dying = make_observed(**DYING)
    dying.service["spec"]["selector"] = {"app": "thief"}

    assert plan_one(make_desired(), dying) == [Replace(REF, "drift")]


# What is to go.


def test_a_withdrawn_service_is_deleted() -> None:
    assert plan_one(make_removal(), make_observed()) == [Delete(REF, "withdrawn")]


def test_a_withdrawn_service_goes_even_when_its_mark_was_stripped() -> None:
    stripped = make_observed(labels={}, annotations={})

    assert plan_one(make_removal(), stripped) == [Delete(REF, "withdrawn")]


def test_a_service_that_is_gone_is_settled() -> None:
    assert plan_one(make_removal(), None) == [Settle(REF, "gone")]


def test_a_withdrawn_service_that_waits_for_finalizers_is_waited_for() -> None:
    assert plan_one(make_removal(), make_observed(**DYING)) == [Linger(REF, "terminating")]


def test_removal_never_touches_who_took_the_name_since() -> None:
    assert plan_one(make_removal(), make_foreign()) == [Settle(REF, "gone")]


def test_a_suspension_takes_the_service_out() -> None:
    assert plan_one(make_removal(is_suspended=True), make_observed()) == [Delete(REF, "suspended")]


def test_a_suspension_is_settled_once() -> None:
    down = make_removal(is_suspended=True, sync_state=SyncState.REMOVED, uid=None)
    assert plan_one(down, None) == []


def test_a_suspension_waits_for_a_create_that_may_arrive() -> None:
    lost = make_removal(is_suspended=True, sync_state=SyncState.NONE, uid=None, create_tokens=(TOKEN,))
    assert plan_one(lost, None) == [Settle(REF, "gone")]


def test_a_create_that_arrived_after_the_withdrawal_is_deleted() -> None:
    want = make_removal(uid=None, create_tokens=(TOKEN,))

    assert plan_one(want, make_observed()) == [Delete(REF, "withdrawn")]


# Resting after a failure.


def test_a_failed_aim_rests_until_its_next_attempt() -> None:
    want = make_wish(tried_aim="revision 1", next_attempt_at=LATER)

    assert plan_one(want, None) == []


def test_a_failed_aim_is_tried_when_its_next_attempt_is_due() -> None:
    want = make_wish(tried_aim="revision 1", next_attempt_at=NOON)

    assert plan_one(want, None) == [Create(REF, "missing")]


def test_a_new_revision_never_waits_for_the_failures_of_another() -> None:
    want = make_wish(revision=2, tried_aim="revision 1", next_attempt_at=LATER)

    assert plan_one(want, None) == [Create(REF, "missing")]


def test_a_removal_never_waits_for_the_failures_of_a_create() -> None:
    want = make_removal(tried_aim="revision 1", next_attempt_at=LATER)

    assert plan_one(want, make_observed()) == [Delete(REF, "withdrawn")]


def test_a_failed_removal_rests_too() -> None:
    want = make_removal(tried_aim="removal", next_attempt_at=LATER)

    assert plan_one(want, make_observed()) == []


# Whose it is.


def test_a_strangers_service_is_reported() -> None:
    assert plan_one(make_wish(), make_foreign()) == [Report(REF, "foreign")]


def test_a_stranger_is_reported_once() -> None:
    want = make_wish(tried_aim="revision 1", failure=FOREIGN_OWNER)

    assert plan_one(want, make_foreign()) == []


def test_a_stranger_is_reported_again_to_another_revision() -> None:
    want = make_wish(revision=2, tried_aim="revision 1", failure=FOREIGN_OWNER)

    assert plan_one(want, make_foreign()) == [Report(REF, "foreign")]


def test_a_stranger_is_reported_when_the_last_failure_was_another() -> None:
    want = make_wish(tried_aim="revision 1", failure="NodePortTaken")

    assert plan_one(want, make_foreign()) == [Report(REF, "foreign")]


def test_the_name_is_taken_when_the_stranger_has_gone() -> None:
    want = make_wish(tried_aim="revision 1", failure=FOREIGN_OWNER)

    assert plan_one(want, None) == [Create(REF, "missing")]


# Many keys.


def test_services_that_nobody_wants_are_not_looked_at() -> None:
    other = Ref("kube-system", "dns")

    assert list(plan({}, {REF: make_observed(), other: make_foreign(other)}, NOON)) == []


def test_actions_come_in_the_order_of_their_keys() -> None:
    refs = [Ref("b", "a"), Ref("a", "z"), Ref("a", "b")]

    actions = list(plan(dict.fromkeys(refs, make_wish()), {}, NOON))

    assert [action.ref for action in actions] == [Ref("a", "b"), Ref("a", "z"), Ref("b", "a")]


def test_one_that_rests_does_not_stop_the_next() -> None:
    desired = {
        Ref("a", "a"): make_wish(tried_aim="revision 1", next_attempt_at=LATER),
        Ref("a", "b"): make_wish(),
    }

    assert list(plan(desired, {}, NOON)) == [Create(Ref("a", "b"), "missing")]


@pytest.mark.parametrize("kind", list(ExposureType))
def test_every_type_as_a_cluster_stores_it_is_in_sync(kind: ExposureType) -> None:
    want = make_desired(manifest=make_manifest(make_spec(type=kind)))

    assert plan_one(want, make_observed(want)) == []
