"""A project of Alembic's that Alembic itself generates: its commands run as processes, on a database of the test's."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from roost import Plugin, Runtime
from roost.interop import AlembicMigrationService

BOUND = 120.0


@dataclass(frozen=True, slots=True)
class AlembicProject:
    """A project in a folder, and the database that its ``alembic.ini`` names."""

    folder: Path
    url: str

    @classmethod
    def init(cls, folder: Path, url: str) -> AlembicProject:
        """Let Alembic make the project."""
        project = cls(folder, url)
        project.alembic("init", "migrations")
        ini = folder / "alembic.ini"
        address = url.replace("postgresql://", "postgresql+psycopg://").replace("%", "%%")
        text, count = re.subn(r"^sqlalchemy\.url = .*$", lambda _: f"sqlalchemy.url = {address}", ini.read_text(), flags=re.MULTILINE)
        assert count == 1
        ini.write_text(text)
        return project

    def alembic(self, *arguments: str) -> str:
        """Run a command of Alembic's and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "alembic.config", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def revision(self, name: str, *options: str, up: str = "pass", down: str = "pass") -> str:
        """Let Alembic generate a revision, fill in what its functions do, and return its id, which is its name."""
        self.alembic("revision", "-m", f"the {name}", "--rev-id", name, *options)
        self.write(name, up=up, down=down)
        return name

    def write(self, name: str, *, up: str = "pass", down: str = "pass") -> Path:
        """Write what a revision's functions do."""
        (path,) = (self.folder / "migrations" / "versions").glob(f"{name}_*.py")
        head = path.read_text().partition("def upgrade")[0]
        path.write_text(f"{head}def upgrade() -> None:\n    {up}\n\n\ndef downgrade() -> None:\n    {down}\n")
        return path

    def current(self) -> list[str]:
        """Return what Alembic takes for the current revisions."""
        return sorted(line.split()[0] for line in self.alembic("current").splitlines())

    def runtime(self) -> Runtime:
        """Return a runtime whose plugin ``notes`` has this directory; each reads it anew."""
        ini = self.folder / "alembic.ini"

        class NotesMigrations(AlembicMigrationService):
            service_name = "notes-migration"
            directory: ClassVar[Path] = ini

        return Runtime(plugins=[Plugin("notes", version="1.0.0", services=[NotesMigrations])], database=self.url)
