"""Choosing a node port: its latency in fuller and fuller pools and with a long past, beside other mechanisms.

An act is what a request does: begin, choose, do the rest of the request (stood in for by a pause), commit.
What is printed is an act's time without what the same act costs when it chooses nothing, so: choosing, and
waiting for others who choose. Every figure stands beside the empty pool's with the same number of clients.
"""

import random
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text

from bench._candidates import POOL, STATIC, Candidate, candidates
from bench._pgbench import Latencies, run
from devcluster.postgres import EmbeddedPostgres
from service.admin.migrate import migrate
from service.store import identities
from service.store.database import transactions
from service.wiring import now

SECONDS, ROUNDS, PAUSE_MS, TENURES = 3.0, 3, 5, 1_000_000
REST_MS = {1: 0, 64: 30}
"""How long a client rests after giving back, by their number: many must not keep the processors busy."""

FREES = 3
"""So many times as often a client gives back as it takes: a third of the clients has a port."""
CASES = ((1, 0.0), (1, 0.5), (1, 0.95), (1, 0.999), (64, 0.0), (64, 0.5), (64, 0.95))
GOAL = 1.2
HASTY = "-c synchronous_commit=off"

OLD_TABLE = """
    CREATE TABLE old_claim (LIKE port_claim INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    ALTER TABLE old_claim ADD PRIMARY KEY (cluster, port);
    ALTER TABLE old_claim ADD FOREIGN KEY (exposure_id) REFERENCES exposure (id);
    CREATE INDEX ON old_claim (exposure_id);
    GRANT SELECT, INSERT, UPDATE, DELETE ON old_claim TO wharfinger_app
"""
EXPOSURES = """
    INSERT INTO exposure (id, cluster, namespace, name, team, intent, generation, change_count, created_at)
    SELECT CAST('00000000-0000-0000-0000-' || lpad(CAST(number AS text), 12, '0') AS uuid),
        'bench', 'bench', 'b' || number, 'bench', 'present', 1, 1, now()
    FROM generate_series(0, 64) AS number
"""
NOBODY = "00000000-0000-0000-0000-000000000064"
TAKEN = "team = 'bench', namespace = 'bench', name = 'x', reason = 'measured', exposure_id = :nobody"
GIVEN = "team = NULL, namespace = NULL, name = NULL, reason = NULL, exposure_id = NULL"


def main() -> None:
    """Measure every candidate in every case, then the product's with a past."""
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home) / "postgres") as server:
        migrate(server.owner_url, say=lambda _: None)
        owner = create_engine(server.owner_url)
        prepare(owner)
        scripts = Path(home) / "scripts"
        scripts.mkdir()

        def measured(choose: str, free: str, clients: int) -> Latencies:
            act = f"BEGIN;\n{choose};\n\\sleep {PAUSE_MS} ms\nCOMMIT;\n"
            give = f"{free};\n\\sleep {REST_MS[clients]} ms\n"
            return run(server.app_url, scripts, [(act, 1), (give, FREES)], clients, SECONDS, HASTY)

        print(f"pool {POOL}; what choosing adds to an act that chooses nothing, ms (x: of the empty pool's)")
        chosen, *others = candidates()
        compare(owner, chosen, measured, ROUNDS)
        for candidate in others:
            compare(owner, candidate, measured, 1)
        live_through(owner, TENURES)
        print(f"\nAfter {TENURES:,} tenures, all in the history:", end="")
        compare(owner, chosen, measured, ROUNDS)
        owner.dispose()


def prepare(owner: Engine) -> None:
    """Write a cluster, a team, and an exposure for each client and one for who fills the pool."""
    opener = transactions(owner)
    with opener() as session:
        identities.put_cluster(session, identities.Cluster("bench", None, POOL), now())
        identities.add_team(session, "bench", now())
        identities.add_namespace(session, "bench", "bench", None)
        session.execute(text(EXPOSURES))
        session.execute(text(OLD_TABLE))


def compare(
    owner: Engine, candidate: Candidate, measured: Callable[[str, str, int], Latencies], rounds: int
) -> None:
    """Print a candidate's figures, a line a case: medians of rounds; in each, every case has its turn."""
    p50s: dict[tuple[int, float], list[float]] = defaultdict(list)
    p99s: dict[tuple[int, float], list[float]] = defaultdict(list)
    for _ in range(rounds):
        fill(owner, 0.0)
        nothing = {clients: measured("SELECT 1", candidate.free, clients).median() for clients in REST_MS}
        for case in CASES:
            fill(owner, case[1])
            found = measured(candidate.choose, candidate.free, case[0])
            p50s[case].append(found.median() - nothing[case[0]])
            p99s[case].append(found.at(0.99) - nothing[case[0]])
    print(f"\n{candidate.name}")
    for clients, share in CASES:
        p50, p99 = (statistics.median(each[clients, share]) for each in (p50s, p99s))
        empty = statistics.median(p50s[clients, 0.0])
        verdict = "" if p50 <= GOAL * empty else f"  above {GOAL}"
        print(
            f"  {clients:2} clients, {share:6.1%} full: p50 {p50:7.3f} ({p50 / empty:5.2f} x {empty:.3f})"
            f"   p99 {p99:8.3f}{verdict}"
        )


def fill(owner: Engine, share: float) -> None:
    """Let somebody have so much of the pool: the static band first, then numbers at random."""
    rest = list(POOL.dynamic_band())
    random.Random(7).shuffle(rest)
    numbers = [*STATIC, *rest]
    taken = numbers[: round(len(numbers) * share)]
    with owner.begin() as connection:
        connection.execute(text(f"UPDATE port_claim SET state = 'free', {GIVEN} WHERE state <> 'free'"))
        _take(connection, taken)
        connection.execute(text("DELETE FROM old_claim"))
        connection.execute(text("INSERT INTO old_claim SELECT * FROM port_claim WHERE state <> 'free'"))
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE port_claim, old_claim"))


def _take(connection: Connection, numbers: list[int]) -> None:
    connection.execute(
        text(f"UPDATE port_claim SET state = 'bound', {TAKEN} WHERE port = ANY(CAST(:numbers AS integer[]))"),
        {"numbers": numbers, "nobody": NOBODY},
    )


def live_through(owner: Engine, tenures: int) -> None:
    """Let every number be taken and given back many times, each tenure with its row in the history."""
    fill(owner, 0.0)
    history = text("""
        INSERT INTO port_history (cluster, port, state, team, namespace, name, exposure_id, reason,
            began_at, ended_at, ending)
        SELECT cluster, port, state, team, namespace, name, exposure_id, reason, now(), now(), 'unused'
        FROM port_claim WHERE state <> 'free'
    """)
    for _ in range(-(-tenures // len(range(POOL.first, POOL.last + 1)))):
        with owner.begin() as connection:
            _take(connection, list(range(POOL.first, POOL.last + 1)))
        with owner.begin() as connection:
            connection.execute(history)
            connection.execute(text(f"UPDATE port_claim SET state = 'free', {GIVEN} WHERE state <> 'free'"))
