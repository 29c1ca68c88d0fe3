"""What clients send when they are wrong: name, body, status, code, pointer (None: there is no place)."""

from typing import Any, NamedTuple

from tests.integration.api_world import a_request


class Bad(NamedTuple):
    """One bad body of POST /v1/exposures."""

    name: str
    body: Any
    status: int
    code: str
    pointer: str | None


def port(**fields: Any) -> dict[str, Any]:
    """Return a spec whose one port has these fields."""
    return a_request(ports=[{"port": 80, **fields}])


def ports(*items: Any, **spec: Any) -> dict[str, Any]:
    """Return a spec with these ports."""
    return a_request(ports=list(items), **spec)


def balancer(**fields: Any) -> dict[str, Any]:
    """Return a LoadBalancer with these fields."""
    return a_request(type="LoadBalancer", ports=[{"port": 80}], load_balancer=fields)


def metadata(**fields: Any) -> dict[str, Any]:
    """Return a request with other metadata; ``...`` leaves a field out."""
    body = a_request()
    body["metadata"] = {
        name: value for name, value in (body["metadata"] | fields).items() if value is not ...
    }
    return body


def raw(text: str) -> bytes:
    """Return a request whose justification is this raw JSON."""
    return (
        '{"metadata": {"cluster": "dev", "namespace": "team-a", "name": "hello", "team": "team-a"},'
        '"spec": {"selector": {"app": "hello"}, "ports": [{"port": 80}], "justification": ' + text + "}}"
    ).encode()


JUSTIFICATION = "#/spec/justification"
PORT = "#/spec/ports/0/port"
NODE_PORT = "#/spec/ports/0/node_port"
TARGET = "#/spec/ports/0/target_port"

UNREADABLE = [
    Bad("empty body", b"", 400, "malformed", None),
    Bad("blank body", b"  \n", 400, "malformed", None),
    Bad("no JSON", b"hello", 400, "malformed", None),
    Bad("cut off", b'{"metadata": {', 400, "malformed", None),
    Bad("something behind", b"{} {}", 400, "malformed", None),
    Bad("comma too many", b'{"a": 1,}', 400, "malformed", None),
    Bad("no UTF-8", b'{"metadata": "\xff"}', 400, "malformed", None),
    Bad("UTF-16", '{"a": 1}'.encode("utf-16"), 400, "malformed", None),
    Bad("byte order mark", b"\xef\xbb\xbf{}", 400, "malformed", None),
    Bad("body is a list", b"[]", 400, "malformed", "#"),
    Bad("body is null", b"null", 400, "malformed", "#"),
    Bad("body is a number", b"7", 400, "malformed", "#"),
    Bad("body is a string", b'"hello"', 400, "malformed", "#"),
    Bad("5,000 brackets", b"[" * 5000 + b"]" * 5000, 400, "malformed", None),
    Bad("5,000 open brackets", b"[" * 5000, 400, "malformed", None),
    Bad("5,000 objects", b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, "malformed", None),
    Bad("33 levels", b'{"a":' * 33 + b"1" + b"}" * 33, 400, "malformed", None),
    Bad("1 MB body", b'"' + b"a" * 1_000_000 + b'"', 413, "too-large", None),
    Bad("64 kB and one byte", b" " * (64 * 1024 - 1) + b"{}", 413, "too-large", None),
    Bad("NaN", raw("NaN"), 400, "malformed", JUSTIFICATION),
    Bad("Infinity", raw("Infinity"), 400, "malformed", JUSTIFICATION),
    Bad("-Infinity", raw("-Infinity"), 400, "malformed", JUSTIFICATION),
    Bad("1e999", raw("1e999"), 400, "malformed", JUSTIFICATION),
    Bad("5,000 digits", raw("9" * 5000), 400, "malformed", JUSTIFICATION),
    Bad("NUL", raw(r'"a\u0000b"'), 400, "malformed", JUSTIFICATION),
    Bad("bare NUL byte", raw('"a\x00b"'), 400, "malformed", None),
    Bad("half a surrogate pair", raw(r'"\ud800"'), 400, "malformed", JUSTIFICATION),
    Bad("field twice", raw('"a", "justification": "b"'), 400, "malformed", JUSTIFICATION),
    Bad("NUL in a name", raw('"a", "b\\u0000": 1'), 400, "malformed", "#/spec"),
    Bad("half a pair in a name", raw('"a", "\\ud800": 1'), 400, "malformed", "#/spec"),
]

