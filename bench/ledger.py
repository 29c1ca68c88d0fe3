"""Choosing a node port: its latency in fuller and fuller pools and with a long past, beside other mechanisms.

An act is what a request does: begin, choose, do the rest of the request (stood in for by a pause), commit.
What is printed is an act's time without what the same act costs when it chooses nothing, so: choosing, and
waiting for others who choose. Every figure stands beside the empty pool's with the same number of clients.

There is a pool for each share. All clients choose in the same one for a moment, then all in the next one, and
in one turn of each round they choose nothing: so whatever else the machine does hits all figures alike.
"""

import random
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from bench._candidates import POOL, STATIC, Candidate, candidates
from bench._pgbench import Act, Latencies, run_acts
from devcluster.postgres import EmbeddedPostgres
from service.admin.migrate import migrate
from service.store import identities
from service.store.database import transactions
from service.wiring import now

SECONDS, OTHERS_SECONDS, PAUSE_MS, TENURES = 20.0, 8.0, 5, 1_000_000
REST_MS = {1: 0, 64: 30}
"""How long a client rests after giving back, by their number: many must not keep the processors busy."""

FREES = 3
"""So many times as often a client gives back as it takes: a third of the clients has a port."""
SHARES = (0.0, 0.5, 0.95, 0.999)
"""How full the pools are. Many clients do not go for the last three ports: that is waiting, not choosing."""

TURN_SECONDS, LATE_SECONDS = 0.1, 0.02
"""How long the clients stay with one pool; an act that begins so late in a turn is left out."""

GOAL = 1.2
SETTINGS = "-c synchronous_commit=off -c plan_cache_mode=force_generic_plan"
"""No waiting for the disk, and plans as connections have them that have lived for a while."""

ACT = f"""
    SELECT 'pool-' || turn AS pool, turn
    FROM mod(CAST(floor(extract(epoch FROM clock_timestamp()) / {TURN_SECONDS}) AS bigint), :turns) AS turn
    \\gset
    BEGIN;
    \\if :turn = 0
    SELECT 1;
    \\else
    <choose>;
    \\endif
    \\sleep {PAUSE_MS} ms
    COMMIT;
"""
OLD_TABLE = """
    CREATE TABLE old_claim (LIKE port_claim INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    ALTER TABLE old_claim ADD PRIMARY KEY (cluster, port);
    ALTER TABLE old_claim ADD FOREIGN KEY (exposure_id) REFERENCES exposure (id);
    CREATE INDEX ON old_claim (exposure_id);
    GRANT SELECT, INSERT, UPDATE, DELETE ON old_claim TO wharfinger_app
"""
EXPOSURES = f"""
    INSERT INTO exposure (id, cluster, namespace, name, team, intent, generation, change_count, created_at)
    SELECT CAST('00000000-0000-0000-0000-' || lpad(CAST(number AS text), 12, '0') AS uuid),
        'pool-1', 'bench', 'b' || number, 'bench', 'present', 1, 1, now()
    FROM (
        SELECT generate_series(0, {max(REST_MS) - 1})
        UNION ALL SELECT generate_series({POOL.first}, {POOL.last})
    ) AS numbers (number)
"""
TAKE = """
    UPDATE port_claim
    SET state = 'bound', team = 'bench', namespace = 'bench', name = 'x', reason = 'measured',
        exposure_id = CAST('00000000-0000-0000-0000-' || lpad(CAST(port AS text), 12, '0') AS uuid)
    WHERE cluster = ANY(:pools) AND port = ANY(CAST(:numbers AS integer[]))
"""
GIVE = """
    UPDATE port_claim
    SET state = 'free', team = NULL, namespace = NULL, name = NULL, reason = NULL, exposure_id = NULL
    WHERE state <> 'free'
"""


def main() -> None:
    """Measure every candidate in every case, then the product's with a past."""
    with tempfile.TemporaryDirectory() as home, EmbeddedPostgres(Path(home) / "postgres") as server:
        migrate(server.owner_url, say=lambda _: None)
        owner = create_engine(server.owner_url)
        prepare(owner)
        scripts = Path(home) / "scripts"
        scripts.mkdir()
        chosen, *others = candidates()

        def measured(candidate: Candidate, clients: int, turns: int) -> list[Act]:
            seconds = SECONDS if candidate is chosen else OTHERS_SECONDS
            act = ACT.replace("<choose>", candidate.choose).replace(":turns", str(turns))
            give = f"{candidate.free};\n\\sleep {REST_MS[clients]} ms\n"
            return run_acts(server.app_url, scripts, [(act, 1), (give, FREES)], clients, seconds, SETTINGS)

        print(f"pools {POOL}; what choosing adds to an act that chooses nothing, ms (x: of the empty pool's)")
        for candidate in (chosen, *others):
            fill(owner)
            compare(candidate, measured)
        live_through(owner, TENURES)
        fill(owner)
        print(f"\nAfter {TENURES:,} tenures, all in the history:", end="")
        compare(chosen, measured)
        owner.dispose()


