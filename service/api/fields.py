"""Strict fields: marshmallow's own take 80.7 for an integer, "yes" for a boolean, and NUL in a text.

Only these (and Nested) stand in schemas; a test walks every schema for others.
"""

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate

from service.api.parsing import is_storable, timestamp
from service.domain.duration import duration_text, seconds_of

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""All but tabulator and line ends; NUL is told apart."""


class Pattern(validate.Regexp):
    """A regular expression that the whole text must match; ``what`` says it in words."""

    def __init__(self, regex: str, what: str) -> None:
        super().__init__(f"^(?:{regex})$", flags=re.ASCII, error=f"This is no {what}.")

    def __call__(self, value: Any) -> Any:
        """Return the value when all of it matches: ``match`` alone would let a newline through at the end."""
        if self.regex.fullmatch(value) is None:
            raise ValidationError(self.error)
        return value


class Text(fields.String):
    """A text that PostgreSQL can keep."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        if not isinstance(value, str):
            raise ValidationError("This must be a string.")
        if _CONTROL.search(value):  # a terminal that shows it would obey it
            raise ValidationError("This text has control characters.")
        if not is_storable(value):
            raise ValidationError("This text has a NUL or half of a surrogate pair.")
        return value


class Whole(fields.Integer):
    """A whole number; 80.0 is one, "80" and true are not."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        number = whole(value)
        if number is None:
            raise ValidationError("This must be a whole number.")
        return number


def whole(value: Any) -> int | None:
    """Return a JSON number as an integer, None when it is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None


class Switch(fields.Boolean):
    """true or false, nothing else."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("This must be true or false.")
        return value


class Choice(Text):
    """One of a few words."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        error = f"This must be one of {', '.join(words)}."
        super().__init__(validate=validate.OneOf(words, error=error), **kwargs)


class Instant(fields.DateTime):
    """A time: RFC 3339 in, UTC with Z out."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> datetime:
        try:
            if isinstance(value, str) and _RFC3339.fullmatch(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise ValidationError("This must be a time as RFC 3339 writes it, such as 2030-01-31T12:00:00Z.")

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else timestamp(value)


class Duration(fields.Field[int]):
    """Seconds: ``72h``, ``1h30m`` or ISO 8601 without years and months in, ``72h`` out."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        try:
            return seconds_of(value if isinstance(value, str) else "")
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else duration_text(value)


class TargetPort(fields.Field[int | str]):
    """A container's port by number or by name."""

    NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?")

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int | str:
        if isinstance(value, str):
            if self.NAME.fullmatch(value):
                return value
            raise ValidationError("A port's name has 1-15 of a-z, 0-9 and single '-' inside, with a letter.")
        number = whole(value)
        if number is None or not 1 <= number <= 65535:
            raise ValidationError("This must be a port's number, 1-65535, or its name.")
        return number


class Cidr(Text):
    """A network such as 10.0.0.0/8 or 2001:db8::/32, without host bits."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        address, slash, length = text.partition("/")
        try:
            if slash and re.fullmatch("[0-9]{1,3}", length) and "%" not in address:
                ipaddress.ip_network(text)
                return text
        except ValueError:
            pass
        raise ValidationError("This must be a network such as 10.0.0.0/8, with no bit set behind its length.")


class Items(fields.List[Any]):
    """A list that keeps a faulty item's place with None: rules can still speak of the others by index."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("This must be a list.")
        read: list[Any] = []
        errors: dict[int, Any] = {}
        for index, item in enumerate(value):
            try:
                read.append(self.inner.deserialize(item, **kwargs))
            except ValidationError as error:
                read.append(error.valid_data)
                errors[index] = error.messages
        if errors:
            raise ValidationError(errors, valid_data=read)
        return read


class Pairs(fields.Dict):
    """An object whose names are free, such as labels; a fault stands under its name."""

    def __init__(
        self, least: int = 0, most: int = 64, metadata: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        bounds = {"minProperties": least, "maxProperties": most}
        super().__init__(metadata=bounds | dict(metadata or {}), **kwargs)
        self.least, self.most = least, most

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("This must be an object.")
        if not self.least <= len(value) <= self.most:
            raise ValidationError(f"This must have {self.least}-{self.most} entries.")
        errors: dict[str, Any] = {}
        for name, item in value.items():
            for field, part in ((self.key_field, name), (self.value_field, item)):
                try:
                    if field is not None:
                        field.deserialize(part, **kwargs)
                except ValidationError as error:
                    errors.setdefault(name, []).extend(error.messages)
        if errors:
            raise ValidationError(errors)
        return dict(value)


class PageSize(fields.Field[int]):
    """How many items a page has, from a query: more than the most is the most."""

    MOST: ClassVar[int] = 200

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        digits = value.lstrip("0") if re.fullmatch("[0-9]+", value) else ""
        if not digits:
            raise ValidationError("This must be a whole number from 1.")
        return min(int(digits[:9]), self.MOST)
