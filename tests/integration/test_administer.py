"""What the platform sets up: clusters, teams with their namespaces, tokens. On real rows."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from service.domain.errors import EnvironmentTaken, Invalid, Unauthenticated
from service.domain.ports import Pool
from service.domain.principal import Principal, PrincipalKind, Role
from service.store import identities
from service.store.identities import Cluster
from service.workflow import administer
from service.workflow.administer import NamespaceGift
from service.workflow.identify import principal_of
from tests.conftest import Clock
from tests.postgres import Database

ENTROPY = bytes(range(42))
BAD_NAMES = ["", "a\x00b", "a\nb", "team-a\n", "Team-A", "-a", "a-", "a.b", "ä", "a" * 64]
BAD_TEXTS = ["", "a\x00b", "a\nb", "a\n", " a", "a ", "\x1b[31m", "a" * 254]
GIFT = NamespaceGift("dev", "shop", "production")


@pytest.fixture
def platform(database: Database, clock: Clock) -> "Platform":
    return Platform(database, clock)


class Platform:
    """Each act is a transaction of its own, as a command is."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.transaction, self.clock = database.transaction, clock
        self.put_cluster("dev")

    def put_cluster(self, name: str, context: str | None = None, pool: Pool | None = None) -> None:
        with self.transaction() as session:
            administer.put_cluster(session, Cluster(name, context, pool or Pool()), self.clock())

    def add_team(self, team: str, *gifts: NamespaceGift) -> None:
        with self.transaction() as session:
            administer.add_team(session, team, gifts, self.clock())

    def create_token(self, expires: timedelta = timedelta(days=90), **changes: object) -> str:
        values = {
            "kind": PrincipalKind.PERSON,
            "person": "ann",
            "roles": frozenset({Role.REQUESTER}),
        } | changes
        with self.transaction() as session:
            who = Principal(**values)  # type: ignore[arg-type]
            return administer.create_token(session, who, self.clock() + expires, self.clock(), ENTROPY)

    def owner_of(self, token: str) -> Principal:
        with self.transaction() as session:
            return principal_of(session, token, self.clock())

    def rows(self, table: str) -> list[dict[str, object]]:
        with self.transaction() as session:
            return [dict(row) for row in session.execute(text(f"SELECT * FROM {table}")).mappings()]


def test_a_team_gets_its_namespaces(platform: Platform) -> None:
    platform.add_team("team-a", GIFT, NamespaceGift("dev", "cart", None))
    with platform.transaction() as session:
        assert identities.place(session, "team-a", "dev", "shop").is_given
        assert not identities.place(session, "team-b", "dev", "shop").is_given
    environments = {row["name"]: row["environment"] for row in platform.rows("namespace")}
    assert environments == {"shop": "production", "cart": None}


def test_adding_it_again_changes_nothing(platform: Platform) -> None:
    platform.add_team("team-a", GIFT)
    platform.add_team("team-a", GIFT)
    assert [len(platform.rows(t)) for t in ("team", "namespace", "team_namespace")] == [1, 1, 1]


def test_two_teams_may_share_a_namespace_and_its_environment(platform: Platform) -> None:
    platform.add_team("team-a", GIFT)
    platform.add_team("team-b", GIFT)
    platform.add_team("team-c", NamespaceGift("dev", "shop", None))
    assert len(platform.rows("team_namespace")) == 3
    assert [row["environment"] for row in platform.rows("namespace")] == ["production"]


def test_a_second_team_with_another_environment_is_refused_and_nothing_of_it_stays(
    platform: Platform,
) -> None:
    platform.add_team("team-a", GIFT)
    wanted = [NamespaceGift("dev", "cart", "staging"), NamespaceGift("dev", "shop", "staging")]
    with pytest.raises(EnvironmentTaken, match="dev/shop is production, not staging"):
        platform.add_team("team-b", *wanted)
    assert [row["name"] for row in platform.rows("team")] == ["team-a"]
    assert [row["name"] for row in platform.rows("namespace")] == ["shop"]


def test_one_command_that_names_two_environments_is_refused(platform: Platform) -> None:
    with pytest.raises(EnvironmentTaken):
        platform.add_team("team-a", GIFT, NamespaceGift("dev", "shop", "staging"))
    assert platform.rows("team") == []