def prepare(owner: Engine) -> None:
    """Write a cluster for each share, a team, an exposure for each client and one for each number."""
    opener = transactions(owner)
    with opener() as session:
        for turn in range(1, len(SHARES) + 1):
            identities.put_cluster(session, identities.Cluster(f"pool-{turn}", None, POOL), now())
        identities.add_team(session, "bench", now())
        identities.add_namespace(session, "pool-1", "bench", None)
        session.execute(text(EXPOSURES))
        session.execute(text(OLD_TABLE))


def compare(candidate: Candidate, measured: Callable[[Candidate, int, int], list[Act]]) -> None:
    """Print a candidate's figures, a line a case."""
    print(f"\n{candidate.name}")
    for clients in REST_MS:
        shares = SHARES if clients == 1 else SHARES[:-1]
        nothing, *found = by_turn(measured(candidate, clients, len(shares) + 1), len(shares) + 1)
        empty = found[0].median() - nothing.median()
        for share, latencies in zip(shares, found, strict=True):
            p50, p99 = latencies.median() - nothing.median(), latencies.at(0.99) - nothing.median()
            verdict = "" if p50 <= GOAL * empty else f"  above {GOAL}"
            print(
                f"  {clients:2} clients, {share:6.1%} full: p50 {p50:7.3f} ({p50 / empty:5.2f} x {empty:.3f})"
                f"   p99 {p99:8.3f}   {len(latencies.milliseconds):5} acts{verdict}"
            )


def by_turn(acts: list[Act], turns: int) -> list[Latencies]:
    """Return the latencies of each turn: it is told by the clock when an act began."""
    found: dict[int, list[float]] = defaultdict(list)
    for act in acts:
        number, into = divmod(act.began, TURN_SECONDS)
        if into < TURN_SECONDS - LATE_SECONDS:
            found[int(number) % turns].append(act.milliseconds)
    return [Latencies(sorted(found[turn])) for turn in range(turns)]


def fill(owner: Engine) -> None:
    """Let somebody have its share of each pool: the static band first, then numbers at random.

    Each number has an owner of its own, as in life: with one owner for all, PostgreSQL would look for a
    client's ports by reading the whole table.
    """
    rest = list(POOL.dynamic_band())
    random.Random(7).shuffle(rest)
    numbers = [*STATIC, *rest]
    with owner.begin() as connection:
        connection.execute(text(GIVE))
        for turn, share in enumerate(SHARES, 1):
            taken = numbers[: round(len(numbers) * share)]
            connection.execute(text(TAKE), {"pools": [f"pool-{turn}"], "numbers": taken})
        connection.execute(text("DELETE FROM old_claim"))
        connection.execute(text("INSERT INTO old_claim SELECT * FROM port_claim WHERE state <> 'free'"))
    vacuum(owner)


def vacuum(owner: Engine) -> None:
    """Do what autovacuum does when a fifth of the rows has changed: in life so many never change at once."""
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) port_claim, old_claim"))


def live_through(owner: Engine, tenures: int) -> None:
    """Let every number be taken and given back many times, each tenure with its row in the history."""
    pools = [f"pool-{turn}" for turn in range(1, len(SHARES) + 1)]
    numbers = list(range(POOL.first, POOL.last + 1))
    history = text("""
        INSERT INTO port_history (cluster, port, state, team, namespace, name, exposure_id, reason,
            began_at, ended_at, ending)
        SELECT cluster, port, state, team, namespace, name, exposure_id, reason, now(), now(), 'unused'
        FROM port_claim WHERE state <> 'free'
    """)
    for _ in range(-(-tenures // (len(pools) * len(numbers)))):
        with owner.begin() as connection:
            connection.execute(text(GIVE))
            connection.execute(text(TAKE), {"pools": pools, "numbers": numbers})
        with owner.begin() as connection:
            connection.execute(history)
            connection.execute(text(GIVE))
        vacuum(owner)
