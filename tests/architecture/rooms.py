"""A contract for import-linter: what a room may import, and nothing else.

The built-in contracts name what is forbidden; the law (docs/house.md) names what is allowed, so a new import
is refused until somebody writes the arrow down. Direct imports are judged: an arrow to a room is no arrow to
what that room imports. The standard library is free.
"""

import sys
from collections.abc import Iterator

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class RoomContract(Contract):
    """``room`` imports itself, the standard library and ``may_import`` (with what is below), no more."""

    type_name = "room"

    room = fields.StringField()
    may_import = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        broken = sorted(self._unknown_arrows(graph))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def _unknown_arrows(self, graph: ImportGraph) -> Iterator[str]:
        room = str(self.room)
        if room not in graph.modules:
            yield f"{room} is not there: the contract is about nothing"
            return
        allowed = (room, *(str(name) for name in self.may_import or ()))
        for importer in {room} | graph.find_descendants(room):
            for imported in graph.find_modules_directly_imported_by(importer):
                if imported.partition(".")[0] in sys.stdlib_module_names or is_below(imported, allowed):
                    continue
                details = graph.get_import_details(importer=importer, imported=imported)
                lines = ", ".join(str(detail["line_number"]) for detail in details)
                yield f"{importer} -> {imported} (l. {lines})"

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["broken"]:
            output.print_error(line, bold=False)
        output.print("The arrows stand in docs/house.md; a new one is a decision.")


def is_below(name: str, parents: tuple[str, ...]) -> bool:
    """Return whether a module is one of these or inside one of them."""
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)
