"""Columns that the comparison would refuse for their numbering."""

from __future__ import annotations

import pytest

from roost.schema._serials import Detour, IntegerColumn, detours

NAME = ("s", "t", "c")
ALTER = "ALTER TABLE s.t ALTER COLUMN c"


def column(kind: str, *, serial: bool = False, default: str | None = None) -> IntegerColumn:
    """Return a column of a type, with a sequence of its own or without."""
    return IntegerColumn(
        table="s.t", name="c", type=kind, default="nextval('s.q')" if serial else default, sequence="s.q" if serial else None
    )


@pytest.mark.parametrize(
    ("real", "declared", "away", "back"),
    [
        (
            column("integer"),
            column("bigint", serial=True),
            ("ALTER SEQUENCE s.q OWNED BY NONE",),
            ("ALTER SEQUENCE s.q OWNED BY s.t.c",),
        ),
        (
            column("integer", serial=True),
            column("integer", default="5"),
            ("CREATE SEQUENCE s.q AS integer OWNED BY s.t.c", f"{ALTER} SET DEFAULT nextval('s.q')"),
            (f"{ALTER} SET DEFAULT 5", "DROP SEQUENCE s.q"),
        ),
        (
            column("integer", serial=True),
            column("bigint", serial=True),
            (f"{ALTER} TYPE integer", "ALTER SEQUENCE s.q AS integer"),
            (f"{ALTER} TYPE bigint", "ALTER SEQUENCE s.q AS bigint"),
        ),
    ],
    ids=["becomes serial", "is serial no more", "wider"],
)
def test_a_column_goes_by_a_detour(real: IntegerColumn, declared: IntegerColumn, away: tuple[str, ...], back: tuple[str, ...]) -> None:
    """The scratch database looks as the real one meanwhile, and what is declared is brought about afterwards."""
    assert detours({NAME: real}, {NAME: declared}) == (Detour(away=away, back=back),)


def test_what_the_comparison_can_do_goes_by_none() -> None:
    """Columns that are new, gone, alike, or only of another type."""
    assert detours({NAME: column("integer")}, {NAME: column("bigint")}) == ()
    assert detours({NAME: column("integer", serial=True)}, {NAME: column("integer", serial=True)}) == ()
    assert detours({}, {NAME: column("integer", serial=True)}) == ()
    assert detours({NAME: column("integer", serial=True)}, {}) == ()
