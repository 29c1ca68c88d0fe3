"""/livez: this process. /readyz: this process and what it needs; ``?verbose`` for people."""

from flask import Blueprint, Response, current_app, request

from service.api.context import edge
from service.api.problems import problem, status_of
from service.domain.errors import Unavailable

blueprint = Blueprint("health", __name__)


@blueprint.route("/livez")
def livez() -> Response:
    """Answer: nothing but the process is asked."""
    return current_app.response_class("ok\n", mimetype="text/plain")


@blueprint.route("/readyz")
def readyz() -> Response:
    """Answer whether requests may come; 503 names the checks that fail."""
    checks = edge().ready()
    failing = {name: wrong for name, wrong in checks.items() if wrong is not None}
    if "verbose" in request.args:
        lines = [f"[-] {name}: {wrong}" if wrong else f"[+] {name}" for name, wrong in checks.items()]
        text, status = "\n".join(lines) + "\n", status_of(Unavailable) if failing else 200
        return current_app.response_class(text, status, mimetype="text/plain")
    if failing:
        detail = f"Not ready: {', '.join(failing)}."
        return problem(Unavailable.code, status_of(Unavailable), detail, {"checks": failing})
    return current_app.response_class("ok\n", mimetype="text/plain")


readyz.takes_query = True  # type: ignore[attr-defined]
