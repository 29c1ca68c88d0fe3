"""What holds for every plan: it keeps to what is wanted, touches only what is ours, and comes to rest."""

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from service.domain.cluster import Mode, OnDrift, Rules
from service.domain.exposure import SyncState
from service.domain.held import DRY_RUN
from service.domain.manifest import Mark, differs, merged, with_mark
from service.domain.plan import (
    FIGHT,
    FOREIGN_OWNER,
    NEEDS_REPLACE,
    TERMINATING,
    Action,
    Confirm,
    Create,
    Delete,
    Desired,
    Linger,
    Notice,
    Observed,
    Recreate,
    Ref,
    Replace,
    Report,
    Settle,
    Withhold,
    plan,
)
from tests.builders import (
    EARLIER,
    LATER,
    NOON,
    TOKEN,
    UID,
    make_desired,
    make_foreign,
    make_manifest,
    make_observed,
    make_spec,
)

REFS = [Ref(namespace, name) for namespace in ("a", "b") for name in ("x", "y")]
MANIFESTS = [make_manifest(), make_manifest(make_spec(selector={"app": "new"})), None]
TIMES = [None, EARLIER, LATER]

wishes = st.builds(
    make_desired,
    revision=st.sampled_from([1, 2]),
    manifest=st.sampled_from(MANIFESTS),
    sync_state=st.sampled_from(SyncState),
    sync_revision=st.sampled_from([None, 1, 2]),
    is_live=st.booleans(),
    uid=st.sampled_from([None, UID]),
    create_tokens=st.sampled_from([(), (TOKEN,), ("older", TOKEN)]),
    tried_aim=st.sampled_from([None, "revision 1", "revision 2", "removal"]),
    next_attempt_at=st.sampled_from(TIMES),
    failure=st.sampled_from([None, FOREIGN_OWNER, "NodePortTaken", FIGHT, NEEDS_REPLACE, DRY_RUN]),
    replaces=st.booleans(),
    noticed=st.sampled_from([None, "41"]),
    reverts=st.booleans(),
    calm_from=st.sampled_from(TIMES),
)
every_rule = st.builds(Rules, st.sampled_from(Mode), st.sampled_from(OnDrift))


@st.composite
def services(draw: st.DrawFn, ref: Ref) -> Observed:
    """Draw what a cluster may have under a name: ours or a copy, whole or dying, or a stranger's."""
    metadata = {"namespace": ref.namespace, "name": ref.name}
    if draw(st.booleans()):
        metadata["deletionTimestamp"] = "2030-01-01T11:59:59Z"
    if draw(st.integers(0, 3)) == 0:
        return make_foreign(ref, **metadata)
    author = make_desired(
        exposure_id=draw(st.sampled_from([UUID(int=7), UUID(int=8)])),
        revision=draw(st.sampled_from([1, 2])),
        manifest=draw(st.sampled_from(MANIFESTS[:2])),
    )
    found = make_observed(author, draw(st.sampled_from([TOKEN, "spent"])), **metadata)
    found.service["metadata"]["uid"] = draw(st.sampled_from([UID, "uid-2"]))
    if draw(st.booleans()):
        found.service["metadata"].pop("labels")
    return found


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[Ref, Desired], dict[Ref, Observed]]:
    """Draw both sides; each may have keys that the other lacks."""
    desired = {ref: draw(wishes) for ref in draw(st.lists(st.sampled_from(REFS), unique=True))}
    observed = {ref: draw(services(ref)) for ref in draw(st.lists(st.sampled_from(REFS), unique=True))}
    return desired, observed


