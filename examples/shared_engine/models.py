"""The tables, as SQLAlchemy's ORM knows them; roost makes and changes them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """All tables lie in the PostgreSQL schema that roost gives the plugin `library`."""

    metadata = MetaData(schema="library")


class Author(Base):
    """Who wrote something."""

    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    """Something that was written."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("library.authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")
