"""The ways to choose a free node port that were weighed (docs/decisions/0006), as pgbench scripts.

Each takes one port of ``:pool`` for the client in the statement that the product would send. The product's
own comes from the product; the others work on a table of their own where the shape differs.
"""

import re
from dataclasses import dataclass

from service.domain.ports import Pool
from service.store.port_statements import CHOOSE

POOL = Pool()
STATIC, DYNAMIC = POOL.static_band(), POOL.dynamic_band()
CLIENT = "CAST('00000000-0000-0000-0000-' || lpad(CAST(:client_id AS text), 12, '0') AS uuid)"

TURNS = f"\\set s random(0, {len(STATIC) - 1})\n\\set d random(0, {len(DYNAMIC) - 1})\n"
TURNED = (
    f"ARRAY[{STATIC[0]} + :s, {STATIC[0]}, {DYNAMIC[0]} + :d, {DYNAMIC[0]}]",
    f"ARRAY[{STATIC[-1]}, {STATIC[0]} - 1 + :s, {DYNAMIC[-1]}, {DYNAMIC[0]} - 1 + :d]",
)
FROM_THE_HEAD = (f"ARRAY[{POOL.first}]", f"ARRAY[{POOL.last}]")

FREE_ROW = f"""
    UPDATE port_claim SET state = 'free', team = NULL, namespace = NULL, name = NULL, exposure_id = NULL,
        reason = NULL, since = NULL
    WHERE exposure_id = {CLIENT} AND state = 'held'
"""

ANTI_JOIN = f"""
    WITH free AS MATERIALIZED (
        SELECT number FROM generate_series({POOL.first}, {POOL.last}) AS number
        WHERE NOT EXISTS (
            SELECT FROM old_claim WHERE cluster = :pool AND port = number
                AND NOT (state = 'cooling' AND until <= now())
        )
        ORDER BY number
    ), picked AS MATERIALIZED (
        SELECT number FROM free WHERE pg_try_advisory_xact_lock(7, number) LIMIT 1
    )
    INSERT INTO old_claim (cluster, port, state, team, namespace, name, exposure_id, reason, changed_at)
    SELECT :pool, number, 'held', 'bench', 'bench', 'b', {CLIENT}, 'measured', now() FROM picked
    ON CONFLICT (cluster, port) DO NOTHING
"""
DROP_ROW = f"DELETE FROM old_claim WHERE exposure_id = {CLIENT} AND state = 'held'"


@dataclass(frozen=True, slots=True)
class Candidate:
    """``choose`` takes a port for the client, ``free`` gives back what it has."""

    name: str
    choose: str
    free: str


def statement(ends: tuple[str, str], skip: str = "SKIP LOCKED") -> str:
    """Return the product's statement with pgbench's expressions for its parameters."""
    values = {
        "cluster": ":pool",
        "team": "'bench'",
        "namespace": "'bench'",
        "name": "'b'",
        "reason": "'measured'",
        "exposure_id": CLIENT,
        "now": "now()",
        "count": "1",
    }
    sql = str(CHOOSE.text).replace("CAST(:firsts AS integer[])", ends[0])
    sql = sql.replace("CAST(:lasts AS integer[])", ends[1]).replace("SKIP LOCKED", skip)
    return re.sub(r"(?<!:):([a-z_]{3,})", lambda match: values.get(match[1], match[0]), sql)


def candidates() -> list[Candidate]:
    """Return all of them, the product's first."""
    lock = "SELECT pg_advisory_xact_lock(hashtext(:pool));\n"
    return [
        Candidate("row a port, SKIP LOCKED, turned", TURNS + statement(TURNED), FREE_ROW),
        Candidate("row a port, SKIP LOCKED, lowest", statement(FROM_THE_HEAD), FREE_ROW),
        Candidate("no free rows, anti-join + try-locks", ANTI_JOIN, DROP_ROW),
        Candidate("row a port, one lock a pool", lock + statement(FROM_THE_HEAD, ""), FREE_ROW),
    ]
