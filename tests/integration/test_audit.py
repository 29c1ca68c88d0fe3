"""``wharfinger audit verify`` on a database in which the owner has changed what happened."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from service.__main__ import cli
from service.admin.migrate import migrate
from service.store import events
from tests.conftest import Clock
from tests.integration.api_world import World, named, review_of
from tests.postgres import Database

ACTOR = {"kind": "person", "person": "ann", "acted_for": None}


class Ledger:
    """Two exposures with three events each; what a test does to one, it does not do to the other."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.world = database, World(database.transaction, clock)
        self.id, self.other = (self._exposure(name) for name in ("hello", "other"))

    def _exposure(self, name: str) -> UUID:
        made = self.world.ann.submit(named(name))
        self.world.eve.post(*review_of(made))
        self.world.ann.delete(made.location, If_Match="*")
        return UUID(made.json["metadata"]["id"])

    def as_owner(self, *statements: str) -> None:
        """Do what only the owner can; ``:id`` is the exposure."""
        owner = create_engine(self.database.owner_url, poolclass=NullPool)
        with owner.begin() as connection:
            for statement in statements:
                done = connection.execute(text(statement), {"id": self.id} if ":id" in statement else {})
                assert done.rowcount != 0, statement

    def verify(self, *words: str, url: str | None = None) -> Result:
        settings = {"WHARFINGER_DATABASE_URL": url or self.database.url}
        return CliRunner().invoke(cli, ["audit", "verify", *words], env=settings)


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Ledger:
    return Ledger(database, clock)


EVENT = "exposure_id = :id AND seq"


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (
            [f"""UPDATE event SET actor = jsonb_set(actor, '{{person}}', '"eva"') WHERE {EVENT} = 2"""],
            ["#/events/1  Event 2 (approved) is not what was written"],
        ),
        (
            [f"UPDATE event SET at = at + interval '1 microsecond' WHERE {EVENT} = 1"],
            ["#/events/0  Event 1 (requested) is not what was written"],
        ),
        (
            [f"DELETE FROM event WHERE {EVENT} = 2"],
            ["#/events/1  Event 3 (removal-requested) stands behind event 1: event 2 is missing"],
        ),
        (
            [f"DELETE FROM event WHERE {EVENT} = 3"],
            ["#/events  The end is missing: the exposure had 3 events; event 3 is cut off"],
        ),
        (
            ["DELETE FROM event WHERE exposure_id = :id"],
            ["events 1 to 3 are cut off"],
        ),
        (
            [
                f"UPDATE event SET seq = 9 WHERE {EVENT} = 2",
                f"UPDATE event SET seq = 2 WHERE {EVENT} = 3",
                f"UPDATE event SET seq = 3 WHERE {EVENT} = 9",
            ],
            ["#/events/1  Event 2 (removal-requested) is not", "#/events/2  Event 3 (approved) is not"],
        ),
        (
            [
                f"DELETE FROM event WHERE {EVENT} = 3",
                "UPDATE exposure SET head_seq = 2 WHERE id = :id",
            ],
            ["#/exposure/head_hash  The exposure's last event has the hash"],
        ),
        (
            [
                "INSERT INTO event (exposure_id, kind, actor, data, at, seq, previous_hash, hash) "
                f"SELECT exposure_id, kind, actor, data, at, 4, hash, hash FROM event WHERE {EVENT} = 3"
            ],
            ["#/events/3  Event 4", "#/exposure/head_seq  The exposure knows of 3 events"],
        ),
        (
            [
                "UPDATE revision SET manifest = jsonb_set(manifest, '{spec,selector}', '{}') "
                "WHERE exposure_id = :id"
            ],
            ["#/revisions/0/digest  Revision 1 is not what was read"],
        ),
        (
            ["DELETE FROM review WHERE exposure_id = :id", "DELETE FROM revision WHERE exposure_id = :id"],
            ["#/events/0/revision  Event 1 (requested) tells of revision 1, which is missing"],
        ),
        (
            [
                "INSERT INTO review "
                "(id, exposure_id, revision, person, reviewer, verdict, digest, created_at) "
                "SELECT gen_random_uuid(), exposure_id, revision, 'eva', "
                """jsonb_set(reviewer, '{person}', '"eva"'), verdict, digest, created_at """
                "FROM review WHERE exposure_id = :id"
            ],
            ["by eva is told of by no event"],
        ),
    ],
    ids=[
        "a changed byte",
        "a changed time",
        "a missing row",
        "a cut tail",
        "no events",
        "two swapped",
        "a cut tail and another count",
        "a forged event",
        "a changed manifest",
        "a missing revision",
        "a forged review",
    ],
)
def test_what_the_owner_changes_is_found_with_its_place(
    ledger: Ledger, statements: list[str], found: list[str]
) -> None:
    ledger.as_owner(*statements)
    result = ledger.verify()
    assert result.exit_code == 1, result.output
    for words in found:
        assert words in result.stdout
    assert {line.split()[0] for line in result.stdout.splitlines()} == {str(ledger.id)}


