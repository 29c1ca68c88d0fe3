"""Fields read strictly, and what is shown can be read again."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields

from service.api import app, schemas
from service.api.fields import (
    Choice,
    Cidr,
    Duration,
    Instant,
    Items,
    PageSize,
    Pairs,
    Switch,
    TargetPort,
    Text,
    Whole,
)
from service.domain.duration import LONGEST, duration_text

OWN = (Choice, Cidr, Duration, Instant, Items, PageSize, Pairs, Switch, TargetPort, Text, Whole)


def every_schema(kind: type[Schema] = Schema) -> Iterator[Schema]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("service."):
            yield child()
        yield from every_schema(child)


def every_field(schema: Schema) -> list[fields.Field]:
    found: list[fields.Field] = []
    open_fields = list(schema.fields.values())
    while open_fields:
        field = open_fields.pop()
        found.append(field)
        inner = (getattr(field, name, None) for name in ("inner", "key_field", "value_field"))
        open_fields += [other for other in inner if other is not None]
    return found


@pytest.mark.parametrize("schema", list(every_schema()), ids=lambda schema: type(schema).__name__)
def test_schemas_use_strict_fields_only(schema):
    assert app, "importing it imports every module that has schemas"
    assert {type(field) for field in every_field(schema)} <= {*OWN, fields.Nested}


@pytest.mark.parametrize(("value", "number"), [(80, 80), (80.0, 80), (-1, -1), (0, 0)])
def test_whole_numbers_are_read(value, number):
    assert Whole().deserialize(value) == number


@pytest.mark.parametrize("value", ["80", True, False, 80.5, None, [], {}, "", float("inf"), float("nan")])
def test_nothing_else_is_a_whole_number(value):
    with pytest.raises(ValidationError):
        Whole().deserialize(value)


@pytest.mark.parametrize("value", ["yes", "true", 1, 0, None, 1.0, []])
def test_only_true_and_false_are_switches(value):
    with pytest.raises(ValidationError):
        Switch().deserialize(value)


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", b"a", 1, None, ["a"]])
def test_texts_that_cannot_be_kept_are_refused(value):
    with pytest.raises(ValidationError):
        Text().deserialize(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("72h", 259200),
        ("1h30m", 5400),
        ("45s", 45),
        ("P3D", 259200),
        ("PT72H", 259200),
        ("P1W", 604800),
        ("P1DT1S", 86401),
    ],
)
def test_durations_are_read(text, seconds):
    assert Duration().deserialize(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "72",
        "72H",
        "1d",
        "30m1h",
        "P1Y",
        "P1M",
        "1.5h",
        "-1h",
        "72h\n",
        "0s",
        "87601h",
        "٣h",
        72,
        None,
    ],
)
def test_other_durations_are_refused(value):
    with pytest.raises(ValidationError):
        Duration().deserialize(value)


@given(st.integers(1, LONGEST))
def test_a_duration_that_is_shown_is_read_again(seconds):
    assert Duration().deserialize(duration_text(seconds)) == seconds


@given(st.datetimes(min_value=datetime(1, 1, 3), timezones=st.just(UTC)))
def test_a_time_that_is_shown_is_read_again(moment):
    shown = Instant()._serialize(moment, None, None)
    assert shown.endswith("Z")
    assert Instant().deserialize(shown) == moment


@pytest.mark.parametrize(
    "value", ["2030-01-01", "2030-01-01T00:00:00", "20300101T000000Z", "2030-02-30T00:00:00Z", 0]
)
def test_times_without_zone_or_day_are_refused(value):
    with pytest.raises(ValidationError):
        Instant().deserialize(value)


@pytest.mark.parametrize("value", ["http", "a", "8080-tcp", "web-1", 1, 65535, 8080.0])
def test_target_ports_are_numbers_or_names(value):
    assert TargetPort().deserialize(value) == value


@pytest.mark.parametrize("value", ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::1/128"])
def test_networks_are_read(value):
    assert Cidr().deserialize(value) == value


@given(st.text(alphabet="aZ09-_./~é\n", max_size=70))
def test_a_name_with_more_than_it_may_have_never_gets_through(text):
    try:
        schemas.SERVICE_NAME(text)
    except ValidationError:
        return
    assert len(text) <= 63
    assert set(text) <= set("a09-")
