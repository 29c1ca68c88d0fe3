"""``python -m bench`` lists the benches, ``python -m bench NAME`` runs one."""

import importlib
import pkgutil
import sys

import bench
from bench import _goals


def names() -> list[str]:
    """Return the names of all benches: the modules of this package."""
    return sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name[0] != "_")


def main(arguments: list[str]) -> int:
    """Run the bench that is named; return the exit code."""
    if len(arguments) == 1 and arguments[0] in names():
        importlib.import_module(f"bench.{arguments[0]}").main()
        for goal in _goals.missed:
            print(f"missed: {goal}", file=sys.stderr)
        return int(bool(_goals.missed))
    print("make bench BENCH=NAME, and NAME is one of:")
    for name in names():
        first = (importlib.import_module(f"bench.{name}").__doc__ or "").strip().splitlines()[0]
        print(f"  {name:10} {first}")
    return 2 if arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
