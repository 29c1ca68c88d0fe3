"""What the platform's rules for a cluster make of a plan, and what never changes in place."""

from typing import Any

import pytest

from service.domain.cluster import Mode, OnDrift, Rules
from service.domain.exposure import SyncState
from service.domain.held import DRY_RUN, UPSERT_ONLY
from service.domain.manifest import fixed
from service.domain.plan import (
    FIGHT,
    NEEDS_REPLACE,
    Action,
    Confirm,
    Create,
    Delete,
    Desired,
    Notice,
    Observed,
    Recreate,
    Replace,
    Report,
    Withhold,
    plan,
)
from service.domain.spec import ExposureType, LoadBalancer
from tests.builders import (
    EARLIER,
    LATER,
    NOON,
    REF,
    make_desired,
    make_foreign,
    make_manifest,
    make_observed,
    make_service,
    make_spec,
    make_wish,
)

DRY, UPSERT = Rules(mode=Mode.DRY_RUN), Rules(mode=Mode.UPSERT_ONLY)
REPORT = Rules(drift=OnDrift.REPORT)


def plan_one(want: Desired, have: Observed | None, rules: Rules = REPORT) -> Action | None:
    actions = list(plan({REF: want}, {} if have is None else {REF: have}, NOON, rules))
    assert len(actions) <= 1
    return actions[0] if actions else None


def stolen() -> Observed:
    """Return what we have in the cluster, with another selector."""
    service = make_service()
    service["spec"]["selector"] = {"app": "thief"}
    return Observed(service)


def balancer(class_: str | None, **fields: Any) -> Desired:
    spec = make_spec(type=ExposureType.LOAD_BALANCER, load_balancer=LoadBalancer(class_=class_))
    return make_desired(manifest=make_manifest(spec), **fields)


# Drift that is kept.


def test_drift_is_kept_where_the_platform_says_so() -> None:
    assert plan_one(make_desired(), stolen()) == Notice(REF, "drift")


def test_drift_that_people_know_of_is_not_told_again() -> None:
    known = make_desired(sync_state=SyncState.DRIFTED, noticed="41")
    assert plan_one(known, stolen()) is None


def test_another_version_of_the_service_is_looked_at_again() -> None:
    known = make_desired(sync_state=SyncState.DRIFTED, noticed="40")
    assert plan_one(known, stolen()) == Notice(REF, "drift")


def test_what_people_want_reverted_is_put_right() -> None:
    asked = make_desired(sync_state=SyncState.DRIFTED, noticed="41", reverts=True)
    assert plan_one(asked, stolen()) == Replace(REF, "drift")


def test_a_new_revision_goes_over_drift_that_is_kept() -> None:
    want = make_desired(revision=2, is_live=False, sync_state=SyncState.DRIFTED, noticed="41")
    assert plan_one(want, stolen()) == Replace(REF, "revised")


def test_what_is_missing_is_made_again_there_too() -> None:
    assert plan_one(make_desired(), None) == Create(REF, "missing")


def test_drift_that_is_gone_is_confirmed() -> None:
    known = make_desired(sync_state=SyncState.DRIFTED, noticed="40")
    assert plan_one(known, make_observed()) == Confirm(REF, "applied")


# Modes.


@pytest.mark.parametrize(
    ("want", "have", "words"),
    [
        (make_wish(), None, "make the Service"),
        (make_desired(), stolen(), "change the Service (spec.selector)"),
        (make_desired(revision=2, is_live=False), make_observed(), "change the Service (its owner mark)"),
        (make_desired(manifest=None), make_observed(), "delete the Service"),
        (make_wish(adopts_uid="uid-foreign"), make_foreign(), "set the owner mark on the Service"),
    ],
)
def test_a_dry_run_says_what_would_be_done(want: Desired, have: Observed | None, words: str) -> None:
    held = plan_one(want, have, DRY)
    assert isinstance(held, Withhold)
    assert (held.reason, words in held.message) == (DRY_RUN, True)


def test_what_was_said_of_a_dry_run_is_not_said_again_and_something_else_is() -> None:
    held = plan_one(make_desired(), stolen(), DRY)
    assert isinstance(held, Withhold)
    told = make_desired(
        sync_state=SyncState.DRIFTED, failure=DRY_RUN, tried_aim="revision 1", message=held.message
    )
    assert plan_one(told, stolen(), DRY) is None
    assert isinstance(plan_one(told, None, DRY), Withhold)


def test_a_dry_run_still_tells_of_strangers() -> None:
    assert plan_one(make_wish(), make_foreign(), DRY) == Report(REF, "foreign")


