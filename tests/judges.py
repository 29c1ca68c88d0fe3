"""Who asks the policies in tests: as in production, with one evaluator for all, since compiling takes time.

A judge remembers the policies of its database, so each database has one of its own.
"""

from service.expressions.evaluator import CelEvaluator
from service.workflow.judge import Judge

EVALUATOR = CelEvaluator()


def a_judge() -> Judge:
    """Return a judge that remembers nothing yet."""
    return Judge(EVALUATOR)
