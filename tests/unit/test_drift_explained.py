"""What differs, who wrote it, and when putting it right is a fight."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.drift import MOST_CHANGES, MOST_HEALS, NOBODY, QUIET, Drift, Heals, drift_of, storable
from service.domain.exposure import Sync
from service.domain.manifest import differs
from service.domain.plan import FIGHT
from service.domain.spec import Document
from service.reconciler.backoff import CAP_SECONDS, healed
from tests.builders import NOON, make_service


def written(manager: str, fields: Document, time: str | None = "2030-01-01T11:00:00Z") -> Document:
    entry = {"manager": manager, "operation": "Update", "fieldsV1": fields}
    return entry if time is None else entry | {"time": time}


def drifted(change: Callable[[Document], object], *entries: Document) -> Drift:
    service = make_service()
    change(service)
    service["metadata"]["managedFields"] = list(entries)
    drift = drift_of(service, make_service())
    assert drift is not None
    return drift


def steal(service: Document) -> None:
    service["spec"]["selector"] = {"app": "thief"}


SELECTOR = {"f:spec": {"f:selector": {}}}


def test_what_is_as_approved_has_no_drift() -> None:
    assert drift_of(make_service(), make_service()) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (steal, ("spec.selector[app]", "hello", "thief")),
        (lambda s: s["spec"].pop("selector"), ("spec.selector", {"app": "hello"}, None)),
        (lambda s: s["spec"]["ports"][0].update(port=81), ("spec.ports[0].port", 80, 81)),
        (lambda s: s["spec"]["ports"].append({"port": 9}), ("spec.ports[1]", None, {"port": 9})),
        (lambda s: s["spec"].update(externalIPs=["192.0.2.1"]), ("spec.externalIPs", None, ["192.0.2.1"])),
        (
            lambda s: s["metadata"]["annotations"].pop("wharfinger.dev/revision"),
            ("metadata.annotations[wharfinger.dev/revision]", "1", None),
        ),
    ],
)
def test_a_change_is_told_by_its_path_with_both_values(change: Any, expected: Any) -> None:
    [found] = drifted(change).changes
    assert (found["path"], found["approved"], found["found"]) == expected


def test_who_owns_what_differs_is_named_newest_first_and_we_are_not() -> None:
    drift = drifted(
        steal,
        written("older", SELECTOR, "2030-01-01T10:00:00Z"),
        written("wharfinger", SELECTOR),
        written("newer", SELECTOR),
        written("timeless", SELECTOR, None),
        written("bystander", {"f:spec": {"f:ports": {}}, "f:metadata": {"f:labels": {"f:x": {}}}}),
    )
    assert [writer.manager for writer in drift.writers] == ["newer", "older", "timeless"]
    told = drift.document()
    assert (told["manager"], told["at"]) == ("newer", "2030-01-01T11:00:00Z")
    assert [other["manager"] for other in told["others"]] == ["older", "timeless"]
    assert drift.blame() == "newer and older and timeless"


def test_nobody_is_made_up_for_what_was_taken_out() -> None:
    drift = drifted(lambda s: s["spec"].pop("selector"), written("bystander", {"f:spec": {"f:type": {}}}))
    assert (drift.writers, drift.blame(), drift.document()["manager"]) == ((), NOBODY, None)


def test_a_label_is_told_apart_from_the_label_beside_it() -> None:
    beside = written("bystander", {"f:metadata": {"f:labels": {".": {}, "f:other": {}}}})
    drift = drifted(lambda s: s["metadata"]["labels"].clear(), beside)
    assert drift.writers == ()


def test_what_is_kept_is_bounded() -> None:
    def scrawl(service: Document) -> None:
        service["spec"]["selector"] = {f"k{n}": "x" * 63 for n in range(500)}
        service["metadata"]["annotations"]["wharfinger.dev/digest"] = "y" * 10_000

    drift = drifted(scrawl)
    assert len(drift.changes) == MOST_CHANGES
    assert len(str(drift.document())) < MOST_CHANGES * 700
    assert "and 17 more" in drift.sentence()


def test_no_nul_is_kept() -> None:
    assert storable({"a\0": ["b\0", {"c": "\0"}], "n": 1}) == {
        "a\ufffd": ["b\ufffd", {"c": "\ufffd"}],
        "n": 1,
    }


@given(st.data())
def test_there_is_drift_exactly_where_something_differs(data: st.DataObject) -> None:
    fields = st.fixed_dictionaries(
        {},
        optional={
            "selector": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
            "type": st.sampled_from(["NodePort", "ClusterIP"]),
            "ports": st.lists(st.fixed_dictionaries({"port": st.integers(80, 81)}), max_size=2),
            "externalIPs": st.just(["192.0.2.1"]),
        },
    )
    service = make_service()
    service["spec"] |= data.draw(fields)
    paths = differs(service, make_service())
    drift = drift_of(service, make_service())
    changes = drift.changes if drift else ()
    assert {path for path in paths if any(c["path"].startswith(path) for c in changes)} == set(paths)
    assert all(c["approved"] != c["found"] for c in changes)


# Heals and fights.


def after_heals(*seconds: float) -> Heals:
    heals = Heals()
    for second in seconds:
        heals = heals.and_one(NOON + timedelta(seconds=second), fights=heals.is_fight())
    return heals


@pytest.mark.parametrize(
    ("seconds", "is_fight"),
    [
        (range(MOST_HEALS), False),
        (range(MOST_HEALS + 1), True),
        ([0, 10, 20, 30, 40, 59], True),
        ([0, 10, 20, 30, 40, 60], False),
        ([*range(MOST_HEALS), 70], False),
        ([*range(MOST_HEALS + 1), 400], True),
    ],
)
def test_more_than_five_heals_in_a_minute_are_a_fight(seconds: list[float], is_fight: bool) -> None:
    assert after_heals(*seconds).is_fight() is is_fight


def test_a_fight_that_ended_unnoticed_is_none_a_quiet_minute_later() -> None:
    heals = after_heals(*range(MOST_HEALS + 1)).and_one(NOON + 2 * QUIET, fights=False)
    assert heals == Heals(1, NOON + 2 * QUIET, NOON + 2 * QUIET)


def test_in_a_fight_it_rests_longer_each_time_and_says_who_and_until_when() -> None:
    known, rests = Sync(), []
    for _ in range(MOST_HEALS + 12):
        values = healed(known, "revision 1", "operator", NOON, 1)
        counts = {name: values[name] for name in ("heals", "heals_since", "healed_at")}
        known = Sync(**counts, reason=values.get("reason"))
        if "next_attempt_at" in values:
            rests.append((values["next_attempt_at"] - NOON).total_seconds())
            assert (values["reason"], values["aim"]) == (FIGHT, "revision 1")
            assert "operator" in values["message"]
    assert rests == [min(2.0**n, CAP_SECONDS) for n in range(12)]