def test_upsert_only_deletes_nothing_and_does_the_rest() -> None:
    held = plan_one(make_desired(manifest=None), make_observed(), UPSERT)
    assert isinstance(held, Withhold)
    assert held.reason == UPSERT_ONLY
    assert plan_one(make_wish(), None, UPSERT) == Create(REF, "missing")
    assert plan_one(make_desired(), stolen(), UPSERT) == Replace(REF, "drift")


# What never changes in place.


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ("example.com/a", "example.com/b", ("spec.loadBalancerClass",)),
        ("example.com/a", None, ("spec.loadBalancerClass",)),
        (None, "example.com/a", ("spec.loadBalancerClass",)),
        ("example.com/a", "example.com/a", ()),
    ],
)
def test_a_balancers_class_is_fixed(before: str | None, after: str | None, paths: tuple[str, ...]) -> None:
    old, new = balancer(before).manifest, balancer(after).manifest
    assert old is not None
    assert new is not None
    assert fixed(old, new) == paths
    assert fixed(old, make_manifest()) == fixed(make_manifest(), new) == ()


def test_a_number_for_health_checks_is_fixed_while_both_have_one() -> None:
    def with_number(number: int | None) -> dict[str, Any]:
        return {"spec": {"type": "LoadBalancer", "healthCheckNodePort": number}}

    assert fixed(with_number(1), with_number(2)) == ("spec.healthCheckNodePort",)
    assert fixed(with_number(1), with_number(None)) == fixed(with_number(None), with_number(2)) == ()


def revised(class_: str | None, **fields: Any) -> Desired:
    return balancer(class_, revision=2, is_live=False, fixed=("spec.loadBalancerClass",), **fields)


def test_a_revision_that_says_replace_is_made_anew() -> None:
    have = make_observed(balancer("example.com/a"))
    assert plan_one(revised("example.com/b", replaces=True), have) == Recreate(REF, "revised")
    assert plan_one(revised(None, replaces=True), have) == Recreate(REF, "revised")


def test_one_that_does_not_say_so_waits_for_a_person_and_is_told_once() -> None:
    have = make_observed(balancer("example.com/a"))
    held = plan_one(revised("example.com/b"), have)
    assert isinstance(held, Withhold)
    assert (held.reason, "spec.loadBalancerClass" in held.message) == (NEEDS_REPLACE, True)
    told = revised("example.com/b", failure=NEEDS_REPLACE, tried_aim="revision 2", message=held.message)
    assert plan_one(told, have) is None


def test_what_a_webhook_added_needs_no_other_service() -> None:
    have = make_observed(balancer(None))
    have.service["spec"]["loadBalancerClass"] = "example.com/by-webhook"
    want = balancer(None, revision=2, is_live=False)
    assert plan_one(want, have) == Replace(REF, "revised")


def test_what_the_cluster_called_fixed_is_made_anew_if_it_may() -> None:
    refused: dict[str, Any] = {
        "failure": NEEDS_REPLACE,
        "tried_aim": "revision 2",
        "next_attempt_at": EARLIER,
    }
    want = make_desired(revision=2, is_live=False, **refused)
    assert plan_one(want, make_observed()) == Replace(REF, "revised")
    may = make_desired(revision=2, is_live=False, replaces=True, **refused)
    assert plan_one(may, make_observed()) == Recreate(REF, "revised")


def test_upsert_only_makes_nothing_anew() -> None:
    held = plan_one(revised("example.com/b", replaces=True), make_observed(balancer("example.com/a")), UPSERT)
    assert isinstance(held, Withhold)
    assert held.reason == UPSERT_ONLY


# A fight.


def fighting(**fields: Any) -> Desired:
    known: dict[str, Any] = {"sync_state": SyncState.DRIFTED, "failure": FIGHT, "tried_aim": "revision 1"}
    return make_desired(**(known | {"next_attempt_at": LATER, "calm_from": LATER} | fields))


def test_what_is_undone_again_and_again_rests() -> None:
    assert plan_one(fighting(), stolen(), Rules()) is None
    assert plan_one(fighting(), None, Rules()) is None
    assert plan_one(fighting(next_attempt_at=NOON), stolen(), Rules()) == Replace(REF, "drift")


def test_a_fight_is_over_after_a_quiet_time_however_long_it_would_rest() -> None:
    assert plan_one(fighting(), make_observed(), Rules()) is None
    assert plan_one(fighting(calm_from=NOON), make_observed(), Rules()) == Confirm(REF, "calm")


def test_nothing_else_waits_for_a_fight() -> None:
    assert plan_one(fighting(manifest=None), make_observed(), Rules()) == Delete(REF, "withdrawn")
    assert plan_one(fighting(revision=2, is_live=False), make_observed(), Rules()) == Replace(REF, "revised")
    assert plan_one(fighting(), make_foreign(), Rules()) == Report(REF, "foreign")
