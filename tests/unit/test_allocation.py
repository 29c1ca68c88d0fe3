"""Which node ports a specification needs: what shares a number, what was asked for, what it had before."""

from service.domain.allocation import Before, Slot, allocation_of, slots
from service.domain.exposure import Allocation, NodePort, PortOrigin
from service.domain.spec import ExposureType, LoadBalancer, ServicePort
from tests.builders import make_port, make_spec

ASKED, CHOSEN = PortOrigin.ASKED, PortOrigin.CHOSEN
TCP = make_port(name="dns-tcp", port=53)
UDP = make_port(name="dns-udp", port=53, protocol="UDP")
WEB = make_port(name="web", port=80)


def asking(port: ServicePort, number: int) -> ServicePort:
    return make_port(name=port.name, port=port.port, protocol=port.protocol, node_port=number)


def before(ports: tuple[ServicePort, ...], *numbers: int, health_check: int | None = None) -> Before:
    given = tuple(NodePort(number, CHOSEN) for number in numbers)
    hidden = NodePort(health_check, CHOSEN) if health_check else None
    return Before(make_spec(ports=ports), Allocation(given, hidden))


def test_tcp_and_udp_of_one_port_share_a_number() -> None:
    assert slots(make_spec(ports=(TCP, WEB, UDP)), None) == [Slot((0, 2)), Slot((1,))]


def test_who_asks_for_nothing_joins_the_number_that_the_other_asked_for() -> None:
    spec = make_spec(ports=(UDP, asking(TCP, 30053)))
    assert slots(spec, None) == [Slot((1, 0), 30053, 1)]
    assert allocation_of(spec, {Slot((1, 0), 30053, 1): 30053}) == Allocation(
        (NodePort(30053, CHOSEN), NodePort(30053, ASKED))
    )


def test_two_numbers_that_were_asked_for_stay_two() -> None:
    spec = make_spec(ports=(asking(TCP, 30053), asking(UDP, 30054)))
    assert [slot.asked for slot in slots(spec, None)] == [30053, 30054]
    assert [slot.pointer() for slot in slots(spec, None)] == [
        "#/spec/ports/0/node_port",
        "#/spec/ports/1/node_port",
    ]


def test_a_load_balancer_needs_numbers_only_when_it_allocates_them() -> None:
    quiet = make_spec(type=ExposureType.LOAD_BALANCER, ports=(WEB,))
    loud = make_spec(
        type=ExposureType.LOAD_BALANCER, ports=(WEB,), load_balancer=LoadBalancer(allocate_node_ports=True)
    )
    assert (slots(quiet, None), slots(loud, None)) == ([], [Slot((0,))])


def test_a_health_check_needs_one_more() -> None:
    spec = make_spec(type=ExposureType.LOAD_BALANCER, ports=(WEB,), external_traffic_policy="Local")
    [slot] = slots(spec, None)
    assert slot == Slot(())
    assert allocation_of(spec, {slot: 30009}) == Allocation((), NodePort(30009, CHOSEN))


def test_a_port_has_its_earlier_number_by_port_and_protocol_before_its_name() -> None:
    had = before((WEB, TCP), 30001, 30002)
    renamed = make_port(name="other", port=80)
    moved = make_port(name="dns-tcp", port=5353)
    assert [slot.earlier for slot in slots(make_spec(ports=(moved, renamed)), had)] == [30002, 30001]


def test_no_number_is_given_twice() -> None:
    had = before((WEB,), 30001)
    other = make_port(name="web", port=81)
    assert [slot.earlier for slot in slots(make_spec(ports=(WEB, other)), had)] == [30001, None]
    assert [slot.earlier for slot in slots(make_spec(ports=(asking(other, 30001), WEB)), had)] == [None, None]


def test_a_health_check_has_its_earlier_number() -> None:
    spec = make_spec(type=ExposureType.LOAD_BALANCER, ports=(WEB,), external_traffic_policy="Local")
    assert [slot.earlier for slot in slots(spec, before((WEB,), 30001, health_check=30002))] == [30002]
    assert [slot.earlier for slot in slots(spec, before((WEB,), 30001))] == [None]


def test_what_a_port_has_now_goes_before_what_it_had_earlier() -> None:
    now, earlier = before((WEB,), 30001), before((WEB, TCP), 30003, 30002)
    assert [slot.earlier for slot in slots(make_spec(ports=(TCP, WEB)), now, earlier)] == [30002, 30001]


def test_a_port_whose_number_another_one_has_now_gets_the_next_earlier_one() -> None:
    now, first, second = before((WEB,), 30001), before((TCP,), 30001), before((TCP,), 30002)
    assert [slot.earlier for slot in slots(make_spec(ports=(TCP, WEB)), now, first, second)] == [30002, 30001]


def test_of_an_earlier_revision_only_one_number_may_count() -> None:
    had = before((WEB, TCP, UDP), 30001, 30002, 30002, health_check=30003)
    assert had.only(30002) == before((TCP, UDP), 30002, 30002)
    assert had.only(30003) == before((), health_check=30003)
