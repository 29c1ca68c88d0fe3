"""Who wrote which field of a Service: ``managedFields`` as the apiserver keeps them for whole-object writes.

Source: sigs.k8s.io/structured-merge-diff merge.Updater.Update; the shapes were read from a 1.37.2 apiserver.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]
Path = tuple[str, ...]
Fields = dict[Path, Any]


def fields_of(service: Document) -> Fields:
    """Return every owned field of a Service with its value: atomic fields as a whole, ports one by one."""
    return dict(_fields(service))


def _fields(service: Document) -> Iterator[tuple[Path, Any]]:
    for part in ("labels", "annotations"):
        for key, value in (service["metadata"].get(part) or {}).items():
            yield ("f:metadata", f"f:{part}", f"f:{key}"), value
    for field, value in service["spec"].items():
        if field != "ports":
            yield ("f:spec", f"f:{field}"), value
            continue
        for port in value:
            key = json.dumps({"port": port["port"], "protocol": port["protocol"]}, separators=(",", ":"))
            for name, part in port.items():
                yield ("f:spec", "f:ports", f"k:{key}", f"f:{name}"), part


def written(before: Document | None, after: Document, manager: str, time: str) -> list[Document]:
    """Return the entries after a write: who changes a field owns it alone, and nobody what is gone."""
    old, new = fields_of(before) if before else {}, fields_of(after)
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    entries, own = [], set(changed)
    for entry in (before["metadata"].get("managedFields") or ()) if before else ():
        kept = set(_paths(entry["fieldsV1"])) & new.keys()
        if entry["manager"] == manager:
            own |= kept
            continue
        if left := kept - changed:
            entries.append({**entry, "fieldsV1": _tree(left)})
    if own:
        known = {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": time}
        entries.append({**known, "fieldsType": "FieldsV1", "fieldsV1": _tree(own)})
    return entries


def _paths(tree: Document, above: Path = ()) -> Iterator[Path]:
    for step, below in tree.items():
        if below:
            yield from _paths(below, (*above, step))
        else:
            yield (*above, step)


def _tree(paths: set[Path]) -> Document:
    tree: Document = {}
    for path in sorted(paths):
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
    return tree


def timestamp() -> str:
    """Return the time as the apiserver writes it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
