"""What the commands of the platform do to a real database, as the restricted login."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from service.__main__ import cli
from service.domain.errors import ClusterAway, EnvironmentTaken, Invalid, NotFound
from service.domain.principal import PrincipalKind, Role
from service.store import identities
from service.workflow.identify import principal_of
from tests.postgres import Database

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


class Platform:
    """Runs commands on a database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(cli, words, env={"WHARFINGER_DATABASE_URL": self.database.url})

    def done(self, *words: str) -> Result:
        result = self.run(*words)
        assert result.exit_code == 0, (result.output, result.exception)
        return result

    def count(self, table: str) -> int:
        with self.database.transaction() as session:
            return int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


@pytest.fixture
def platform(database: Database) -> Platform:
    platform = Platform(database)
    platform.done("cluster", "add", "dev", "--node-ports", "30000-30040")
    return platform


def test_a_cluster_that_was_added_is_listed_with_range_and_context(platform: Platform) -> None:
    words = ("--context", "admin@prod", "--mode", "dry-run", "--drift", "report", "--owner-id", "blue")
    platform.done(
        "cluster", "add", "prod", *words, "--label", "tier=gold", "--label", "eu=", "--removal-share", "0.05"
    )
    platform.done("cluster", "add", "home", "--in-cluster")
    assert platform.done("cluster", "list").stdout.splitlines() == [
        "dev\t30000-30040\t(current context)\tsync\theal\twharfinger\t-\t0.2",
        "home\t30000-32767\t(in-cluster)\tsync\theal\twharfinger\t-\t0.2",
        "prod\t30000-32767\tadmin@prod\tdry-run\treport\tblue\teu=,tier=gold\t0.05",
    ]


def test_of_a_cluster_that_is_there_only_what_is_named_changes(platform: Platform) -> None:
    def listed() -> list[str]:
        return platform.done("cluster", "list").stdout.removesuffix("\n").split("\t")[1:]

    words = ("--context", "here", "--label", "a=b", "--removal-share", "1")
    platform.done("cluster", "add", "dev", "--mode", "upsert-only", *words)
    assert listed() == ["30000-30040", "here", "upsert-only", "heal", "wharfinger", "a=b", "1"]
    platform.done("cluster", "add", "dev", "--in-cluster", "--drift", "report")
    assert listed() == ["30000-30040", "(in-cluster)", "upsert-only", "report", "wharfinger", "a=b", "1"]
    platform.done("cluster", "add", "dev", "--context", "there", "--node-ports", "30000-30010")
    assert listed() == ["30000-30010", "there", "upsert-only", "report", "wharfinger", "a=b", "1"]
    wrong = [("--removal-share", share) for share in ("0", "-0.1", "1.01", "nan", "inf")]
    for option, bad in (("--owner-id", "Blue"), ("--label", "a b=c"), ("--context", " "), *wrong):
        assert isinstance(platform.run("cluster", "add", "dev", option, bad).exception, Invalid)


def test_a_cluster_goes_and_comes_back_as_it_was(platform: Platform) -> None:
    platform.done("cluster", "add", "dev", "--mode", "dry-run")
    platform.done("cluster", "release-brake", "dev")
    assert "Nothing was deleted" not in platform.done("cluster", "remove", "dev").stderr
    assert platform.done("cluster", "list").stdout == ""
    assert platform.count("port_claim") == 0
    for words in (("remove", "dev"), ("release-brake", "dev"), ("accept-ledger", "dev"), ("probe", "dev")):
        assert isinstance(platform.run("cluster", *words).exception, NotFound)

    platform.done("cluster", "add", "dev")

    back = platform.done("cluster", "list").stdout
    assert back == "dev\t30000-30040\t(current context)\tdry-run\theal\twharfinger\t-\t0.2\n"
    assert platform.count("port_claim") == 41


def test_what_an_operator_says_to_a_worker_is_kept_with_the_audit_events(platform: Platform) -> None:
    platform.done("cluster", "release-brake", "dev")
    platform.done("cluster", "accept-ledger", "dev")
    with platform.database.transaction() as session:
        [dev] = identities.clusters(session)
        kinds = session.scalars(text("SELECT kind FROM audit_event ORDER BY id")).all()
    assert (dev.brake_released_at is not None, dev.accept_ledger) == (True, True)
    assert kinds == ["brake-released", "ledger-accepted"]


def test_without_clusters_the_list_is_empty_and_says_what_to_do(database: Database) -> None:
    listed = Platform(database).done("cluster", "list")
    assert listed.stdout == ""
    assert "wharfinger cluster add" in listed.stderr