SHAPE = [
    Bad("no metadata", {"spec": a_request()["spec"]}, 422, "invalid", "#/metadata"),
    Bad("no spec", {"metadata": a_request()["metadata"]}, 422, "invalid", "#/spec"),
    Bad("unknown field", a_request() | {"status": {}}, 422, "invalid", "#/status"),
    Bad("unknown field with a slash", a_request(**{"a/b~c d": 1}), 422, "invalid", "#/spec/a~1b~0c%20d"),
    Bad("metadata is a list", a_request() | {"metadata": []}, 422, "invalid", "#/metadata"),
    Bad("spec is a string", a_request() | {"spec": "x"}, 422, "invalid", "#/spec"),
    Bad("spec is null", a_request() | {"spec": None}, 422, "invalid", "#/spec"),
    Bad("id chosen by the caller", metadata(id="x"), 422, "invalid", "#/metadata/id"),
    Bad("no name", metadata(name=...), 422, "invalid", "#/metadata/name"),
    Bad("name is a number", metadata(name=7), 422, "invalid", "#/metadata/name"),
    Bad("name in capitals", metadata(name="Hello"), 422, "invalid", "#/metadata/name"),
    Bad("name begins with a digit", metadata(name="7up"), 422, "invalid", "#/metadata/name"),
    Bad("name ends with a newline", metadata(name="hello\n"), 422, "invalid", "#/metadata/name"),
    Bad("name of 64 letters", metadata(name="a" * 64), 422, "invalid", "#/metadata/name"),
    Bad("name with a dot", metadata(name="a.b"), 422, "invalid", "#/metadata/name"),
    Bad("namespace with a slash", metadata(namespace="a/b"), 422, "invalid", "#/metadata/namespace"),
    Bad("unknown cluster", metadata(cluster="prod"), 422, "invalid", "#/metadata/cluster"),
    Bad("unknown namespace", metadata(namespace="kube-system"), 422, "invalid", "#/metadata/namespace"),
    Bad("another team's namespace", metadata(namespace="team-b"), 422, "invalid", "#/metadata/namespace"),
    Bad("unknown team", metadata(team="team-x"), 422, "invalid", "#/metadata/team"),
    Bad("another team", metadata(team="team-b", namespace="team-b"), 422, "invalid", "#/metadata/team"),
]

