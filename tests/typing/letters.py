"""What is looked up: a class, an abstract base, a Protocol and a generic base, each with something of its own to be typed."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from roost import Database, Plugin, Runtime, Service

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Letter:
    text: str


class Mailer(Service):
    async def send(self, letter: Letter) -> int:
        return len(letter.text)


class Carrier(Service, abc.ABC):
    """An abstract base: it can't be made, and is looked up all the same."""

    @abc.abstractmethod
    async def carry(self, letter: Letter) -> float:
        """Return the days that it takes."""


class Pigeon(Carrier):
    async def carry(self, letter: Letter) -> float:
        return 3.5


class Archive(abc.ABC):
    """An abstract base that knows nothing of roost."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many letters it holds."""


class Reads(Protocol):
    async def read(self) -> Letter: ...


@runtime_checkable
class Counts(Protocol):
    @property
    def count(self) -> int: ...


class Box(Service, Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []


class LetterBox(Box[Letter]):
    async def read(self) -> Letter:
        return self.items[0]

    @property
    def count(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Postage:
    price: float = 1.0


class Office(Service):
    """Takes whatever a constructor may ask for."""

    def __init__(
        self, db: Database, runtime: Runtime, plugin: Plugin, postage: Postage, carriers: Sequence[Carrier], boxes: LetterBox | None
    ) -> None:
        self.given = (db, runtime, plugin, postage, carriers, boxes)