def test_every_question_of_the_runbook_is_one_that_the_database_answers(platform: Platform) -> None:
    questions = re.findall(r'psql "\$WHARFINGER_DATABASE_URL" -c "(.+)"', RUNBOOK.read_text())
    with platform.database.transaction() as session:
        answers = [session.execute(text(question)).all() for question in questions]
    assert answers == [[], [], []]


def test_a_token_alone_is_on_stdout_and_works(platform: Platform) -> None:
    platform.done("team", "add", "team-a", "--namespace", "dev/team-a=development")
    words = ("--service-account", "ci", "--team", "team-a", "--group", "robots", "--role", "requester")
    result = platform.done("token", "create", *words, "--expires", "1h")
    token = result.stdout.removesuffix("\n")
    with platform.database.transaction() as session:
        who = principal_of(session, token, datetime.now(UTC))
    assert (who.kind, who.person, who.teams) == (PrincipalKind.SERVICE_ACCOUNT, "ci", frozenset({"team-a"}))
    assert (who.groups, who.roles) == (frozenset({"robots"}), frozenset({Role.REQUESTER}))
    assert token not in result.stderr
    assert "ci" in result.stderr


def test_a_team_with_another_environment_is_refused_and_nothing_is_stored(platform: Platform) -> None:
    platform.done("team", "add", "team-a", "--namespace", "dev/shop=production")
    refused = platform.run("team", "add", "team-b", "--namespace", "dev/shop=staging")
    assert isinstance(refused.exception, EnvironmentTaken)
    assert (platform.count("team"), platform.count("team_namespace")) == (1, 1)


def test_a_team_with_several_namespaces_gets_them_all(platform: Platform) -> None:
    platform.done("team", "add", "team-a", "--namespace", "dev/a=staging", "--namespace", "dev/b")
    assert platform.count("team_namespace") == 2


def test_an_unknown_cluster_or_team_is_named(platform: Platform) -> None:
    assert "'prod'" in str(platform.run("team", "add", "t", "--namespace", "prod/shop").exception)
    unknown = platform.run("token", "create", "--person", "ann", "--team", "ghost", "--role", "requester")
    assert isinstance(unknown.exception, Invalid)
    assert "'ghost'" in str(unknown.exception)
    assert (platform.count("team"), platform.count("token")) == (0, 0)


def test_a_quota_is_set_limit_by_limit_and_shown_with_what_is_used(platform: Platform) -> None:
    platform.done("team", "add", "team-a", "--namespace", "dev/team-a=development")
    quota = ("team", "quota", "team-a", "--cluster", "dev")
    platform.done(*quota, "--exposures", "5", "--node-ports", "3", "--longest-lifetime", "30d")
    assert platform.done(*quota, "--load-balancers", "0", "--node-ports", "none").stdout.splitlines() == [
        "\tused\theld\tlimit",
        "exposures\t0\t0\t5",
        "node ports\t0\t0\tnone",
        "load balancers\t0\t0\t0",
        "longest lifetime\t\t\t30d",
    ]
    assert platform.done(*quota).stdout.splitlines()[1] == "exposures\t0\t0\t5"


def test_a_quota_of_nobody_or_nowhere_is_refused(platform: Platform) -> None:
    platform.done("team", "add", "team-a", "--namespace", "dev/team-a=development")
    for team, cluster, name in (("ghost", "dev", "'ghost'"), ("team-a", "prod", "'prod'")):
        refused = platform.run("team", "quota", team, "--cluster", cluster, "--exposures", "1")
        assert isinstance(refused.exception, Invalid)
        assert name in str(refused.exception)
        assert isinstance(platform.run("team", "quota", team, "--cluster", cluster).exception, NotFound)
    assert platform.count("quota") == 0


@pytest.mark.parametrize("command", ["probe", "survey"])
def test_a_cluster_that_nobody_added_is_named(platform: Platform, command: str) -> None:
    result = platform.run("cluster", command, "prod")
    assert isinstance(result.exception, NotFound)
    assert "no cluster prod" in str(result.exception)


@pytest.mark.parametrize("command", ["probe", "survey"])
def test_a_cluster_that_cannot_be_opened_says_why(platform: Platform, command: str, tmp_path: Path) -> None:
    words = ("cluster", command, "dev")
    settings = {
        "WHARFINGER_DATABASE_URL": platform.database.url,
        "WHARFINGER_KUBECONFIG": str(tmp_path / "nothing-here"),
    }
    result = CliRunner().invoke(cli, words, env=settings)
    assert isinstance(result.exception, ClusterAway)
    assert "nothing-here: there is no such file" in str(result.exception)
    assert result.stdout == ""
