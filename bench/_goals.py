"""What a figure has to keep: said beside it. A bench that misses one fails, once all of them are printed."""

missed: list[str] = []
"""Which goals this process has missed so far, in words."""


def at_most(what: str, figure: float, bound: float) -> str:
    """Return the words for a figure that is not to be above a bound."""
    return _said(what, f"at most {bound:g}", figure <= bound)


def at_least(what: str, figure: float, bound: float) -> str:
    """Return the words for a figure that is not to be below a bound."""
    return _said(what, f"at least {bound:g}", figure >= bound)


def _said(what: str, goal: str, is_kept: bool) -> str:
    if is_kept:
        return goal
    missed.append(f"{what}: {goal}")
    return f"{goal}: MISSED"
