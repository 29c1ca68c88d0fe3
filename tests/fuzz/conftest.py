"""How long the fuzzer works: seeded and short with all the tests, open-ended by ``make fuzz``."""

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
"""The database is one per test and not per example, on purpose: the fuzzer builds on what it made."""

settings.register_profile("short", max_examples=20, derandomize=True, database=None, deadline=None)
settings.register_profile("long", max_examples=2000, deadline=None, print_blob=True)
FUZZ = settings(
    settings.get_profile("long" if os.environ.get("HYPOTHESIS_PROFILE") == "long" else "short"),
    suppress_health_check=_SLOW,
)
