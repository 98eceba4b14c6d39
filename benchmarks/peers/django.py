"""Django: an app with N migrations of `RunSQL`; its command `migrate` in the same process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from roost.postgres import parse_url

DISTRIBUTION = "Django"
REMARK = ""
APP = "benchmark_app"


def prepare(directory: Path, statements: Sequence[str]) -> Callable[[str], Awaitable[object]]:
    migrations = directory / APP / "migrations"
    migrations.mkdir(parents=True)
    for folder in (migrations.parent, migrations):
        (folder / "__init__.py").touch()
    for number, statement in enumerate(statements):
        before = f"({APP!r}, 'm{number - 1:04}')" if number else ""
        (migrations / f"m{number:04}.py").write_text(
            "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
            f"    dependencies = [{before}]\n    operations = [migrations.RunSQL({statement!r})]\n"
        )
    sys.path.insert(0, str(directory))
    settings.configure(INSTALLED_APPS=[APP], DATABASES={"default": _parameters("postgresql:///")})
    django.setup()

    def run(url: str) -> None:
        connections.databases["default"] = connections.configure_settings({"default": _parameters(url)})["default"]
        try:
            call_command("migrate", verbosity=0, interactive=False)
        finally:
            connections["default"].close()
            del connections["default"]

    async def apply(url: str) -> None:
        await asyncio.to_thread(run, url)

    return apply


def _parameters(url: str) -> dict[str, object]:
    parts = parse_url(url)
    host, port = parts.hosts[0] if parts.hosts else ("", None)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.database or "postgres",
        "USER": parts.user or "",
        "HOST": host,
        "PORT": port or "",
        "OPTIONS": dict(parts.params),
    }
