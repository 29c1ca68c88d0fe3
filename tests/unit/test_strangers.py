"""Who else has which node port."""

from service.domain.manifest import node_ports
from service.domain.plan import Desired, Observed, Ref
from service.domain.spec import Document
from service.reconciler.foreign import strangers
from tests.builders import NUMBER, REF, make_desired, make_foreign, make_observed, make_service

THIEF = Ref("shop", "thief")


def make_thief(*numbers: int, ref: Ref = THIEF, **spec: object) -> Observed:
    service = make_foreign(ref).service
    service["spec"] |= {"ports": [{"port": 80, "nodePort": number} for number in numbers], **spec}
    return Observed(service)


def found(*services: Observed, own: Desired | None = None) -> dict[int, str]:
    """Return port → key, with what is wanted for the key of our own exposure."""
    by_ref = {service.ref: service for service in services}
    wants = {} if own is None else {REF: own}
    return {port: str(service.ref) for port, service in strangers(by_ref, wants).items()}


def test_every_number_of_a_service_is_its_own() -> None:
    assert found(make_thief(30020, 30021, healthCheckNodePort=30022)) == {
        30020: "shop/thief",
        30021: "shop/thief",
        30022: "shop/thief",
    }


def test_a_service_without_node_ports_has_none() -> None:
    assert found(make_foreign()) == {}
    assert found(make_thief(ports=None)) == {}


def test_our_own_is_no_stranger() -> None:
    assert found(make_observed(), own=make_desired()) == {}


def test_a_service_of_our_name_that_is_not_ours_is_one() -> None:
    assert found(make_observed(), own=make_desired(uid="another", create_tokens=())) == {NUMBER: str(REF)}


def test_a_mark_without_an_exposure_is_one() -> None:
    assert found(make_observed()) == {NUMBER: str(REF)}


def test_of_two_with_one_number_it_is_the_first_by_name() -> None:
    other = make_thief(30020, ref=Ref("shop", "another"))
    assert found(make_thief(30020), other) == {30020: "shop/another"}


def test_a_number_counts_once_however_often_it_is_used() -> None:
    service: Document = make_service()
    service["spec"]["ports"] = [
        {"port": 80, "protocol": "TCP", "nodePort": 30020},
        {"port": 80, "protocol": "UDP", "nodePort": 30020},
        {"port": 81, "protocol": "TCP"},
    ]
    assert node_ports(service) == {30020}
