"""All commands, by where their functions are: the page of all commands imports none of them, and a command no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cyclopts import App, Group, Parameter

from roost import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command.

    Attributes:
        target: Where its function is, as ``module:function`` below ``roost.cli``.
        summary: What it is for, on the page of all commands.
        aliases: What other tools call it.
    """

    target: str
    summary: str
    aliases: tuple[str, ...] = ()


GROUPS: Mapping[str, Mapping[str, Command]] = {
    "Migrate": {
        "up": Command(target="_up:up", summary="run everything that is pending, under the lock", aliases=("upgrade", "migrate")),
        "down": Command(target="_down:down", summary="undo steps of one plugin", aliases=("downgrade", "rollback")),
        "redo": Command(target="_redo:redo", summary="undo the last step of one plugin and run it again"),
        "wait": Command(target="_wait:wait", summary="wait until nothing is pending, for init containers"),
    },
    "Look": {
        "status": Command(target="_status:status", summary="where every plugin stands, and who runs just now", aliases=("current", "info")),
        "history": Command(target="_history:history", summary="every attempt at a step, newest first"),
        "plan": Command(target="_plan:plan", summary="what up would run"),
        "diff": Command(target="_diff:diff", summary="how the database differs from what plugins declare"),
        "rehearse": Command(target="_rehearse:rehearse", summary="run what is pending, see what it locks, and roll it back"),
        "doctor": Command(target="_doctor:doctor", summary="what could come between the runtime and its migrations"),
    },
    "Write": {
        "init": Command(target="_init:init", summary="a project that passes its own tests"),
        "new": Command(target="_new:new", summary="a step, a plugin, or new numbers after a merge"),
        "lint": Command(target="_lint:lint", summary="what in the SQL of steps would take a table down"),
        "check": Command(target="_check:check", summary="the gate for CI: steps, files and lint; needs no database"),
    },
    "Take over and mend": {
        "baseline": Command(target="_baseline:baseline", summary="say that a database has a version already", aliases=("stamp",)),
        "import": Command(target="_import:import_", summary="take over what another migration tool has applied"),
        "mark": Command(target="_mark:mark", summary="say that it has one step already"),
        "unmark": Command(target="_unmark:unmark", summary="take back the last step's record, not what it did"),
        "repair": Command(target="_repair:repair", summary="say what became of a step that is in doubt"),
        "unlock": Command(target="_unlock:unlock", summary="end a run that is frozen and keeps the lock"),
        "grant": Command(target="_grant:grant", summary="let an application's role read the ledger"),
    },
    "Run": {
        "run": Command(target="_run:run", summary="migrate, start the runtime, and keep it running"),
        "plugins": Command(target="_plugins:plugins", summary="the runtime's plugins, and what each brings"),
        "services": Command(target="_services_command:services", summary="its services in waves, as text or as a graph"),
        "demo": Command(target="_demo:demo", summary="all of it, with a PostgreSQL server of its own"),
        "completion": Command(target="_completion:completion", summary="what a shell needs to complete commands"),
    },
}
"""The commands in groups, each by its name."""

PARTS: Mapping[str, tuple[str, str]] = {"revision": ("new step", "_new_steps:step")}
"""What other tools call a part of a command: that part, and where its function is."""

_HELP = "Migrate the database of a roost runtime, and see where it stands. `roost COMMAND --help` says more of one."
_EXIT_CODES = (
    "Exit codes: 0 fine, 1 failed, 2 usage, 3 something is pending (plan, status, wait, diff), 4 plugins, steps or files are wrong, "
    "5 lock timeout, 6 database unreachable, 7 refused as destructive."
)


def page_of_commands() -> App:
    """Return an application that can do nothing but show what commands there are."""
    app = App(name="roost", help=_HELP, help_epilogue=f"{_EXIT_CODES}\n\n{_aliases()}", help_format="plaintext", version=__version__)
    for number, (title, commands) in enumerate(GROUPS.items()):
        group = Group(title, sort_key=number)
        for place, (name, command) in enumerate(commands.items()):
            app.command(_import_path(command.target), name=name, help=command.summary, group=group, sort_key=place)
    return app


def make_app() -> App:
    """Return the application, which imports a command's function when it is run."""
    app = App(name="roost", help=_HELP, version=__version__, default_parameter=Parameter(show_default=False))
    for commands in GROUPS.values():
        for name, command in commands.items():
            app.command(_import_path(command.target), name=name)
            for alias in command.aliases:
                app.command(_import_path(command.target), name=alias, show=False)
    for alias, (_, target) in PARTS.items():
        app.command(_import_path(target), name=alias, show=False)
    return app


def command_called(name: str) -> str:
    """Return the name of the command that is called so, by its own name or by another tool's."""
    if name in PARTS:
        return PARTS[name][0].split(maxsplit=1)[0]
    return next((own for commands in GROUPS.values() for own, command in commands.items() if name in command.aliases), name)


def _import_path(target: str) -> str:
    return f"roost.cli.{target}"


def _aliases() -> str:
    """Say what other tools' names stand for."""
    told = [
        f"{', '.join(command.aliases)} for {name}" for commands in GROUPS.values() for name, command in commands.items() if command.aliases
    ]
    told += [f"{alias} for {part}" for alias, (part, _) in PARTS.items()]
    return f"Other tools' names work as well: {'; '.join(told)}."
