"""Attempts at what is asked for: content that slips by, places of others, changes that look small."""

from service.domain.spec import Document
from service.policies import DEFAULTS, shipped
from tests.integration.adoption_world import a_wish
from tests.integration.api_world import a_request
from tests.integration.approval_world import Case
from tests.integration.bypass import NOTHING, Answer, Ground, Table

BALANCER: Document = {
    "type": "LoadBalancer",
    "ports": [{"name": "http", "port": 80}],
    "load_balancer": {"source_ranges": ["10.0.0.0/24"]},
}
TWO_PORTS = [{"name": "http", "port": 80}, {"name": "more", "port": 81}]
TABLE = Table()
answers = TABLE.answers


def post(ground: Ground, metadata: Document | None = None, **spec: object) -> Answer:
    """Let ann ask, be it in a place of others."""
    body = a_request(**spec)
    body["metadata"] |= metadata or {}
    return ground.by("ann").post("/v1/exposures", body)


def balanced(ground: Ground) -> Case:
    """Return a load balancer that the cluster has."""
    case = ground.ask(**BALANCER).approve("eve")
    ground.settle()
    ground.cluster.calls.clear()
    assert case.decisions() == ["live"]
    return case


@answers(422, "invalid", "#/spec/external_ips", NOTHING)
def an_unknown_field_is_smuggled_in(ground: Ground) -> Answer:
    return post(ground, external_ips=["192.0.2.1"])


@answers(422, "invalid", "#/spec/ports/0/host_port", NOTHING)
def an_unknown_field_of_a_port_is_smuggled_in(ground: Ground) -> Answer:
    return post(ground, ports=[{"port": 80, "host_port": 80}])


@answers(422, "invalid", "#/status", NOTHING)
def a_request_brings_its_own_decision(ground: Ground) -> Answer:
    return ground.by("ann").post("/v1/exposures", a_request() | {"status": {"state": "Active"}})


@answers(400, "malformed", "selector", NOTHING)
def a_key_is_there_twice(ground: Ground) -> Answer:
    return ground.by("ann").post(
        "/v1/exposures", b'{"metadata": {}, "spec": {"selector": {"app": "a"}, "selector": {"app": "b"}}}'
    )


@answers(422, "invalid", "has no namespace 'team-b'", NOTHING)
def another_teams_namespace(ground: Ground) -> Answer:
    return post(ground, {"namespace": "team-b"})


@answers(422, "invalid", "no team 'team-b' that you belong to", NOTHING)
def another_teams_name(ground: Ground) -> Answer:
    return post(ground, {"namespace": "team-b", "team": "team-b"})


@answers(422, "invalid", "has no namespace 'team-b'", NOTHING)
def a_service_of_another_teams_namespace_is_adopted(ground: Ground) -> Answer:
    return ground.by("ann").post("/v1/clusters/dev/adoptions", a_wish(namespace="team-b"))


@answers(422, "invalid", "#/metadata", "live")
def a_change_moves_it_to_another_namespace(ground: Ground) -> Answer:
    case = ground.live()
    return ground.by("ann").patch(case.at, {"metadata": {"namespace": "team-b"}, "spec": {}})


@answers(404, "not-found", "no such exposure that you may see", "live")
def another_team_changes_it(ground: Ground) -> Answer:
    return ground.live().change("ben", lifetime="1h")


@answers(403, "forbidden", "Only a requester of team team-a", "live")
def an_approver_changes_it(ground: Ground) -> Answer:
    return ground.live().change("eve", lifetime="1h")


@answers(202, None, "It can select other pods", "live", "pending")
def a_live_one_is_pointed_at_other_pods(ground: Ground) -> Answer:
    return ground.live().change(selector={"app": "database"})


@answers(202, None, "It can select other pods", "live", "pending")
def a_label_is_taken_out_of_the_selector(ground: Ground) -> Answer:
    return ground.live(selector={"app": "hello", "tier": "web"}).change(selector={"tier": None})


@answers(202, None, "The port is new", "live", "pending")
def a_port_is_added(ground: Ground) -> Answer:
    return ground.live(ports=TWO_PORTS[:1]).change(ports=TWO_PORTS)


@answers(202, None, "widening", "live", "pending")
def the_port_behind_is_another(ground: Ground) -> Answer:
    case = ground.live(ports=TWO_PORTS[:1])
    return case.change(ports=[{**TWO_PORTS[0], "target_port": 22}])


@answers(202, None, "widening", "live", "pending")
def a_chosen_node_port_becomes_an_asked_one(ground: Ground) -> Answer:
    case = ground.live(ports=TWO_PORTS[:1])
    return case.change(ports=[{**TWO_PORTS[0], "node_port": 30033}])


@answers(202, None, "widening", "live", "pending")
def an_asked_node_port_is_another(ground: Ground) -> Answer:
    case = ground.live()
    return case.change(ports=[{"name": "http", "port": 80, "target_port": "http", "node_port": 30008}])


@answers(202, None, "widening", "live", "pending")
def the_type_is_another(ground: Ground) -> Answer:
    return ground.live(type="ClusterIP", ports=TWO_PORTS[:1]).change(type="NodePort")


@answers(202, None, "widening", "live", "pending")
def the_traffic_policy_is_another(ground: Ground) -> Answer:
    return ground.live().change(external_traffic_policy="Local")


@answers(202, None, '"kind":"widening"', "live", "pending")
def a_widening_hides_behind_a_narrowing(ground: Ground) -> Answer:
    case = ground.live(ports=TWO_PORTS)
    return case.change(ports=TWO_PORTS[:1], lifetime="1h", selector={"app": "database"})