SPEC = [
    Bad("type in small letters", a_request(type="nodeport"), 422, "invalid", "#/spec/type"),
    Bad("type ExternalName", a_request(type="ExternalName"), 422, "invalid", "#/spec/type"),
    Bad("type is null", a_request(type=None), 422, "invalid", "#/spec/type"),
    Bad("no selector", a_request(selector=...), 422, "invalid", "#/spec/selector"),
    Bad("selector is empty", a_request(selector={}), 422, "invalid", "#/spec/selector"),
    Bad("selector is a list", a_request(selector=["app"]), 422, "invalid", "#/spec/selector"),
    Bad("label value is a number", a_request(selector={"app": 1}), 422, "invalid", "#/spec/selector/app"),
    Bad(
        "label value with a space", a_request(selector={"app": "a b"}), 422, "invalid", "#/spec/selector/app"
    ),
    Bad("label key with a space", a_request(selector={"a b": "c"}), 422, "invalid", "#/spec/selector/a%20b"),
    Bad("label key is empty", a_request(selector={"": "c"}), 422, "invalid", "#/spec/selector/"),
    Bad(
        "33 labels", a_request(selector={f"l{n}": "x" for n in range(33)}), 422, "invalid", "#/spec/selector"
    ),
    Bad("no ports", a_request(ports=...), 422, "invalid", "#/spec/ports"),
    Bad("ports are empty", ports(), 422, "invalid", "#/spec/ports"),
    Bad("ports are an object", a_request(ports={"port": 80}), 422, "invalid", "#/spec/ports"),
    Bad(
        "33 ports",
        ports(*({"port": n, "name": f"p{n}"} for n in range(1, 34))),
        422,
        "invalid",
        "#/spec/ports",
    ),
    Bad("a port is a number", ports(80), 422, "invalid", "#/spec/ports/0"),
    Bad("a port is null", ports(None), 422, "invalid", "#/spec/ports/0"),
    Bad("no justification", a_request(justification=...), 422, "invalid", JUSTIFICATION),
    Bad("blank justification", a_request(justification=" \n"), 422, "invalid", JUSTIFICATION),
    Bad("invisible justification", a_request(justification="\u200b"), 422, "invalid", JUSTIFICATION),
    Bad("an escape sequence", a_request(justification="a\x1b[2Jb"), 422, "invalid", JUSTIFICATION),
    Bad("justification is true", a_request(justification=True), 422, "invalid", JUSTIFICATION),
    Bad("2,001 letters", a_request(justification="a" * 2001), 422, "invalid", JUSTIFICATION),
    Bad("lifetime is a number", a_request(lifetime=72), 422, "invalid", "#/spec/lifetime"),
    Bad("lifetime without unit", a_request(lifetime="72"), 422, "invalid", "#/spec/lifetime"),
    Bad("lifetime is nothing", a_request(lifetime="0h"), 422, "invalid", "#/spec/lifetime"),
    Bad("lifetime below nothing", a_request(lifetime="-1h"), 422, "invalid", "#/spec/lifetime"),
    Bad("lifetime in years", a_request(lifetime="P1Y"), 422, "invalid", "#/spec/lifetime"),
    Bad("lifetime of eleven years", a_request(lifetime="P4015D"), 422, "invalid", "#/spec/lifetime"),
    Bad("lifetime is empty", a_request(lifetime=""), 422, "invalid", "#/spec/lifetime"),
    Bad(
        "not_before without zone",
        a_request(not_before="2030-01-01T00:00:00"),
        422,
        "invalid",
        "#/spec/not_before",
    ),
    Bad("not_before is a day", a_request(not_before="2030-01-01"), 422, "invalid", "#/spec/not_before"),
    Bad(
        "not_before in month 13",
        a_request(not_before="2030-13-01T00:00:00Z"),
        422,
        "invalid",
        "#/spec/not_before",
    ),
    Bad(
        "before the year 1",
        a_request(not_before="0001-01-01T00:00:00+23:59"),
        422,
        "invalid",
        "#/spec/not_before",
    ),
    Bad("replace is a word", a_request(replace="yes"), 422, "invalid", "#/spec/replace"),
    Bad("replace is 1", a_request(replace=1), 422, "invalid", "#/spec/replace"),
    Bad("session affinity", a_request(session_affinity="Cookie"), 422, "invalid", "#/spec/session_affinity"),
    Bad("ip family", a_request(ip_family_policy="IPv4"), 422, "invalid", "#/spec/ip_family_policy"),
    Bad(
        "policy", a_request(internal_traffic_policy="local"), 422, "invalid", "#/spec/internal_traffic_policy"
    ),
    Bad(
        "outside policy of a ClusterIP",
        ports({"port": 80}, type="ClusterIP", external_traffic_policy="Local"),
        422,
        "invalid",
        "#/spec/external_traffic_policy",
    ),
    Bad("balancer of a NodePort", a_request(load_balancer={}), 422, "invalid", "#/spec/load_balancer"),
]

