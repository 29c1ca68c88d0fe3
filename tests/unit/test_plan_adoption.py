"""What is planned while a Service is to be adopted: never made, never deleted, marked only as it is."""

from typing import Any

import pytest

from service.domain.plan import Action, Adopt, Confirm, Desired, HandBack, Observed, Replace, Settle, plan
from tests.builders import EXPOSURE_ID, LATER, NOON, REF, TOKEN, make_desired, make_observed, make_wish

THEIRS = "uid-theirs"


def a_wish(**fields: Any) -> Desired:
    return make_wish(**({"adopts_uid": THEIRS} | fields))


def theirs(uid: str = THEIRS) -> Observed:
    return make_observed(uid=uid, labels={}, annotations={})


def marked(author: Desired | None = None, token: str = TOKEN, uid: str = THEIRS) -> Observed:
    return make_observed(author or a_wish(), token, uid=uid)


def planned(want: Desired, have: Observed | None) -> tuple[type[Action], str] | None:
    found = list(plan({REF: want}, {REF: have} if have else {}, NOON))
    assert len(found) <= 1
    return (type(found[0]), found[0].reason) if found else None


@pytest.mark.parametrize("have", [None, theirs(), theirs("another"), marked(), marked(uid="another")])
def test_it_is_looked_at_and_never_made(have: Observed | None) -> None:
    assert planned(a_wish(), have) == (Adopt, "adopted")


def test_it_rests_after_a_failure() -> None:
    assert planned(a_wish(tried_aim="revision 1", next_attempt_at=LATER), theirs()) is None


def test_our_mark_on_it_is_confirmed() -> None:
    assert planned(a_wish(create_tokens=(TOKEN,)), marked()) == (Confirm, "applied")


def test_what_changed_under_our_mark_is_put_right() -> None:
    have = marked()
    have.service["spec"]["selector"] = {"app": "other"}
    assert planned(a_wish(create_tokens=(TOKEN,)), have) == (Replace, "revised")


@pytest.mark.parametrize("have", [marked(uid="another"), marked(token="older"), theirs()])
def test_a_mark_elsewhere_is_no_mark(have: Observed) -> None:
    assert planned(a_wish(create_tokens=(TOKEN,)), have) == (Adopt, "adopted")


def test_a_copy_with_our_mark_is_nobody_that_we_own() -> None:
    want = a_wish(create_tokens=(TOKEN,))
    assert (want.owns(marked()), want.owns(marked(uid="another"))) == (True, False)


def test_another_exposures_mark_is_not_ours() -> None:
    other = make_desired(exposure_id=type(EXPOSURE_ID)(int=8))
    assert planned(a_wish(create_tokens=(TOKEN,)), marked(other)) == (Adopt, "adopted")


@pytest.mark.parametrize("have", [None, theirs(), theirs("another")])
def test_an_end_before_leaves_it_alone(have: Observed | None) -> None:
    assert planned(a_wish(manifest=None), have) == (Settle, "gone")


@pytest.mark.parametrize(("is_suspended", "reason"), [(True, "suspended"), (False, "withdrawn")])
def test_an_unconfirmed_mark_is_taken_off_and_nothing_deleted(is_suspended: bool, reason: str) -> None:
    want = a_wish(manifest=None, is_suspended=is_suspended, create_tokens=(TOKEN,))
    assert planned(want, marked()) == (HandBack, reason)


def test_a_suspension_that_is_done_has_nothing_to_do() -> None:
    assert planned(a_wish(manifest=None, is_suspended=True), theirs()) is None
