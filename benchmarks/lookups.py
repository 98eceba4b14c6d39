"""Lookups in a started runtime: beside a dict's, and as the number of services grows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from timeit import Timer
from typing import Any

from benchmarks import trivial
from benchmarks.measure import NANOSECONDS_EACH, Comparison, Note, Row, compare
from roost import Runtime, Service

DICT_GOAL = 4.0
FLAT_GOAL = 1.3
FEW, MANY = 10, 10000
KEYS = 5
REPEATS = 20000
ROUNDS = 25


class Plain:
    """The limit: one method, one dict."""

    def __init__(self, found: dict[Any, Any]) -> None:
        self._found = found

    def lookup(self, key: Any) -> Any:  # noqa: ANN401 -- it stands for a method that takes and returns what it may
        return self._found[key]


async def lookups() -> AsyncIterator[Row]:
    """Compare each kind of lookup with a dict's, and among many services with one among few."""
    few, many = trivial.flat(FEW), trivial.flat(MANY)
    async with Runtime(services=few) as small, Runtime(services=many) as large:
        for name, expression, few_keys, many_keys in (
            ("get_service", "runtime.get_service(key)", _spread(few), _spread(many)),
            ("get_services_by_type", "runtime.get_services_by_type(key)", _types(few), _types(many)),
        ):
            first = await _timed(expression, many_keys, repeats=1, runtime=large)()
            found = {key: large.get_service(cls) for cls in many for key in (cls, cls.service_type)}
            ours = _timed(expression, many_keys, runtime=large)
            for limit, what, goal in (("plain.lookup(key)", "a method with a dict", DICT_GOAL), ("found[key]", "a naked dict", None)):
                theirs = _timed(limit, many_keys, plain=Plain(found), found=found)
                yield await _compare(f"{name}, beside {what}", goal=goal, candidate=ours, limit=theirs)
            yield await _compare(
                f"{name} of {MANY:,}, beside {FEW}", goal=FLAT_GOAL, candidate=ours, limit=_timed(expression, few_keys, runtime=small)
            )
            yield Note(f"{name} of {MANY:,}, the first for a key: {first * 1e6:.1f} µs")


async def _compare(
    name: str, *, goal: float | None, candidate: Callable[[], Awaitable[float]], limit: Callable[[], Awaitable[float]]
) -> Comparison:
    return await compare(name, goal=goal, candidate=candidate, limit=limit, rounds=ROUNDS, unit=NANOSECONDS_EACH)


def _timed(expression: str, keys: Sequence[object], *, repeats: int = REPEATS, **names: object) -> Callable[[], Awaitable[float]]:
    """Return what times an expression, written once for each key so that the loop around it costs next to nothing."""
    variables = [f"key{number}" for number in range(len(keys))]
    timer = Timer(
        "; ".join(expression.replace("key", variable) for variable in variables),
        setup=f"{', '.join(variables)} = keys; {'; '.join(f'{name} = names[{name!r}]' for name in names)}",
        globals={"keys": keys, "names": names},
    )

    async def timed() -> float:
        return timer.timeit(repeats) / (repeats * len(keys))

    return timed


def _spread(classes: Sequence[type[Service]]) -> Sequence[type[Service]]:
    return classes[:: len(classes) // KEYS]


def _types(classes: Sequence[type[Service]]) -> Sequence[str | None]:
    return [cls.service_type for cls in _spread(classes)]
