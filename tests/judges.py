"""Who asks the policies in tests: as in production. One for all, since compiling an expression takes time."""

from service.wiring import build_judge
from service.workflow.judge import Judge

JUDGE: Judge = build_judge()


def a_judge() -> Judge:
    """Return one that remembers nothing: for databases with policies of their own."""
    return build_judge()
