"""Errors of policies, and of what only their decisions allow."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from service.domain.errors.base import Conflict, Forbidden, WharfingerError


class DenialReason(Protocol):
    """Why a policy refuses something."""

    @property
    def message(self) -> str:
        """Return it for people."""

    def document(self) -> Mapping[str, object]:
        """Return it for programs."""


class PolicyDenied(Forbidden):
    """The platform's policies refuse it: with every reason; ``subject`` is what they were told and said."""

    code = "policy-denied"

    def __init__(self, reasons: Sequence[DenialReason], subject: Mapping[str, object] | None = None) -> None:
        super().__init__(" ".join(dict.fromkeys(reason.message for reason in reasons)))
        self.reasons, self.subject = tuple(reasons), subject

    @property
    def facts(self) -> Mapping[str, object]:
        documents = [reason.document() for reason in self.reasons]
        errors = [{"pointer": d["pointer"], "detail": d["message"], "code": self.code} for d in documents]
        return {"reasons": documents, "errors": errors}


class UnsatisfiablePolicy(WharfingerError):
    """A policy asks for people of groups that nobody has ever been in."""

    code = "unsatisfiable-policy"

    def __init__(self, groups: Sequence[str]) -> None:
        super().__init__(
            f"The platform's policies ask for reviews of group {', '.join(groups)}, which nobody is in: "
            "nobody could ever approve this. Tell the platform."
        )
        self.groups = tuple(groups)

    @property
    def facts(self) -> Mapping[str, object]:
        return {"groups": list(self.groups)}


class CannotResume(Conflict):
    """Another thing than the owner's word lifts this suspension."""

    code = "cannot-resume"

    def __init__(self, suspension: str) -> None:
        hints = {
            "expired": "Its lifetime is over. Renew it: POST .../renewals.",
            "forbidden-port": (
                "A target port leads to a forbidden number. It goes on by itself once what is approved has "
                "another target port, or the rule has changed. If the pods have changed, ask the platform to "
                "resume it."
            ),
        }
        super().__init__(hints.get(suspension, "It is suspended for another reason."))
        self.suspension = suspension

    @property
    def facts(self) -> Mapping[str, object]:
        return {"suspension": self.suspension}


class NothingToRenew(Conflict):
    code = "nothing-to-renew"
