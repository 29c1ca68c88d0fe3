"""Two hundred requests at once never get one port twice: every answer is checked, then the ledger."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, BoundedSemaphore
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from service.domain.ports import Pool
from service.store import identities, ports
from tests.integration.api_world import Caller, World, assert_problem, named
from tests.postgres import Database

CLIENTS, CONNECTIONS = 200, 50
SMALL = Pool(30000, 30040)
Request = dict[str, Any]


@pytest.fixture
def world(own_database: Database, clock) -> World:
    """Give the app with one request at work for each connection; the others queue, as in gunicorn."""
    slots = BoundedSemaphore(CONNECTIONS)

    @contextmanager
    def transaction() -> Iterator[Session]:
        with slots, own_database.transaction() as session:
            yield session

    return World(transaction, clock)


def set_pool(world: World, pool: Pool) -> None:
    with world.transaction() as session:
        identities.put_cluster(session, identities.Cluster("dev", None, pool), world.now())


def a_request_for(number: int, *node_ports: int | None) -> Request:
    """Return one client's request: a port for each of ``node_ports``, None for one of our choice."""
    body = named(f"n{number}")
    body["spec"]["ports"] = [
        {"name": f"p{index}", "port": 80 + index} | ({} if node_port is None else {"node_port": node_port})
        for index, node_port in enumerate(node_ports)
    ]
    return body


def send_at_once(world: World, bodies: Sequence[Request]) -> list[TestResponse]:
    """Send every body by a client and a thread of its own; all begin together."""
    start = Barrier(len(bodies))

    def send(body: Request) -> TestResponse:
        client = Caller(world.app.test_client(), "ann")
        start.wait()
        return client.post("/v1/exposures", body)

    with ThreadPoolExecutor(len(bodies)) as threads:
        return list(threads.map(send, bodies))


def told(answer: TestResponse) -> dict[int, str]:
    """Return the node ports that an answer promises, with the exposure's name."""
    body = json.loads(answer.data)
    return {port["node_port"]: body["metadata"]["name"] for port in body["status"]["ports"]}


def check_ledger(world: World, won: Sequence[TestResponse]) -> None:
    """Check that the ledger holds what the winners were told, for each of them, and nothing else."""
    promised = Counter(port for answer in won for port in told(answer))
    assert [port for port, times in promised.items() if times > 1] == []
    with world.transaction() as session:
        claims = ports.page(session, "dev", 0, 100_000, world.now())
    held = {claim.port: claim.name for claim in claims}
    assert held == {port: name for answer in won for port, name in told(answer).items()}
    assert {claim.state.value for claim in claims} <= {"held"}
    exposures, _, events = world.rows()
    assert (exposures, events) == (len(won), len(won))


def test_two_hundred_that_leave_the_port_to_us_get_two_hundred_ports(world: World) -> None:
    set_pool(world, Pool())
    answers = send_at_once(world, [a_request_for(number, None) for number in range(CLIENTS)])
    assert Counter(answer.status_code for answer in answers) == {201: CLIENTS}
    check_ledger(world, answers)


def test_of_two_hundred_that_ask_for_one_port_one_gets_it_and_the_others_hear_who(world: World) -> None:
    answers = send_at_once(world, [a_request_for(number, 30007) for number in range(CLIENTS)])
    [winner] = [answer for answer in answers if answer.status_code == 201]
    name = told(winner)[30007]
    for answer in answers:
        if answer is not winner:
            problem = assert_problem(answer, 409, "node-port-taken")
            assert problem["port"] == 30007
            assert problem["owner"] == {"team": "team-a", "namespace": "team-a", "name": name}
    check_ledger(world, [winner])


def test_a_pool_of_41_serves_41_of_two_hundred_and_refuses_the_rest(world: World) -> None:
    set_pool(world, SMALL)
    answers = send_at_once(world, [a_request_for(number, None) for number in range(CLIENTS)])
    won = [answer for answer in answers if answer.status_code == 201]
    assert len(won) == 41
    for answer in answers:
        if answer not in won:
            assert_problem(answer, 409, "pool-exhausted")
    check_ledger(world, won)


def test_a_pool_of_41_has_41_winners_whatever_64_clients_with_50_requests_each_do(world: World) -> None:
    set_pool(world, SMALL)
    start = Barrier(64)

    def send(client: int) -> list[TestResponse]:
        caller = Caller(world.app.test_client(), "ann")
        start.wait()
        return [
            caller.post("/v1/exposures", a_request_for(50 * client + number, None)) for number in range(50)
        ]

    with ThreadPoolExecutor(64) as threads:
        answers = [answer for some in threads.map(send, range(64)) for answer in some]
    assert Counter(answer.status_code for answer in answers) == {201: 41, 409: 64 * 50 - 41}
    for answer in answers:
        if answer.status_code == 409:
            problem = assert_problem(answer, 409, "pool-exhausted")
            assert problem["counts"] == {"held": 41}
            assert problem["teams"] == {"team-a": 41}
    check_ledger(world, [answer for answer in answers if answer.status_code == 201])


def test_the_last_port_is_refused_to_nobody_before_it_is_decided(world: World) -> None:
    """Who finds the last port locked waits: the one who is about to take it may still fail."""
    set_pool(world, Pool(30000, 30000))
    with ThreadPoolExecutor(1) as threads:
        with world.transaction() as session:
            session.execute(text("SELECT FROM port_claim WHERE port = 30000 FOR UPDATE"))
            waiting = threads.submit(send_at_once, world, [a_request_for(1, None)])
            wait_for_lock(session)
            assert not waiting.done()
            session.rollback()  # the one who had it fails
        [answer] = waiting.result(timeout=10)
    assert told(answer) == {30000: "n1"}


def test_nobody_waits_for_a_choice_while_there_is_another_free_port(world: World) -> None:
    set_pool(world, SMALL)
    with world.transaction() as session:
        session.execute(text("SELECT FROM port_claim WHERE port <> 30023 FOR UPDATE"))
        [answer] = send_at_once(world, [a_request_for(1, None)])
    assert told(answer) == {30023: "n1"}


def wait_for_lock(session: Session) -> None:
    """Wait until somebody waits for a row that this session has."""
    deadline = time.monotonic() + 10
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
    while not session.scalar(query):
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


@pytest.mark.parametrize("pool", [SMALL, Pool(30000, 30127)], ids=str)
def test_requests_for_several_ports_in_any_order_never_block_each_other(world: World, pool: Pool) -> None:
    set_pool(world, pool)
    chance = random.Random(7)
    numbers = range(pool.first, pool.first + 24)
    bodies = []
    for number in range(CLIENTS):
        asked: list[int | None] = [
            *chance.sample(numbers, chance.randint(0, 3)),
            *[None] * chance.randint(0, 2),
        ]
        chance.shuffle(asked)
        bodies.append(a_request_for(number, *(asked or [None])))
    answers = send_at_once(world, bodies)
    won = [answer for answer in answers if answer.status_code == 201]
    codes = Counter(json.loads(answer.data)["code"] for answer in answers if answer not in won)
    assert set(codes) <= {"node-port-taken", "pool-exhausted"}
    assert won
    check_ledger(world, won)
