"""Who acts, when, and under which request: time and identity are arguments."""

from dataclasses import dataclass
from datetime import datetime

from service.domain.principal import Principal


@dataclass(frozen=True, slots=True)
class Act:
    """The circumstances of one act; every event carries them."""

    principal: Principal
    now: datetime
    request_id: str
