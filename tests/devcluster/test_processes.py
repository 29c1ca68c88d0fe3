"""Children that end when asked, and with their parent however it dies."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from devcluster.processes import Child, identify
from tests.devcluster.tools import is_gone, start_python, wait_for

PARENT = """
import sys, time
from pathlib import Path
from devcluster.processes import Child
child = Child("program", ["sh", "-c", sys.argv[2]], Path(sys.argv[1]) / "log")
print(child.pid)
time.sleep(100)
"""
PROGRAM = 'echo $$ > "{0}/pid.new"; mv "{0}/pid.new" "{0}/pid"; exec sleep 100'
STUBBORN = (
    'trap "" TERM INT HUP; echo $$ > "{0}/pid.new"; mv "{0}/pid.new" "{0}/pid"; while :; do sleep 0.1; done'
)


def start_child(folder: Path, program: str = PROGRAM) -> Child:
    return Child("program", ["sh", "-c", program.format(folder)], folder / "log")


def pid_of_program(folder: Path) -> int:
    return int(wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text(), "it runs"))


def test_a_stopped_program_is_gone(tmp_path: Path) -> None:
    child = start_child(tmp_path)
    pid = pid_of_program(tmp_path)

    child.stop()

    assert is_gone(pid)
    assert is_gone(child.pid)


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = start_child(tmp_path, STUBBORN)
    pid = pid_of_program(tmp_path)
    begun = time.monotonic()

    child.stop()

    assert is_gone(pid)
    assert 3 <= time.monotonic() - begun < 5


@pytest.mark.parametrize("program", [PROGRAM, STUBBORN], ids=["willing", "stubborn"])
def test_kill_9_of_the_parent_ends_the_program(tmp_path: Path, program: str) -> None:
    parent = start_python("-c", PARENT, str(tmp_path), program.format(tmp_path))
    pid = pid_of_program(tmp_path)

    parent.kill()
    parent.communicate()

    wait_for(lambda: is_gone(pid), "the program is gone")


def test_kill_9_of_the_tether_ends_the_program(tmp_path: Path) -> None:
    child = start_child(tmp_path)
    pid = pid_of_program(tmp_path)

    os.kill(child.pid, signal.SIGKILL)

    wait_for(lambda: is_gone(pid), "the program is gone")
    child.stop()


def test_a_pipe_that_somebody_else_holds_open_saves_no_program(tmp_path: Path) -> None:
    forking = PARENT.replace("time.sleep(100)", "import os; os.fork(); time.sleep(100)")
    parent = start_python("-c", forking, str(tmp_path), PROGRAM.format(tmp_path))
    pid = pid_of_program(tmp_path)
    heir = wait_for(
        lambda: Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()[1:], ""
    )

    parent.kill()

    wait_for(lambda: is_gone(pid), "the program is gone")
    os.kill(int(heir[0]), signal.SIGKILL)
    parent.communicate()


def test_ctrl_c_in_the_terminal_is_not_for_the_program(tmp_path: Path) -> None:
    child = start_child(tmp_path)
    pid = pid_of_program(tmp_path)

    groups = {os.getpgid(pid), os.getpgid(child.pid)}

    child.stop()
    assert os.getpgrp() not in groups


def test_a_program_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    children: list[Child] = []
    thread = threading.Thread(target=lambda: children.append(start_child(tmp_path)))
    thread.start()
    thread.join()
    pid = pid_of_program(tmp_path)

    # Were it bound to the thread, the kernel would have killed it before it could write its pid's file.
    runs = not is_gone(pid) and children[0].exit_code() is None

    children[0].stop()
    assert runs


def test_the_exit_code_is_the_programs(tmp_path: Path) -> None:
    child = start_child(tmp_path, "exit 7")

    code = wait_for(child.exit_code, "it ended")

    child.stop()
    assert code == 7


def test_a_program_that_is_not_there_says_so_in_its_log(tmp_path: Path) -> None:
    child = Child("program", ["/nowhere/program"], tmp_path / "log")

    code = wait_for(child.exit_code, "it ended")

    child.stop()
    assert (code, child.tail()) == (127, "cannot run /nowhere/program: No such file or directory")


def test_a_pid_that_was_given_to_another_process_is_not_taken_for_the_first() -> None:
    ours = identify(os.getpid())

    assert ours.lives()
    assert not type(ours)(ours.pid, str(int(ours.start_time) - 1)).lives()
