"""What a cluster has on day one, number by number."""

from typing import Any

from service.admin.survey import Row, survey_rows, table, totals
from service.domain.errors import PortOwner
from service.domain.exposure import ExposureRecord
from service.domain.plan import Owner, Ref
from service.domain.port_map import Claimed
from service.domain.ports import Pool
from service.domain.spec import Document
from service.reconciler.desire import ref_of
from tests.builders import NUMBER, make_foreign, make_observed, make_record, make_sync

POOL = Pool(30000, 30040)


def make_stranger(name: str, *numbers: int, **spec: Any) -> Document:
    service = make_foreign(Ref("shop", name)).service
    service["spec"] |= {
        "type": "NodePort",
        "ports": [{"port": 80, "protocol": "TCP", "nodePort": number} for number in numbers],
        **spec,
    }
    return service


def make_claimed(port: int, state: str = "held", name: str = "hello", team: str | None = "team-a") -> Claimed:
    return Claimed(port, state, PortOwner(team, "shop" if team is None else "team-a", name))


def surveyed(
    *services: Document, claims: tuple[Claimed, ...] = (), records: tuple[ExposureRecord, ...] = ()
) -> list[tuple[int | None, str, str]]:
    owners = {
        ref_of(record): Owner(record.exposure.id, record.sync.uid, record.sync.create_tokens)
        for record in records
    }
    rows = survey_rows(services, claims, owners, POOL)
    return [(row.number, row.standing, row.note) for row in rows]


def test_what_nobody_knows_is_new() -> None:
    assert surveyed(make_stranger("web", 30020)) == [(30020, "new", "")]


def test_what_was_brought_in_is_foreign() -> None:
    claims = (make_claimed(30020, "foreign", "web", None),)
    assert surveyed(make_stranger("web", 30020), claims=claims) == [(30020, "foreign", "")]


def test_what_has_changed_hands_since_is_new() -> None:
    claims = (make_claimed(30020, "foreign", "gone", None),)
    [(_, standing, note)] = surveyed(make_stranger("web", 30020), claims=claims)
    assert (standing, note) == ("new", "the ledger still names shop/gone")


def test_what_the_ledger_has_for_somebody_else_is_a_conflict_with_its_owner() -> None:
    claims = (make_claimed(30020),)
    assert surveyed(make_stranger("web", 30020), claims=claims) == [
        (30020, "conflict", "held for team-a/hello of team team-a")
    ]


def test_what_we_made_is_ours() -> None:
    service = make_observed().service
    assert surveyed(service, records=(make_record(),)) == [(NUMBER, "ours", "")]


def test_what_a_create_of_unknown_outcome_made_is_ours_too() -> None:
    record = make_record(sync=make_sync(uid=None, create_tokens=("token-1",)))
    assert surveyed(make_observed().service, records=(record,))[0][1] == "ours"


def test_a_service_of_our_name_with_another_uid_is_not_ours() -> None:
    record = make_record(sync=make_sync(uid="another"))
    claims = (make_claimed(NUMBER, "bound"),)
    assert surveyed(make_observed().service, claims=claims, records=(record,))[0][1] == "conflict"


def test_a_number_outside_of_the_range_is_said_to_be() -> None:
    assert surveyed(make_stranger("web", 31000)) == [(31000, "new", "outside of 30000-30040")]


def test_hidden_numbers_are_shown_with_their_use() -> None:
    service = make_stranger("web", 30020, type="LoadBalancer", healthCheckNodePort=30021)
    rows = survey_rows([service], [], {}, POOL)
    assert [(row.number, row.use) for row in rows] == [(30020, "port 80/TCP"), (30021, "health check")]


def test_a_balancer_without_numbers_is_shown_last_and_a_cluster_ip_not_at_all() -> None:
    bare = make_stranger("bare", type="LoadBalancer")
    inner = make_stranger("inner", type="ClusterIP")
    assert surveyed(bare, inner, make_stranger("web", 30020)) == [
        (30020, "new", ""),
        (None, "no node port", ""),
    ]


def test_the_table_lines_up() -> None:
    rows = [
        Row(30020, "port 80/TCP", "NodePort", "shop/web", "new"),
        Row(None, "", "LoadBalancer", "shop/a-long-name", "no node port", "x"),
    ]
    lines = list(table(rows))
    assert lines[0].split("  ")[0] == "NODE PORT"
    assert len({line.index(word) for line, word in zip(lines[1:], ("shop/web", "shop/a"), strict=True)}) == 1
    assert all(line == line.rstrip() for line in lines)


def test_the_totals_count_services_numbers_and_what_is_left() -> None:
    services = [make_stranger("web", 30020, 31000), make_stranger("other", 30021)]
    claims = [make_claimed(30000), make_claimed(30020, "foreign", "web", None)]
    said = "\n".join(totals(survey_rows(services, claims, {}, POOL), POOL, claims))
    assert "2 Services with 3 node ports:" in said
    assert "1  foreign:" in said
    assert "2  new:" in said
    assert "Outside of the configured range 30000-30040: 31000." in said
    assert "Range 30000-30040: 38 numbers are left." in said
