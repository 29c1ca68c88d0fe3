"""Lengths of time: seconds inside, ``72h``, ``1h30m``, ``P3D`` or ``PT72H`` as people write them. Pure."""

import re

LONGEST = 10 * 365 * 24 * 3600
"""Seconds."""

_KUBERNETES = re.compile(r"(?=.)(?:(?P<h>[0-9]{1,9})h)?(?:(?P<m>[0-9]{1,9})m)?(?:(?P<s>[0-9]{1,9})s)?")
_ISO = re.compile(
    r"P(?=.)(?:(?P<w>[0-9]{1,6})W)?(?:(?P<d>[0-9]{1,6})D)?"
    r"(?:T(?=.)(?:(?P<h>[0-9]{1,9})H)?(?:(?P<m>[0-9]{1,9})M)?(?:(?P<s>[0-9]{1,9})S)?)?"
)
_SECONDS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}


def seconds_of(text: str) -> int:
    """Return a length of time in seconds; ISO 8601 without years and months.

    Raises:
        ValueError: it is none, or is out of bounds; the message says so to people.
    """
    match = _KUBERNETES.fullmatch(text) or _ISO.fullmatch(text)
    if match is None:
        raise ValueError("This must be a duration such as 72h, 1h30m, P3D or PT72H.")
    seconds = sum(int(count) * _SECONDS[unit] for unit, count in match.groupdict().items() if count)
    if not 0 < seconds <= LONGEST:
        raise ValueError("This must be longer than nothing and at most ten years (87600h).")
    return seconds


def duration_text(seconds: int) -> str:
    """Return a length of time as Kubernetes writes it, without zeroes."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count)
