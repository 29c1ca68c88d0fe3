"""The api's server, gunicorn: the app is built once, then processes are forked that share its memory.

They are replaced one by one, and answer what they have begun before they end.
Source: docs.gunicorn.org, Custom Application.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gunicorn.app.base import BaseApplication


class Server(BaseApplication):
    """Serves one WSGI app by gunicorn's settings: name → value, as in its documentation."""

    def __init__(
        self,
        app: Callable[..., Any],
        settings: Mapping[str, object],
        configure_logs: Callable[[], object],
    ) -> None:
        self._app, self._settings, self._configure_logs = app, settings, configure_logs
        super().__init__()

    def load_config(self) -> None:
        """Take the settings that were given, and none from files, arguments or the environment."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        """Return the app, a WSGI callable; called when gunicorn has its log, which ours replaces."""
        self._configure_logs()
        return self._app
