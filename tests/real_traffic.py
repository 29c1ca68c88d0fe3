"""What tests of real traffic do where there can be none: in CI they fail, elsewhere they say what to do."""

import os

import pytest

from devcluster.network import what_is_missing


def need_real_traffic() -> None:
    """Return where namespaces can be made and kube-proxy can work in them."""
    reason = what_is_missing()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"no real traffic: {reason}")
    pytest.skip(f"no real traffic: {reason}")
