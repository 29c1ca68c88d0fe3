"""Building once: two at a time, killed half way, failed. The processes are real, the Go is a script."""

import io
import signal
import subprocess
from pathlib import Path

import pytest

from devcluster.binaries import PROGRAMS, cache_folder, missing, pinned
from devcluster.builder import build
from devcluster.errors import BuildFailed
from devcluster.progress import Progress
from tests.devcluster.tools import FakeGo, is_gone, start_python, wait_for


def begin(go: FakeGo) -> subprocess.Popen[str]:
    """Start ``python -m devcluster build``; both its outputs are in the pipe."""
    return start_python("-m", "devcluster", "build", environment=go.environment, errors=subprocess.STDOUT)


def kill_half_way(go: FakeGo) -> int:
    """Kill a builder while Go works; return Go's pid."""
    builder = begin(go)
    pid = go.build_pid()
    builder.kill()
    builder.communicate()
    (go.folder / "pid").unlink()
    return pid


def leftovers(go: FakeGo) -> list[Path]:
    return list(go.cache.glob(".building-*"))


def made(go: FakeGo) -> list[str]:
    folder = cache_folder(go.environment)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def build_quietly(go: FakeGo) -> str:
    stream = io.StringIO()
    build(PROGRAMS, go.environment, Progress(stream))
    return stream.getvalue()


def test_all_programs_are_built_and_nothing_else_stays(fake_go: FakeGo) -> None:
    build_quietly(fake_go)

    assert made(fake_go) == sorted(PROGRAMS)
    assert missing(PROGRAMS, fake_go.environment) == []
    assert leftovers(fake_go) == []
    assert not (fake_go.cache / "go-build").exists()


def test_the_server_is_told_its_version(fake_go: FakeGo) -> None:
    build_quietly(fake_go)

    assert f"-X k8s.io/component-base/version.gitVersion={pinned('kubernetes')}" in fake_go.builds()[-1]


def test_only_what_no_place_has_is_built(fake_go: FakeGo) -> None:
    build_quietly(fake_go)
    (cache_folder(fake_go.environment) / "kubectl").unlink()
    (fake_go.folder / "calls").unlink()

    build_quietly(fake_go)

    assert [call.split()[-1] for call in fake_go.builds()] == ["k8s.io/kubernetes/cmd/kubectl"]


def test_with_everything_there_go_is_not_asked(fake_go: FakeGo) -> None:
    build_quietly(fake_go)
    (fake_go.folder / "calls").unlink()

    build_quietly(fake_go)

    assert fake_go.builds() == []


def test_a_second_builder_waits_says_so_and_takes_the_result(fake_go: FakeGo) -> None:
    hold = fake_go.switch("hold")
    first = begin(fake_go)
    fake_go.build_pid()
    second = begin(fake_go)
    assert second.stdout is not None
    waiting = second.stdout.readline()

    hold.unlink()
    first.communicate(timeout=30)
    rest, _ = second.communicate(timeout=30)

    assert waiting.startswith(f"devcluster: another build is under way (pid {first.pid})")
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(fake_go.builds()) == 2, "one call for etcd, one for Kubernetes"
    assert "devcluster's cache" in rest


def test_a_waiting_builder_takes_over_from_one_that_is_killed(fake_go: FakeGo) -> None:
    hold = fake_go.switch("hold")
    first = begin(fake_go)
    fake_go.build_pid()
    second = begin(fake_go)
    assert second.stdout is not None
    second.stdout.readline()

    first.kill()
    first.communicate()
    hold.unlink()
    second.communicate(timeout=30)

    assert second.returncode == 0
    assert made(fake_go) == sorted(PROGRAMS)


def test_go_ends_with_a_builder_that_is_killed(fake_go: FakeGo) -> None:
    fake_go.switch("hold-etcd")

    pid = kill_half_way(fake_go)

    wait_for(lambda: is_gone(pid), "go is gone")


def test_killed_half_way_nothing_half_made_is_in_the_cache(fake_go: FakeGo) -> None:
    fake_go.switch("hold-etcd")

    kill_half_way(fake_go)

    assert made(fake_go) == []


def test_after_a_kill_the_next_try_works_and_cleans_up(fake_go: FakeGo) -> None:
    hold = fake_go.switch("hold-etcd")
    kill_half_way(fake_go)
    assert len(leftovers(fake_go)) == 1
    hold.unlink()

    said = build_quietly(fake_go)

    assert "an earlier try left part of the work" in said
    assert made(fake_go) == sorted(PROGRAMS)
    assert leftovers(fake_go) == []


def test_what_was_finished_before_a_kill_is_not_built_again(fake_go: FakeGo) -> None:
    hold = fake_go.switch("hold")
    kill_half_way_in_kubernetes(fake_go)
    assert made(fake_go) == ["etcd"]
    hold.unlink()

    build_quietly(fake_go)

    etcd = [call for call in fake_go.builds() if "go.etcd.io/etcd/server/v3" in call]
    assert len(etcd) == 1


def kill_half_way_in_kubernetes(go: FakeGo) -> None:
    builder = begin(go)
    wait_for(lambda: len(go.builds()) == 2, "go compiles Kubernetes")
    builder.send_signal(signal.SIGKILL)
    builder.communicate()


def test_a_build_that_fails_shows_what_go_said_and_where_the_rest_is(fake_go: FakeGo) -> None:
    fake_go.switch("fail")

    with pytest.raises(BuildFailed) as caught:
        build_quietly(fake_go)

    assert "no space left on device" in str(caught.value)
    assert str(fake_go.cache / "build-etcd.log") in str(caught.value)
    assert "python -m devcluster build" in str(caught.value)
    assert (made(fake_go), leftovers(fake_go)) == ([], [])
