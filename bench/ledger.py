"""Choosing a node port: its latency in fuller and fuller pools and with a long past, beside other mechanisms.

An act is what a request does: begin, choose, do the rest of the request (stood in for by a pause), commit.
What is printed is an act's time without what the same act costs when it chooses nothing, so: choosing, and
waiting for others who choose. Every figure stands beside the empty pool's with the same number of clients.
With a past the empty pool has it too; so there each figure stands beside a second one, that of an empty pool
in a table without any.

There is a pool for each filling. All clients choose in the same one for a moment, then all in the next one,
and in one turn of each round they choose nothing: so whatever else the machine does hits all figures alike.
"""

import random
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from bench._candidates import POOL, STATIC, Candidate, candidates
from bench._goals import at_most
from bench._pgbench import Act, Latencies, run_acts
from devcluster.postgres import EmbeddedPostgres
from service.admin.migrate import migrate
from service.store import identities
from service.store.database import transactions
from service.wiring import now

SECONDS, OTHERS_SECONDS, PAUSE_MS, TENURES = 24.0, 10.0, 5, 1_000_000
REST_MS = {1: 0, 64: 30}
"""How long a client rests after giving back, by their number: many must not keep the processors busy."""

FREES = 3
"""So many times as often a client gives back as it takes: a third of the clients has a port."""


@dataclass(frozen=True, slots=True)
class Filling:
    """How full a pool is, and the share of all its numbers that cool: a choice walks over those."""

    share: float
    cooling: float = 0.0

    def __str__(self) -> str:
        cooling = f"{self.cooling:.0%} cool" if self.cooling else ""
        return f"{self.share:6.1%} full {cooling:8}"


FILLINGS = (Filling(0.0), Filling(0.5), Filling(0.95), Filling(0.95, cooling=0.5), Filling(0.999))
"""Many clients do not go for the last three ports, those of the last one: that is waiting, not choosing."""

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
    \\elif :turn > :fillings
    <choose young>;
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
YOUNG_TABLE = """
    CREATE TABLE young_claim (LIKE port_claim INCLUDING ALL);
    ALTER TABLE young_claim ADD FOREIGN KEY (exposure_id) REFERENCES exposure (id);
    INSERT INTO young_claim (cluster, port, state, changed_at)
        SELECT 'young', port, 'free', changed_at FROM port_claim WHERE cluster = 'pool-1';
    GRANT SELECT, INSERT, UPDATE, DELETE ON young_claim TO wharfinger_app
"""
"""One empty pool in a table like the product's, that nobody has ever taken a number from."""

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
    SET state = 'free', team = NULL, namespace = NULL, name = NULL, reason = NULL, exposure_id = NULL,
        until = NULL
    WHERE state <> 'free'
"""
COOL = """
    UPDATE port_claim SET state = 'cooling', until = now() + interval '1 day'
    WHERE cluster = :pool AND port = ANY(CAST(:numbers AS integer[]))
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

        def measured(candidate: Candidate, clients: int, fillings: int, turns: int) -> list[Act]:
            seconds = SECONDS if candidate is chosen else OTHERS_SECONDS
            act = ACT.replace("<choose>", candidate.choose).replace("<choose young>", young(candidate.choose))
            act = act.replace(":turns", str(turns)).replace(":fillings", str(fillings))
            give = f"{candidate.free};\n\\sleep {REST_MS[clients]} ms\n"
            if turns > fillings + 1:
                give = f"{young(candidate.free)};\n{give}"
            return run_acts(server.app_url, scripts, [(act, 1), (give, FREES)], clients, seconds, SETTINGS)

        print(f"pools {POOL}; what choosing adds to an act that chooses nothing, ms (x: of the empty pool's)")
        for candidate in (chosen, *others):
            fill(owner)
            compare(candidate, measured, has_goal=candidate is chosen)
        live_through(owner, TENURES)
        fill(owner)
        print(f"\nAfter {TENURES:,} tenures; the second x: of an empty pool's without any", end="")
        compare(chosen, measured, has_goal=True, has_past=True)
        owner.dispose()


def prepare(owner: Engine) -> None:
    """Write a cluster for each filling, a team, an exposure for each client and one for each number."""
    opener = transactions(owner)
    with opener() as session:
        for turn in range(1, len(FILLINGS) + 1):
            identities.put_cluster(session, identities.Cluster(f"pool-{turn}", None, POOL), now())
        identities.add_team(session, "bench", now())
        identities.add_namespace(session, "pool-1", "bench", None)
        session.execute(text(EXPOSURES))
        session.execute(text(OLD_TABLE))
        session.execute(text(YOUNG_TABLE))


def young(script: str) -> str:
    """Return what does in the table without a past what a script does in the product's."""
    return script.replace("port_claim", "young_claim").replace(":pool", "'young'")


def compare(
    candidate: Candidate,
    measured: Callable[[Candidate, int, int, int], list[Act]],
    *,
    has_goal: bool,
    has_past: bool = False,
) -> None:
    """Print a candidate's figures, a line a case; with a past also beside a pool's that has none."""
    print(f"\n{candidate.name}")
    for clients in REST_MS:
        fillings = FILLINGS if clients == 1 else FILLINGS[:-1]
        turns = 1 + len(fillings) + has_past
        nothing, *found = by_turn(measured(candidate, clients, len(fillings), turns), turns)
        empty_ones = [found[0], *found[len(fillings) :]]
        beside = [latencies.median() - nothing.median() for latencies in empty_ones]
        for filling, latencies in zip(fillings, found, strict=False):
            p50, p99 = latencies.median() - nothing.median(), latencies.at(0.99) - nothing.median()
            ratios = ", ".join(f"{p50 / other:5.2f} x {other:.3f}" for other in beside)
            ratio = p50 / min(beside)
            is_bound = has_goal and not filling.cooling
            goal = at_most(f"{clients} clients, {filling}", ratio, GOAL) if is_bound else ""
            print(
                f"  {clients:2} clients, {filling}: p50 {p50:7.3f} ({ratios})"
                f"   p99 {p99:8.3f}   {len(latencies.milliseconds):5} acts  {goal}".rstrip()
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

    Those that cool are taken from these at random.

    Each number has an owner of its own, as in life: with one owner for all, PostgreSQL would look for a
    client's ports by reading the whole table.
    """
    rest = list(POOL.dynamic_band())
    random.Random(7).shuffle(rest)
    numbers = [*STATIC, *rest]
    with owner.begin() as connection:
        connection.execute(text(GIVE))
        for turn, filling in enumerate(FILLINGS, 1):
            taken = numbers[: round(len(numbers) * filling.share)]
            connection.execute(text(TAKE), {"pools": [f"pool-{turn}"], "numbers": taken})
            cooling = random.Random(8).sample(taken, round(len(numbers) * filling.cooling))
            connection.execute(text(COOL), {"pool": f"pool-{turn}", "numbers": cooling})
        connection.execute(text("DELETE FROM old_claim"))
        connection.execute(text("INSERT INTO old_claim SELECT * FROM port_claim WHERE state <> 'free'"))
    vacuum(owner)


def vacuum(owner: Engine) -> None:
    """Do what autovacuum does when a fifth of the rows has changed: in life so many never change at once."""
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) port_claim, old_claim, young_claim"))


def live_through(owner: Engine, tenures: int) -> None:
    """Let every number be taken and given back many times, each tenure with its row in the history."""
    pools = [f"pool-{turn}" for turn in range(1, len(FILLINGS) + 1)]
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
