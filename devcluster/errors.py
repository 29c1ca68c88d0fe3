"""What can go wrong in devcluster, said to a person: what happened, where, and what to do next.

DevclusterError
├── GoMissing        no Go toolchain, and none could be installed
├── BuildFailed      Go did not build the programs
├── StartFailed      a process of the control plane ended or never became ready
├── ApiRefused       the apiserver answered with an error: ``status`` and ``message``
└── ApiAway          no answer from the apiserver
"""


class DevclusterError(Exception):
    """The root of devcluster's errors."""


class GoMissing(DevclusterError):
    """No Go toolchain that is new enough can be had."""


class BuildFailed(DevclusterError):
    """Go ended without the programs."""


class StartFailed(DevclusterError):
    """A process ended early, or was not ready in time."""


class ApiRefused(DevclusterError):
    """The apiserver answered, and the answer is no 2xx."""

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path} was answered with {status}: {message}")
        self.status = status
        self.message = message


class ApiAway(DevclusterError):
    """The apiserver cannot be reached, or did not answer in time."""