def test_an_unknown_cluster_is_named_with_those_there_are(platform: Platform) -> None:
    with pytest.raises(Invalid, match=r"There is no cluster 'prod' \(dev\)"):
        platform.add_team("team-a", NamespaceGift("prod", "shop", None))
    assert platform.rows("team") == []


@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_is_no_name_names_no_team_namespace_environment_or_cluster(
    platform: Platform, name: str
) -> None:
    for gifts, team in (
        ((), name),
        ((NamespaceGift("dev", name, None),), "team-a"),
        ((NamespaceGift("dev", "shop", name),), "team-a"),
        ((NamespaceGift(name, "shop", None),), "team-a"),
    ):
        with pytest.raises(Invalid):
            platform.add_team(team, *gifts)
    with pytest.raises(Invalid):
        platform.put_cluster(name)
    assert (platform.rows("team"), len(platform.rows("cluster"))) == ([], 1)


def test_a_cluster_can_be_changed(platform: Platform) -> None:
    platform.put_cluster("dev", "admin@dev", Pool(31000, 31999))
    with platform.transaction() as session:
        assert identities.clusters(session) == [Cluster("dev", "admin@dev", Pool(31000, 31999))]


@pytest.mark.parametrize("context", BAD_TEXTS)
def test_what_cannot_be_a_context_is_refused(platform: Platform, context: str) -> None:
    with pytest.raises(Invalid, match="context"):
        platform.put_cluster("dev", context)


# Tokens.


def test_a_token_says_who_calls(platform: Platform) -> None:
    platform.add_team("team-a", GIFT)
    token = platform.create_token(
        teams=frozenset({"team-a"}),
        groups=frozenset({"platform"}),
        roles=frozenset({Role.REQUESTER, Role.ADMIN}),
    )
    assert token.startswith("wft_")
    assert platform.owner_of(token) == Principal(
        PrincipalKind.PERSON,
        "ann",
        None,
        frozenset({"team-a"}),
        frozenset({"platform"}),
        frozenset({Role.REQUESTER, Role.ADMIN}),
    )


def test_the_token_itself_is_nowhere_in_its_row(platform: Platform) -> None:
    token = platform.create_token()
    [row] = platform.rows("token")
    secret = token.removeprefix("wft_")
    assert not [name for name, value in row.items() if secret in str(value) or secret in repr(value)]
    assert secret.encode() not in b"".join(str(value).encode() for value in row.values())


def test_a_token_shares_nothing_with_its_rows_id(platform: Platform) -> None:
    token = platform.create_token()
    [row] = platform.rows("token")
    assert ENTROPY[10:].hex() == token.removeprefix("wft_")
    assert str(row["id"]).replace("-", "")[-8:] not in token


def test_a_token_is_over_when_its_time_is(platform: Platform, clock: Clock) -> None:
    token = platform.create_token(timedelta(hours=1))
    clock.advance(minutes=59)
    assert platform.owner_of(token).person == "ann"
    clock.advance(minutes=1)
    with pytest.raises(Unauthenticated):
        platform.owner_of(token)


@pytest.mark.parametrize("person", BAD_TEXTS)
def test_what_names_nobody_gets_no_token(platform: Platform, person: str) -> None:
    with pytest.raises(Invalid, match="names nobody"):
        platform.create_token(person=person)
    assert platform.rows("token") == []


@pytest.mark.parametrize("group", BAD_TEXTS)
def test_what_names_no_group_gets_no_token(platform: Platform, group: str) -> None:
    with pytest.raises(Invalid, match="names no group"):
        platform.create_token(groups=frozenset({group}))


@pytest.mark.parametrize("team", ["ghost", *BAD_NAMES])
def test_an_unknown_team_gets_no_token(platform: Platform, team: str) -> None:
    with pytest.raises(Invalid, match="There is no team"):
        platform.create_token(teams=frozenset({team}))


def test_all_faults_are_told_at_once(platform: Platform) -> None:
    with pytest.raises(Invalid) as raised:
        platform.create_token(person="", teams=frozenset({"ghost"}), roles=frozenset())
    assert [fault.pointer for fault in raised.value.faults] == ["#/person", "#/role", "#/team"]
