"""The pool of node ports and its bands."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.ports import Pool


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    first = draw(st.integers(1, 65535))
    return Pool(first, draw(st.integers(first, 65535)))


@pytest.mark.parametrize(
    ("pool", "band"),
    [
        (Pool(), range(30000, 30086)),
        (Pool(30000, 30040), range(30000, 30016)),
        (Pool(30000, 30016), range(30000, 30016)),
        (Pool(30000, 30511), range(30000, 30016)),
        (Pool(30000, 30543), range(30000, 30017)),
        (Pool(20000, 24095), range(20000, 20128)),
        (Pool(1, 65535), range(1, 129)),
    ],
    ids=["2768", "41", "17", "512", "544", "4096", "65535"],
)
def test_the_static_band_has_the_size_of_kep_3668(pool: Pool, band: range) -> None:
    assert pool.static_band() == band


@pytest.mark.parametrize("last", [30000, 30014, 30015], ids=["1", "15", "16"])
def test_sixteen_ports_or_fewer_have_no_static_band(last: int) -> None:
    pool = Pool(30000, last)

    assert len(pool.static_band()) == 0
    assert list(pool.dynamic_band()) == list(range(30000, last + 1))


@given(pools())
def test_the_bands_part_the_pool(pool: Pool) -> None:
    assert [*pool.static_band(), *pool.dynamic_band()] == list(range(pool.first, pool.last + 1))


@given(pools())
def test_the_dynamic_band_is_never_empty(pool: Pool) -> None:
    assert len(pool.dynamic_band()) > 0


@given(pools(), st.integers(-1, 70000))
def test_a_port_is_in_the_pool_when_it_is_in_a_band(pool: Pool, port: int) -> None:
    assert (port in pool) == (port in pool.static_band() or port in pool.dynamic_band())


@given(pools())
def test_a_pool_reads_as_it_is_written(pool: Pool) -> None:
    assert Pool.parse(str(pool)) == pool


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30000",
        "30000-",
        "-30000",
        "30000-3x",
        "30000:30040",
        "30000 - 30040",
        "1-2-3",
        "+1-5",
        "1-\u0665",
    ],
)
def test_what_is_no_range_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="a node port range is written FIRST-LAST, not "):
        Pool.parse(text)


@pytest.mark.parametrize("ends", [(0, 10), (10, 9), (65535, 65536)], ids=["zero", "backwards", "beyond"])
def test_an_impossible_range_is_refused(ends: Any) -> None:
    with pytest.raises(ValueError, match=f"within 1-65535, not {ends[0]}-{ends[1]}"):
        Pool(*ends)
