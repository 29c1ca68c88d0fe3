"""Errors of an exposure's way from its request to its end, and of its place."""

from collections.abc import Mapping
from uuid import UUID

from service.domain.errors.base import Conflict, Forbidden, PreconditionFailed


class SelfReview(Forbidden):
    code = "self-review"


class NameTaken(Conflict):
    """An exposure of this cluster, namespace and name has not ended yet."""

    code = "name-taken"

    def __init__(self, namespace: str, name: str, exposure_id: UUID | None) -> None:
        seen = f": exposure {exposure_id}" if exposure_id else ", of another team"
        super().__init__(
            f"{namespace}/{name} is already exposed{seen}. Delete that one, or choose another name."
        )
        self.exposure_id = exposure_id

    @property
    def facts(self) -> Mapping[str, object]:
        return {"exposure_id": str(self.exposure_id)} if self.exposure_id else {}


class AdoptionOpen(Conflict):
    """A request to adopt the same Service is not over yet."""

    code = "adoption-open"

    def __init__(self, namespace: str, name: str, adoption_id: UUID | None) -> None:
        which = f": adoption {adoption_id}" if adoption_id else ", by another team"
        super().__init__(
            f"The adoption of Service {namespace}/{name} was asked for already{which}. Wait for its end."
        )
        self.adoption_id = adoption_id

    @property
    def facts(self) -> Mapping[str, object]:
        return {"adoption_id": str(self.adoption_id)} if self.adoption_id else {}


class NotAdopted(Conflict):
    """It is for exposures whose Service is theirs, and this one is somebody else's still."""

    code = "not-adopted"


class EnvironmentTaken(Conflict):
    """A namespace has another environment already; it is the namespace's, not the team's."""

    code = "environment-taken"

    def __init__(self, namespace: str, environment: str, wanted: str) -> None:
        super().__init__(
            f"Namespace {namespace} is {environment}, not {wanted}: it belongs to the namespace, "
            f"whichever team uses it. Add the team with ={environment}."
        )


class AlreadyDecided(Conflict):
    code = "already-decided"


class Ended(Conflict):
    code = "ended"


class DigestMismatch(PreconditionFailed):
    code = "digest-mismatch"

    def __init__(self, sent: str, actual: str) -> None:
        super().__init__(
            f"The review was written for {sent}, this revision is {actual}. "
            "Read it again, then review what you read."
        )
        self.actual = actual

    @property
    def facts(self) -> Mapping[str, object]:
        return {"digest": self.actual}