PORTS = [
    Bad("no port", ports({"name": "http"}), 422, "invalid", PORT),
    Bad("port 0", port(port=0), 422, "invalid", PORT),
    Bad("port 65536", port(port=65536), 422, "invalid", PORT),
    Bad("port -1", port(port=-1), 422, "invalid", PORT),
    Bad("port of 29 digits", port(port=10**28), 422, "invalid", PORT),
    Bad("port is a string", port(port="80"), 422, "invalid", PORT),
    Bad("port is true", port(port=True), 422, "invalid", PORT),
    Bad("port 80.5", port(port=80.5), 422, "invalid", PORT),
    Bad("port is null", port(port=None), 422, "invalid", PORT),
    Bad("port is a list", port(port=[80]), 422, "invalid", PORT),
    Bad("port name in capitals", port(name="HTTP"), 422, "invalid", "#/spec/ports/0/name"),
    Bad("port name is empty", port(name=""), 422, "invalid", "#/spec/ports/0/name"),
    Bad("port name with _", port(name="a_b"), 422, "invalid", "#/spec/ports/0/name"),
    Bad("unknown field of a port", port(nodePort=30007), 422, "invalid", "#/spec/ports/0/nodePort"),
    Bad("protocol in small letters", port(protocol="tcp"), 422, "invalid", "#/spec/ports/0/protocol"),
    Bad("protocol is a number", port(protocol=6), 422, "invalid", "#/spec/ports/0/protocol"),
    Bad("app protocol", port(app_protocol="http 2"), 422, "invalid", "#/spec/ports/0/app_protocol"),
    Bad("target 0", port(target_port=0), 422, "invalid", TARGET),
    Bad("target 70000", port(target_port=70000), 422, "invalid", TARGET),
    Bad("target 80 as text", port(target_port="80"), 422, "invalid", TARGET),
    Bad("target of 16 letters", port(target_port="a" * 16), 422, "invalid", TARGET),
    Bad("target with --", port(target_port="a--b"), 422, "invalid", TARGET),
    Bad("target is true", port(target_port=True), 422, "invalid", TARGET),
    Bad("node port 0", port(node_port=0), 422, "invalid", NODE_PORT),
    Bad("node port outside the cluster's", port(node_port=29999), 422, "invalid", NODE_PORT),
    Bad("node port above the cluster's", port(node_port=30041), 422, "invalid", NODE_PORT),
    Bad("node port is a string", port(node_port="30007"), 422, "invalid", NODE_PORT),
    Bad("node port of a ClusterIP", a_request(type="ClusterIP"), 422, "invalid", NODE_PORT),
    Bad("node port of a LoadBalancer", a_request(type="LoadBalancer"), 422, "invalid", NODE_PORT),
    Bad(
        "second port unnamed",
        ports({"port": 80, "name": "a"}, {"port": 81}),
        422,
        "invalid",
        "#/spec/ports/1/name",
    ),
    Bad(
        "one name twice",
        ports({"port": 80, "name": "a"}, {"port": 81, "name": "a"}),
        422,
        "invalid",
        "#/spec/ports/1/name",
    ),
    Bad(
        "one port twice",
        ports({"port": 80, "name": "a"}, {"port": 80, "name": "b"}),
        422,
        "invalid",
        "#/spec/ports/1/port",
    ),
    Bad(
        "one node port twice",
        ports({"port": 80, "name": "a", "node_port": 30007}, {"port": 81, "name": "b", "node_port": 30007}),
        422,
        "invalid",
        "#/spec/ports/1/node_port",
    ),
    Bad(
        "TCP and UDP share a node port of two ports",
        ports(
            {"port": 53, "name": "a", "node_port": 30007},
            {"port": 54, "name": "b", "node_port": 30007, "protocol": "UDP"},
        ),
        422,
        "invalid",
        "#/spec/ports/1/node_port",
    ),
]

BALANCERS = [
    Bad(
        "host bits",
        balancer(source_ranges=["10.0.0.1/8"]),
        422,
        "invalid",
        "#/spec/load_balancer/source_ranges/0",
    ),
    Bad(
        "no length",
        balancer(source_ranges=["10.0.0.1"]),
        422,
        "invalid",
        "#/spec/load_balancer/source_ranges/0",
    ),
    Bad(
        "a netmask",
        balancer(source_ranges=["10.0.0.0/255.0.0.0"]),
        422,
        "invalid",
        "#/spec/load_balancer/source_ranges/0",
    ),
    Bad("a name", balancer(source_ranges=["home"]), 422, "invalid", "#/spec/load_balancer/source_ranges/0"),
    Bad(
        "one range",
        balancer(source_ranges="10.0.0.0/8"),
        422,
        "invalid",
        "#/spec/load_balancer/source_ranges",
    ),
    Bad("class", balancer(**{"class": "a b"}), 422, "invalid", "#/spec/load_balancer/class"),
    Bad(
        "allocate",
        balancer(allocate_node_ports="true"),
        422,
        "invalid",
        "#/spec/load_balancer/allocate_node_ports",
    ),
    Bad(
        "our mark",
        balancer(annotations={"wharfinger.dev/digest": "x"}),
        422,
        "invalid",
        "#/spec/load_balancer/annotations/wharfinger.dev~1digest",
    ),
    Bad(
        "annotation is a number",
        balancer(annotations={"a": 1}),
        422,
        "invalid",
        "#/spec/load_balancer/annotations/a",
    ),
    Bad(
        "annotation too long",
        balancer(annotations={"a": "x" * 4097}),
        422,
        "invalid",
        "#/spec/load_balancer/annotations/a",
    ),
    Bad("unknown field", balancer(ip="1.2.3.4"), 422, "invalid", "#/spec/load_balancer/ip"),
]

BAD_INPUT = UNREADABLE + SHAPE + SPEC + PORTS + BALANCERS
