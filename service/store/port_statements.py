"""The statements that take node ports; ``store.ports`` says who waits for whom, and why none waits crosswise.

A take is one round trip: it locks the rows that may be had, and gives them their new owner.
"""

from sqlalchemy import text

HOLD = """
    state = CASE WHEN claim.exposure_id = :exposure_id AND claim.state = 'bound' THEN 'bound' ELSE 'held' END,
    since = CASE WHEN claim.exposure_id = :exposure_id AND claim.state IN ('held', 'bound') THEN claim.since
                 ELSE :now END,
    team = :team, namespace = :namespace, name = :name, exposure_id = :exposure_id, reason = :reason,
    until = NULL, changed_at = :now,
    cools_until = CASE WHEN claim.exposure_id = :exposure_id AND claim.state = 'held' THEN claim.cools_until
                       WHEN claim.state = 'cooling' AND claim.until > :now THEN claim.until END
"""

OPEN = "state IN ('free', 'cooling') AND coalesce(until, '-infinity') <= :now"
"""Free, or cooling no more; in the words of the index ``port_claim_open_idx``, so it alone is read."""

TAKE = text(
    """
    WITH open AS MATERIALIZED (
        SELECT port FROM port_claim
        WHERE cluster = :cluster AND port = ANY(CAST(:numbers AS integer[]))
            AND (state = 'free'
                OR state = 'cooling' AND (until <= :now OR team = :team)
                OR state IN ('held', 'bound') AND exposure_id = :exposure_id)
        ORDER BY port FOR UPDATE
    )
    UPDATE port_claim AS claim SET <hold>
    FROM open WHERE claim.cluster = :cluster AND claim.port = open.port
    RETURNING claim.port
    """.replace("<hold>", HOLD)
)
"""Take those of some numbers that may be had; wait for each of them, ascending."""

BIND = text("""
    WITH own AS MATERIALIZED (
        SELECT cluster, port FROM port_claim
        WHERE exposure_id = :exposure_id AND port = ANY (CAST(:ports AS integer[]))
            AND state IN ('held', 'bound')
        ORDER BY port FOR UPDATE
    )
    UPDATE port_claim AS claim SET state = 'bound', cools_until = NULL, changed_at = :now
    FROM own WHERE claim.cluster = own.cluster AND claim.port = own.port
    RETURNING claim.port
""")
"""Bind those of some numbers that an exposure has."""

CHOOSE = text(
    """
    WITH picked AS MATERIALIZED (
        SELECT open.port, wanted.place
        FROM unnest(CAST(:firsts AS integer[]), CAST(:lasts AS integer[]))
                WITH ORDINALITY AS wanted (first, last, place)
            CROSS JOIN LATERAL (
                SELECT port FROM port_claim
                WHERE cluster = :cluster AND port BETWEEN wanted.first AND wanted.last AND <open>
                ORDER BY port LIMIT :count FOR UPDATE SKIP LOCKED
            ) AS open
        LIMIT :count
    )
    UPDATE port_claim AS claim SET <hold>
    FROM picked WHERE claim.cluster = :cluster AND claim.port = picked.port
    RETURNING claim.port, picked.place
    """.replace("<hold>", HOLD).replace("<open>", OPEN)
)
"""Take the first numbers of some ranges that are free and that nobody is about to take; wait for none.

The ranges are looked at in their order and no further than needed: LIMIT stops the nested loop.
"""

_FREE = """
    SELECT port
    FROM port_claim
        JOIN unnest(CAST(:firsts AS integer[]), CAST(:lasts AS integer[])) AS wanted (first, last)
            ON port BETWEEN wanted.first AND wanted.last
    WHERE cluster = :cluster AND <open>
""".replace("<open>", OPEN)

LOOK = text(_FREE)
"""Return the numbers that are free, or that others are about to take: there cannot be more."""

WAIT = text(f"{_FREE} ORDER BY port FOR SHARE OF port_claim")
"""Wait until every number that looks free is decided; return those that still are."""

QUEUE = text("SELECT pg_advisory_xact_lock(hashtextextended('node ports of ' || :cluster, 0))")
"""Wait for everybody else who found too few numbers and holds none: these go one after another."""
