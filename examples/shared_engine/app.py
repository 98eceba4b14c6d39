"""The library: ``DATABASE_URL=postgresql://… uvicorn examples.shared_engine.app:app``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from examples.shared_engine.engine import Engine
from examples.shared_engine.models import Author, Base, Book
from roost import DatabaseMigrationService, Plugin, Runtime
from roost.asgi import Gate, Probes, lifespan, service

DATABASE_URL = os.environ.get("DATABASE_URL", "")

library = Plugin("library", version="1.0.0", schema=Base.metadata, services=[Engine])
runtime = Runtime(
    plugins=[library],
    services=[DatabaseMigrationService],
    database=DATABASE_URL or None,
    settings={"library": {"url": DATABASE_URL}},
)

app = FastAPI(title="Library", lifespan=lifespan(runtime, background=True))
app.add_middleware(Gate, runtime=runtime)
app.add_middleware(Probes, runtime=runtime, check=True)


async def session_of_request(engine: Annotated[Engine, Depends(service(Engine))]) -> AsyncIterator[AsyncSession]:
    """Give each request a session and a transaction of its own, which is committed where nothing was raised."""
    async with engine.session() as session, session.begin():
        yield session


# The transaction ends before the answer is sent: who is told "created" finds it.
SessionOfRequest = Annotated[AsyncSession, Depends(session_of_request, scope="function")]


class NewBook(BaseModel):
    """What a client sends."""

    title: str
    author: str


@app.post("/books", status_code=201)
async def add(new: NewBook, session: SessionOfRequest) -> dict[str, int]:
    """Keep a book, and its author where nobody knew of them."""
    author = await session.scalar(select(Author).where(Author.name == new.author)) or Author(name=new.author)
    book = Book(title=new.title, author=author)
    session.add(book)
    await session.flush()
    return {"id": book.id}


@app.get("/authors")
async def authors(session: SessionOfRequest) -> list[dict[str, object]]:
    """Return who wrote what."""
    found = await session.scalars(select(Author).options(selectinload(Author.books)).order_by(Author.name))
    return [{"name": author.name, "books": sorted(book.title for book in author.books)} for author in found]
