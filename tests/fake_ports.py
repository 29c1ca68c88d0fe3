"""The apiserver's node port allocation, as far as the product can see it: one bitmap of bare numbers.

Source: k8s.io/kubernetes pkg/registry/core/service/storage/alloc.go at v1.37.2; KEP-3668 for the bands.
Only the dynamic pick differs: the lowest free number here, a random one there.
"""

from typing import Any

from service.domain.errors import ClusterAway, FieldFixed, PortAllocated, WriteRefused

Document = dict[str, Any]


def needs_node_ports(spec: Document) -> bool:
    """Return whether the apiserver gives each port of this spec a node port."""
    if spec["type"] == "LoadBalancer":
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return bool(spec["type"] == "NodePort")


def needs_health_check_port(spec: Document) -> bool:
    """Return whether the apiserver takes one more number for health checks."""
    return bool(spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local")


def node_ports(spec: Document) -> set[int]:
    """Return every number that a spec holds."""
    numbers = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    return numbers | ({spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set())


class NodePorts:
    """Which numbers are taken. A transaction works on ``copy()`` and puts it back when the write happens."""

    def __init__(self, first: int, last: int) -> None:
        self.range = range(first, last + 1)
        size = len(self.range)
        self.offset = min(max(16, size // 32), 128) if size > 16 else 0
        self.taken: set[int] = set()

    def copy(self) -> "NodePorts":
        """Return another bitmap with the same bits."""
        other = NodePorts(self.range.start, self.range.stop - 1)
        other.taken = set(self.taken)
        return other

    def take(self, name: str, number: int, index: int) -> None:
        """Take a number that the Service states.

        Raises:
            WriteRefused: it is outside of the range.
            PortAllocated: it is taken, by whomever.
        """
        where = f'Service "{name}" is invalid: spec.ports[{index}].nodePort: Invalid value: {number}: '
        if number not in self.range:
            valid = f"{self.range.start}-{self.range.stop - 1}"
            raise WriteRefused(
                f"{where}provided port is not in the valid range. The range of valid ports is {valid}"
            )
        if number in self.taken:
            raise PortAllocated(f"{where}provided port is already allocated")
        self.taken.add(number)

    def take_any(self) -> int:
        """Take the first free number of the upper band, of the lower one when that is full."""
        upper, lower = self.range[self.offset :], self.range[: self.offset]
        for number in (*upper, *lower):
            if number not in self.taken:
                self.taken.add(number)
                return int(number)
        raise ClusterAway("Internal error occurred: failed to allocate a nodePort: range is full")

    def allocate(self, service: Document) -> None:
        """Give a new Service its node ports, in place.

        TCP and UDP may share a number when their ``port`` is equal too: then the number is taken once.
        """
        name, spec = service["metadata"]["name"], service["spec"]
        if spec["type"] == "ClusterIP":
            return
        by_port: dict[int, int] = {}
        for index, port in enumerate(spec["ports"]):
            stated = port.get("nodePort")
            if not needs_node_ports(spec) and not stated:
                continue
            known = by_port.get(port["port"])
            if known is None:
                wanted = [
                    p["nodePort"] for p in spec["ports"] if p["port"] == port["port"] and p.get("nodePort")
                ]
                if wanted:
                    self.take(name, wanted[0], index)
                port["nodePort"] = by_port[port["port"]] = wanted[0] if wanted else self.take_any()
            elif stated is None:
                port["nodePort"] = known
            elif stated != known:
                self.take(name, stated, index)
        self._allocate_health_check(name, spec)

    def reallocate(self, service: Document, before: Document) -> None:
        """Give a changed Service the numbers that it lacks, and release those that it holds no more."""
        name, spec = service["metadata"]["name"], service["spec"]
        held = node_ports(before["spec"])
        seen: set[tuple[str, int]] = set()
        for index, port in enumerate(spec["ports"]):
            number = port.get("nodePort")
            if number is None:
                if not needs_node_ports(spec):
                    continue
                number = port["nodePort"] = self.take_any()
            elif number not in held and number not in {taken for _, taken in seen}:
                self.take(name, number, index)
            if (port["protocol"], number) in seen:
                raise ClusterAway(f"Internal error occurred: duplicate nodePort: {number}")
            seen.add((port["protocol"], number))
        if not needs_health_check_port(before["spec"]):
            self._allocate_health_check(name, spec)
        elif spec.get("healthCheckNodePort") not in (None, before["spec"]["healthCheckNodePort"]):
            raise FieldFixed(f'Service "{name}" is invalid: spec.healthCheckNodePort: field is immutable')
        self.taken -= held - node_ports(spec)

    def release(self, spec: Document) -> None:
        """Give back every number of a Service that is gone."""
        self.taken -= node_ports(spec)

    def _allocate_health_check(self, name: str, spec: Document) -> None:
        if not needs_health_check_port(spec):
            return
        number = spec.get("healthCheckNodePort")
        if number is None:
            spec["healthCheckNodePort"] = self.take_any()
        elif number in self.taken:
            raise PortAllocated(
                f"Internal error occurred: failed to allocate requested HealthCheck NodePort {number}: "
                "provided port is already allocated"
            )
        else:
            self.taken.add(number)