@answers(202, None, "It ends later", "live", "superseded", "superseded", "pending")
def small_steps_are_hidden_behind_each_other(ground: Ground) -> Answer:
    case = ground.live(lifetime="10h")
    case.change(lifetime="14h")
    case.change(lifetime="13h")
    return case.change(lifetime="12h")


@answers(202, None, "It has no end any more", "live", "pending")
def the_end_is_taken_away(ground: Ground) -> Answer:
    return ground.live(lifetime="10h").change(lifetime=None)


@answers(202, None, "Other sources are let in", "retired", "live", "pending")
def a_narrowing_is_taken_back(ground: Ground) -> Answer:
    case = balanced(ground)
    case.change(load_balancer={"source_ranges": ["10.0.0.0/25"]})
    ground.settle()
    ground.cluster.calls.clear()
    return case.change(load_balancer={"source_ranges": ["10.0.0.0/24"]})


@answers(202, None, "Other sources are let in", "live", "pending")
def the_sources_are_taken_away(ground: Ground) -> Answer:
    return balanced(ground).change(load_balancer={"source_ranges": []})


@answers(202, None, "Other sources are let in", "live", "pending")
def a_source_hides_in_a_smaller_one(ground: Ground) -> Answer:
    ranges = ["10.0.0.0/25", "10.0.1.128/25"]
    return balanced(ground).change(load_balancer={"source_ranges": ranges})


@answers(202, None, "widening", "live", "pending")
def an_annotation_opens_the_load_balancer(ground: Ground) -> Answer:
    annotations = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"}
    return balanced(ground).change(load_balancer={"annotations": annotations})


@answers(202, None, "widening", "live", "pending")
def the_class_is_another(ground: Ground) -> Answer:
    return balanced(ground).change(load_balancer={"class": "example.com/internet"})


@answers(202, None, "go round the source ranges", "live", "pending")
def node_ports_go_round_the_sources(ground: Ground) -> Answer:
    return balanced(ground).change(load_balancer={"allocate_node_ports": True})


@answers(202, None, "widening", "approved", "pending")
def a_start_is_moved_to_the_past(ground: Ground) -> Answer:
    case = ground.ask(not_before="2030-01-02T00:00:00Z").approve("eve")
    return case.change(not_before="2029-12-31T00:00:00Z")


@answers(202, None, "widening", "approved", "pending")
def a_start_is_taken_away(ground: Ground) -> Answer:
    return ground.ask(not_before="2030-01-02T00:00:00Z").approve("eve").change(not_before=None)


@answers(412, "digest-mismatch", "digest", "superseded", "pending")
def an_approval_for_later_lets_it_through_now(ground: Ground) -> Answer:
    case = ground.ask(not_before="2030-01-02T00:00:00Z")
    read = case.revision(1)["digest"]
    case.change(not_before=None)
    return case.review("eve", digest=read)


@answers(412, "stale", "", "live")
def a_change_overwrites_what_its_author_has_not_read(ground: Ground) -> Answer:
    case = ground.live()
    return ground.by("ann").patch(case.at, {"spec": {"lifetime": "1h"}}, If_Match='"1.0"')


@answers(428, "precondition-required", "If-Match", "live")
def a_change_says_nothing_of_what_was_read(ground: Ground) -> Answer:
    case = ground.live()
    return ground.by("ann").patch(case.at, {"spec": {"lifetime": "1h"}}, If_Match=None)


def defaults(ground: Ground, environment: str | None = "development") -> None:
    """Let the policies hold that ship, in a namespace of this environment."""
    ground.rules(*shipped(DEFAULTS))
    ground.tamper("UPDATE namespace SET environment = :environment", environment=environment)


@answers(201, None, '"missing":["platform","platform"]')
def production_hides_in_an_unset_environment(ground: Ground) -> Answer:
    defaults(ground, None)
    return ground.ask(lifetime="1h").made


@answers(201, None, '"missing":["platform","platform"]')
def production_hides_in_another_spelling(ground: Ground) -> Answer:
    defaults(ground, "PRODUCTION")
    return ground.ask(lifetime="1h").made


@answers(403, "policy-denied", "allows at most 168h", NOTHING)
def a_node_port_lasts_longer_than_the_rule(ground: Ground) -> Answer:
    defaults(ground)
    return post(ground, lifetime="169h")


@answers(403, "policy-denied", "It has no end", NOTHING)
def a_node_port_has_no_end(ground: Ground) -> Answer:
    defaults(ground)
    return post(ground, lifetime=None)


@answers(403, "policy-denied", "Target port 22 is never exposed", NOTHING)
def a_forbidden_port_is_left_to_the_default(ground: Ground) -> Answer:
    defaults(ground)
    return post(ground, ports=[{"port": 22}])


@answers(403, "policy-denied", "is shared by several teams", NOTHING)
def a_shared_namespaces_selector_leaves_the_team_out(ground: Ground) -> Answer:
    defaults(ground)
    ground.tamper("INSERT INTO team_namespace VALUES ('team-b', 'dev', 'team-a')")
    return post(ground)


@answers(403, "policy-denied", "is shared by several teams", "approved")
def the_teams_label_is_edited_in_a_shared_namespace(ground: Ground) -> Answer:
    defaults(ground)
    ground.tamper("INSERT INTO team_namespace VALUES ('team-b', 'dev', 'team-a')")
    case = ground.ask(selector={"team": "team-a"}, not_before="2030-01-02T00:00:00Z")
    return case.change(selector={"team": "team-b"})


@answers(403, "policy-denied", "narrower than everybody", NOTHING)
def everybody_is_let_in_by_halves(ground: Ground) -> Answer:
    defaults(ground, "production")
    halves = {"source_ranges": ["0.0.0.0/1", "128.0.0.0/1"]}
    return post(ground, **(BALANCER | {"load_balancer": halves}))