def apply(action: Action, desired: dict[Ref, Desired], observed: dict[Ref, Observed]) -> None:
    """Do one action as the executor does, in a cluster that answers every call."""
    ref, want = action.ref, desired[action.ref]
    match action:
        case Create():
            assert ref not in observed
            metadata = {"namespace": ref.namespace, "name": ref.name, "uid": "uid-new"}
            observed[ref] = make_observed(want, "token-new", **metadata)
        case Replace():
            assert want.manifest is not None
            mark = Mark.of(observed[ref].service)
            sent = with_mark(want.manifest, want.marked(mark.create_token if mark else "token-new"))
            stored = merged(observed[ref].service, sent, None)
            stored["spec"]["externalTrafficPolicy"] = "Cluster"
            observed[ref] = Observed(stored)
        case Delete() | Recreate():
            del observed[ref]
            return
        case Notice():
            noticed = observed[ref].resource_version
            desired[ref] = replace(want, sync_state=SyncState.DRIFTED, noticed=noticed)
            return
        case Withhold(reason=reason, message=message):
            desired[ref] = replace(
                want, failure=reason, message=message, tried_aim=want.aim, next_attempt_at=None
            )
            return
        case Settle():
            del desired[ref]
            return
        case Report() | Linger():
            desired[ref] = replace(
                want,
                sync_state=SyncState.FAILED,
                failure=FOREIGN_OWNER if isinstance(action, Report) else TERMINATING,
                tried_aim=want.aim,
                next_attempt_at=LATER,
            )
            return
    desired[ref] = replace(
        want,
        sync_state=SyncState.IN_SYNC,
        sync_revision=want.revision,
        is_live=True,
        uid=observed[ref].uid,
        create_tokens=(),
        tried_aim=None,
        next_attempt_at=None,
        failure=None,
    )


@given(worlds())
def test_a_plan_names_each_wanted_key_at_most_once_and_no_other(
    world: tuple[dict[Ref, Desired], dict[Ref, Observed]],
) -> None:
    desired, observed = world

    refs = [action.ref for action in plan(desired, observed, NOON)]

    assert set(refs) <= desired.keys()
    assert refs == sorted(set(refs))


@given(worlds())
def test_a_plan_does_not_depend_on_the_order_of_its_maps(
    world: tuple[dict[Ref, Desired], dict[Ref, Observed]],
) -> None:
    desired, observed = world
    backwards = dict(reversed(desired.items())), dict(reversed(observed.items()))

    assert list(plan(*backwards, NOON)) == list(plan(desired, observed, NOON))


@given(worlds())
def test_a_plan_acts_on_a_service_only_when_it_is_ours(
    world: tuple[dict[Ref, Desired], dict[Ref, Observed]],
) -> None:
    desired, observed = world

    for action in plan(desired, observed, NOON):
        have = observed.get(action.ref)
        ours = have is not None and desired[action.ref].owns(have)
        match action:
            case Replace() | Delete() | Confirm() | Notice():
                assert ours
            case Recreate():
                assert ours
                assert desired[action.ref].replaces
            case Create():
                assert have is None
            case Report():
                assert have is not None
                assert not ours
            case Settle():
                assert not ours


@given(worlds(), every_rule)
def test_no_plan_goes_further_than_the_rules(
    world: tuple[dict[Ref, Desired], dict[Ref, Observed]], rules: Rules
) -> None:
    desired, observed = world

    for action in plan(desired, observed, NOON, rules):
        want = desired[action.ref]
        if rules.mode is Mode.DRY_RUN:
            assert not isinstance(action, Create | Replace | Recreate | Delete)
        if rules.mode is Mode.UPSERT_ONLY:
            assert not isinstance(action, Recreate | Delete)
        if rules.drift is OnDrift.REPORT and want.is_live and not want.reverts:
            assert not isinstance(action, Replace | Recreate)


@given(worlds(), every_rule)
def test_a_plan_comes_to_rest_under_every_rule(
    world: tuple[dict[Ref, Desired], dict[Ref, Observed]], rules: Rules
) -> None:
    desired, observed = world

    for _ in range(4):  # at most: delete, create, confirm, nothing
        actions = list(plan(desired, observed, NOON, rules))
        for action in actions:
            apply(action, desired, observed)

    assert actions == []


@given(worlds())
def test_a_plan_that_is_carried_out_comes_to_rest(
    world: tuple[dict[Ref, Desired], dict[Ref, Observed]],
) -> None:
    desired, observed = world

    for _ in range(4):  # at most: delete, settle, nothing; or delete, create, nothing
        actions = list(plan(desired, observed, NOON))
        for action in actions:
            apply(action, desired, observed)

    assert actions == []
    for ref, want in desired.items():
        if want.manifest is None or want.rests(NOON):
            continue
        have = observed[ref]
        if want.owns(have) and not have.terminating:
            mark = Mark.of(have.service)
            assert mark is not None
            assert differs(have.service, with_mark(want.manifest, want.marked(mark.create_token))) == ()
            assert (want.sync_state, want.sync_revision) == (SyncState.IN_SYNC, want.revision)
