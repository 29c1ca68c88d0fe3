"""How the commands read what they are given: durations, namespaces, ranges, and what they refuse."""

from datetime import timedelta

import click
import pytest
from click.testing import CliRunner, Result

from service.__main__ import cli
from service.admin.cluster_command import LabelOption, PoolOption
from service.admin.commands import Lifetime, NamespaceOption
from service.domain.ports import Pool
from service.workflow.administer import NamespaceGift


def run(*words: str) -> Result:
    """Run a command without a database: whatever reaches for one fails."""
    return CliRunner().invoke(
        cli, words, env={"WHARFINGER_DATABASE_URL": None, "WHARFINGER_MIGRATION_DATABASE_URL": None}
    )


def assert_usage(result: Result, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize(
    ("written", "meant"),
    [("90d", timedelta(days=90)), ("12h", timedelta(hours=12)), ("30m", timedelta(minutes=30))],
)
def test_a_duration_is_a_number_with_its_unit(written: str, meant: timedelta) -> None:
    assert Lifetime().convert(written, None, None) == meant


def test_a_token_for_more_than_a_year_is_refused() -> None:
    assert Lifetime().convert("366d", None, None) == timedelta(days=366)
    with pytest.raises(click.BadParameter, match="366 days at most"):
        Lifetime().convert("367d", None, None)


@pytest.mark.parametrize(
    "written",
    ["", "90", "d", "0d", "-1d", "1.5h", "1w", "1d2h", " 1d", "1d\n", "9999999d", "\u0661d"],
)
def test_what_is_no_duration_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(click.BadParameter, match="90d, 12h or 30m"):
        Lifetime().convert(written, None, None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("dev/shop=production", NamespaceGift("dev", "shop", "production")),
        ("dev/shop", NamespaceGift("dev", "shop", None)),
    ],
)
def test_a_namespace_is_written_with_its_cluster_and_environment(written: str, meant: NamespaceGift) -> None:
    assert NamespaceOption().convert(written, None, None) == meant


@pytest.mark.parametrize(
    "written", ["", "shop", "dev/", "/shop", "dev/shop=", "a/b/c", "a/b=c=d", "=a/b", "dev=x/y"]
)
def test_what_is_written_otherwise_is_refused(written: str) -> None:
    with pytest.raises(click.BadParameter, match="CLUSTER/NAMESPACE=ENVIRONMENT"):
        NamespaceOption().convert(written, None, None)


def test_a_range_is_written_first_last() -> None:
    assert PoolOption().convert("30000-30040", None, None) == Pool(30000, 30040)


@pytest.mark.parametrize("written", ["", "30000", "30000-", "a-b", "30040-30000", "0-10", "1-70000", "1-2-3"])
def test_what_is_no_range_is_refused(written: str) -> None:
    with pytest.raises(click.BadParameter):
        PoolOption().convert(written, None, None)


@pytest.mark.parametrize(
    "who", [(), ("--person", "ann", "--service-account", "ci")], ids=["nobody", "a person and a program"]
)
def test_a_token_is_for_a_person_or_a_program(who: tuple[str, ...]) -> None:
    assert_usage(run("token", "create", *who, "--role", "requester"), "either --person or --service-account")


def test_a_token_needs_a_role_that_there_is() -> None:
    assert_usage(run("token", "create", "--person", "ann"), "--role")
    assert_usage(run("token", "create", "--person", "ann", "--role", "platform"), "requester", "admin")


def test_a_duration_that_is_none_is_no_usage() -> None:
    assert_usage(
        run("token", "create", "--person", "a", "--role", "admin", "--expires", "soon"), "90d, 12h or 30m"
    )


def test_a_namespace_that_is_none_is_no_usage() -> None:
    assert_usage(run("team", "add", "team-a", "--namespace", "shop"), "CLUSTER/NAMESPACE=ENVIRONMENT")


def test_a_range_that_is_none_is_no_usage() -> None:
    assert_usage(run("cluster", "add", "dev", "--node-ports", "low-high"), "FIRST-LAST")


def test_a_label_that_is_none_is_no_usage() -> None:
    assert LabelOption().convert("tier=gold=1", None, None) == ("tier", "gold=1")
    assert_usage(run("cluster", "add", "dev", "--label", "gold"), "KEY=VALUE")


def test_a_cluster_is_reached_in_one_way() -> None:
    words = ("cluster", "add", "dev", "--context", "here", "--in-cluster")
    assert_usage(run(*words), "either --context or --in-cluster")


def test_migrate_says_which_url_it_needs() -> None:
    assert_usage(run("migrate"), "WHARFINGER_MIGRATION_DATABASE_URL")


@pytest.mark.parametrize(
    "words",
    [
        ("cluster", "list"),
        ("cluster", "add", "dev"),
        ("cluster", "remove", "dev"),
        ("cluster", "release-brake", "dev"),
        ("cluster", "accept-ledger", "dev"),
        ("cluster", "probe", "dev"),
        ("cluster", "survey", "dev"),
        ("team", "add", "team-a"),
        ("token", "create", "--person", "ann", "--role", "admin"),
    ],
    ids=" ".join,
)
def test_without_a_database_each_command_says_what_to_set(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert "WHARFINGER_DATABASE_URL" in str(result.exception) + result.stderr


@pytest.mark.parametrize("words", [(), ("token",), ("cluster",), ("team",)], ids=" ".join)
def test_help_names_every_command(words: tuple[str, ...]) -> None:
    group: click.Command = cli
    for word in words:
        assert isinstance(group, click.Group)
        group = group.commands[word]
    assert isinstance(group, click.Group)
    output = run(*words, "--help").output
    assert all(name in output for name in group.commands)


@pytest.mark.parametrize("limit", ["-1", "many", "1.5", "None"])
def test_a_limit_is_a_number_or_the_word_none(limit: str) -> None:
    assert_usage(run("team", "quota", "team-a", "--cluster", "dev", "--exposures", limit), "--exposures")


def test_a_longest_lifetime_is_a_duration_or_the_word_none() -> None:
    words = ("team", "quota", "team-a", "--cluster", "dev", "--longest-lifetime", "30")
    assert_usage(run(*words), "90d, 12h or 30m")


def test_a_quota_is_of_one_cluster() -> None:
    assert_usage(run("team", "quota", "team-a", "--exposures", "1"), "--cluster")