def test_what_nobody_changed_is_good_to_the_login_and_to_the_owner(ledger: Ledger) -> None:
    for url in (ledger.database.url, ledger.database.owner_url):
        result = ledger.verify(url=url)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "2 exposures with 6 events verified: 0 faults.\n"


def test_an_exposure_is_verified_by_its_id_alone(ledger: Ledger) -> None:
    ledger.as_owner(f"DELETE FROM event WHERE {EVENT} = 2")
    assert ledger.verify(str(ledger.id)).exit_code == 1
    assert ledger.verify(str(ledger.other)).exit_code == 0


def test_an_exposure_that_is_not_there_is_told(ledger: Ledger) -> None:
    gone = uuid4()
    result = ledger.verify(str(gone))
    assert result.exit_code == 1
    assert result.stdout == f"{gone}  #  There is no such exposure.\n"


def test_a_row_that_cannot_be_read_is_told_and_does_not_hide_the_others(ledger: Ledger) -> None:
    ledger.as_owner(
        "UPDATE revision SET spec = '[]' WHERE exposure_id = :id",
        "UPDATE event SET data = '\"\\u001b[31m\"', actor = '7' WHERE exposure_id = :id",
    )
    result = ledger.verify()
    assert result.exit_code == 1
    assert "#/revisions/0/spec  This is missing, or of another kind" in result.stdout
    assert "2 exposures with 6 events verified" in result.stderr


def test_a_subject_that_is_neither_an_id_nor_a_file_is_refused(ledger: Ledger) -> None:
    result = ledger.verify("nothing")
    assert result.exit_code == 2
    assert "neither the id of an exposure nor a file" in result.stderr


def tell(ledger: Ledger, *kinds: str, then: Callable[[], object] = lambda: None) -> None:
    """Append events in one transaction, without locking the exposure before."""
    with ledger.database.transaction() as session:
        for kind in kinds:
            events.append(
                session, ledger.id, kind, actor=ACTOR, request_id="request-1", now=ledger.world.now()
            )
        then()


def test_who_appends_without_the_lock_still_waits_for_the_one_before(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: tell(ledger, "first", "second"), range(12)))
    result = ledger.verify()
    assert (result.exit_code, result.stdout) == (0, "")
    assert "with 30 events" in result.stderr


def test_an_event_of_a_transaction_that_was_taken_back_leaves_the_chain_as_it_was(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError):
        tell(ledger, "x", then=lambda: 1 // 0)
    tell(ledger, "y")
    assert ledger.verify().exit_code == 0


BEFORE = """
    INSERT INTO team VALUES ('team-a', now());
    INSERT INTO cluster (name, first_port, last_port, created_at) VALUES ('dev', 30000, 30001, now());
    INSERT INTO namespace (cluster, name) VALUES ('dev', 'team-a');
    INSERT INTO exposure (id, cluster, namespace, name, team, intent, generation, change_count, created_at)
        SELECT ('00000000-0000-7000-8000-00000000000' || number)::uuid, 'dev', 'team-a', 'e' || number,
            'team-a', 'present', 1, 1, now() FROM generate_series(1, 3) AS number;
    INSERT INTO event (exposure_id, kind, actor, request_id, data, at)
        SELECT ('00000000-0000-7000-8000-00000000000' || number)::uuid, 'told', '{"person": "ünn"}',
            NULL, jsonb_build_object('text', E'a\\tb"\\u20ac', 'count', turn, 'a', null, 'Z', 1.5),
            '2030-01-01 12:00:00.5+02'::timestamptz
        FROM generate_series(1, 4) AS turn, generate_series(1, 2) AS number
"""


def test_events_from_before_the_chain_are_chained_by_the_migration(bare_database: Database) -> None:
    migrate(bare_database.owner_url, "0003", lambda line: None)
    owner = create_engine(bare_database.owner_url, poolclass=NullPool)
    with owner.begin() as connection:
        connection.exec_driver_sql(BEFORE)
    migrate(bare_database.owner_url, say=lambda line: None)
    settings = {"WHARFINGER_DATABASE_URL": bare_database.url}
    result = CliRunner().invoke(cli, ["audit", "verify"], env=settings)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "3 exposures with 8 events verified: 0 faults.\n"
