"""Columns that the comparison would refuse for their numbering."""

from __future__ import annotations

import pytest

from roost.schema._serials import Detour, IntegerColumn, detours

NAME = ("s", "t", "c")
ALTER = "ALTER TABLE s.t ALTER COLUMN c"


def column(kind: str, *, serial: bool = False, default: str | None = None, sequence: str = "q") -> IntegerColumn:
    """Return a column of a type, with a sequence of its own or without."""
    if not serial:
        return IntegerColumn(table="s.t", name="c", type=kind, default=default, sequence=None)
    own = f"s.{sequence}"
    return IntegerColumn(table="s.t", name="c", type=kind, default=f"nextval('{own}')", sequence=own, sequence_name=sequence)


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
    assert detours({}, {NAME: column("integer", serial=True, sequence="t_c_seq")}) == ()
    assert detours({NAME: column("integer", serial=True)}, {}) == ()


@pytest.mark.parametrize(("sequence", "present"), [("q", []), ("t_c_seq", [("s", "t_c_seq")])], ids=["its name", "that is there"])
def test_a_new_column_has_the_sequence_that_is_declared(sequence: str, present: list[tuple[str, str]]) -> None:
    """One of a name that the server would not choose, or one that is there already, is no new one, and comes to belong to the column."""
    away, back = f"ALTER SEQUENCE s.{sequence} OWNED BY NONE", f"ALTER SEQUENCE s.{sequence} OWNED BY s.t.c"
    declared = {NAME: column("integer", serial=True, sequence=sequence)}
    assert detours({}, declared, present=present) == (Detour(away=(away,), back=(back,)),)


def test_a_sequence_that_stays_without_its_column() -> None:
    """It is not dropped, and the default stays or goes as it is declared; one that another column has now is left to the comparison."""
    real, wanted = {NAME: column("integer", serial=True)}, {("s", "q")}
    away, back = "ALTER SEQUENCE s.q OWNED BY s.t.c", "ALTER SEQUENCE s.q OWNED BY NONE"
    same = {NAME: column("integer", default="nextval('s.q')")}
    assert detours(real, same, wanted=wanted) == (Detour(away=(away,), back=(back,)),)
    assert detours(real, {NAME: column("integer")}, wanted=wanted) == (
        Detour(away=(away, f"{ALTER} SET DEFAULT nextval('s.q')"), back=(back, f"{ALTER} DROP DEFAULT")),
    )
    moved = detours(real, {**same, ("s", "u", "c"): column("integer", serial=True)}, wanted=wanted)
    assert back not in [statement for one in moved for statement in one.back]
