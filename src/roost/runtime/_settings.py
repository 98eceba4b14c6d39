"""Fills the settings classes that services ask for, and tells where each value came from."""

from __future__ import annotations

import dataclasses
import json
import sys
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from roost.errors import InvalidSettings
from roost.runtime._reason import text_of
from roost.runtime._secret import HIDDEN, Secret, sounds_secret, without
from roost.runtime._settings_sources import Raw, Sections, Source, Tree, in_variables
from roost.runtime._settings_values import Refused, convert
from roost.runtime._suggestions import closest

SettingsSources: TypeAlias = "Source | Sequence[Source]"
NEARLY_THE_SAME = 0.75
"""From this likeness on a section that nobody reads is taken for a misspelt one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInUse:
    """One setting that a service asks for, as plain data.

    Attributes:
        section: The plugin's name, or the service's where it has no plugin.
        name: The field; one of a nested class as ``outer.inner``.
        value: Its value as text; what is secret is ``**********``.
        origin: Where it comes from: a file, an environment variable, ``Runtime(settings=…)``, or ``default``.
    """

    section: str
    name: str
    value: str
    origin: str


class Settings:
    """What settings classes are filled from.

    Args:
        sources: The sources; they are read when the first class is filled.
    """

    def __init__(self, sources: SettingsSources) -> None:
        self._sources = sources
        self._sections: Sections | None = None

    @property
    def sections(self) -> Sections:
        """What the sources hold, read at the first call; errors as of `Sections`."""
        if self._sections is None:
            self._sections = Sections(self._sources)
        return self._sections

    def refuse_misspelt(self, plugins: Collection[str], services: Mapping[str, str]) -> None:
        """Refuse a section that looks like a misspelt one; others may be meant for plugins that are not loaded.

        Args:
            plugins: The names of all plugins.
            services: For each service's name the section that it reads.

        Raises:
            InvalidSettings: There is such a section, or one for a service that reads its plugin's.
        """
        known = {*plugins, *services.values()}
        for name in sorted(self.sections.names() - known):
            reason = None
            if name in services:
                reason = f"the service {name} reads the section of its plugin, {services[name]!r}"
            elif close := closest(name, known, likeness=NEARLY_THE_SAME):
                reason = f"no plugin or service has this name; did you mean {close[0]!r}?"
            if reason is not None:
                raise InvalidSettings(section=name, settings="", reason=reason)
        self._refuse_misspelt_variables(known)

    def _refuse_misspelt_variables(self, known: Collection[str]) -> None:
        by_variable = {in_variables(name): name for name in known}
        for variable, section in self.sections.strays(known):
            # One underscore in the place of two is what everybody writes once.
            meant = next(((one, f"{one}_", f"{one}__") for one in by_variable if section.startswith(f"{one}_")), None)
            if meant is None and "__" in variable and (close := closest(section, by_variable, likeness=NEARLY_THE_SAME)):
                meant = close[0], section, close[0]
            if meant is not None:
                name, written, right = meant
                reason = f"the environment variable {variable} is for no section; did you mean {variable.replace(written, right, 1)}?"
                raise InvalidSettings(section=by_variable[name], settings="", reason=reason)

    def fill(self, cls: type, *, section: str, beside: Iterable[type] = ()) -> Any:  # noqa: ANN401 -- an instance of `cls`
        """Make a settings dataclass or pydantic model.

        Args:
            cls: The class.
            section: Where its values are.
            beside: The other classes that are filled from this section: what is theirs is not unknown.

        Raises:
            InvalidSettings: Values are missing, unknown or not what the fields ask for; all of them are named.
        """
        return self._filling(cls, section=section, beside=beside).instance

    def explain(self, cls: type, *, section: str, beside: Iterable[type] = ()) -> list[SettingInUse]:
        """Return each value of a settings class with its origin; errors as of `fill`."""
        return self._filling(cls, section=section, beside=beside).used

    def _filling(self, cls: type, *, section: str, beside: Iterable[type]) -> _Filling:
        filling = _Filling(section, others=list(dict.fromkeys(name for other in beside for name in _field_names(other))))
        filling.run(cls, self.sections.section(section))
        return filling


class _Filling:
    """One settings class while it is filled."""

    def __init__(self, section: str, *, others: Collection[str]) -> None:
        self._section = section
        self._others = others
        self._problems: list[str] = []
        self._secrets: set[str] = set()
        self.used: list[SettingInUse] = []
        self.instance: Any = None

    def run(self, cls: type, tree: Tree) -> None:
        self._note_secrets(tree)
        self.instance = self._model(cls, tree) if is_pydantic_model(cls) else self._dataclass(cls, tree, at="")
        if self._problems:
            raise self._error(cls, "; ".join(self._problems))
        self._tell(self.instance, tree, at="")

    def _error(self, cls: type, reason: str) -> InvalidSettings:
        return InvalidSettings(section=self._section, settings=cls.__qualname__, reason=self._redacted(reason))

    def _redacted(self, text: str) -> str:
        return without(self._secrets, text)

    def _note_secrets(self, value: object, *, hidden: bool = False) -> None:
        """Note all that is secret in what a source holds, or in what it has become, by its kind or by its name."""
        if isinstance(value, Raw):
            self._note_secrets(_json_or_text(value.value) if value.is_text else value.value, hidden=hidden)
        elif isinstance(value, Mapping):
            for name, one in value.items():
                self._note_secrets(one, hidden=hidden or sounds_secret(str(name)))
        elif isinstance(value, list | tuple | set | frozenset):
            for one in value:
                self._note_secrets(one, hidden=hidden)
        elif is_settings(type(value)):
            for name in _field_names(type(value)):
                self._note_secrets(getattr(value, name, None), hidden=hidden or sounds_secret(name))
        elif (text := _kept_text(value)) is not None:
            self._secrets.add(text)
        elif hidden and value is not None:
            self._secrets.add(str(value))

    def _dataclass(self, cls: type, tree: Tree, *, at: str) -> Any:  # noqa: ANN401 -- an instance of `cls`, or None beside problems
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
        try:
            hints = typing.get_type_hints(cls)
        except NameError as error:
            raise self._error(cls, f"its annotation {error.name} is not there at run time (imported under TYPE_CHECKING only?)") from error
        values: dict[str, Any] = {}
        problems = len(self._problems)
        given = self._known(fields, tree, at=at)
        for name, raw in given.items():
            try:
                values[name] = self._value(raw, hints[name], at=f"{at}{name}")
            except Refused as refused:
                self._problems.append(f"{at}{name}: {refused} ({_origin(raw)})")
        for name, field in fields.items():
            has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
            if name not in given and not has_default:
                self._problems.append(f"{at}{name} is missing")
        if len(self._problems) > problems:
            return None
        self._note_secrets(values)
        try:
            return cls(**values)
        except Exception as error:  # noqa: BLE001 -- a class may refuse its values by whatever it likes
            # Without its cause, whose text may show a secret.
            told = text_of(error) or type(error).__name__
            raise self._error(cls, f"{at[:-1]}: {told}" if at else told) from None

    def _value(self, raw: Raw | Tree, hint: Any, *, at: str) -> Any:  # noqa: ANN401 -- what the annotation asks for
        if isinstance(raw, Raw) and Secret in (hint, *typing.get_args(hint)):
            self._note_secrets(raw.value, hidden=True)
        if isinstance(raw, Raw):
            return convert(raw.value, hint, is_text=raw.is_text)
        for option in typing.get_args(hint) or (hint,):
            if isinstance(option, type) and dataclasses.is_dataclass(option):
                return self._dataclass(option, raw, at=f"{at}.")
        return convert(_plain(raw), hint, is_text=False)

    def _known(self, fields: Mapping[str, Any], tree: Tree, *, at: str) -> Tree:
        """Return what is for one of the fields; anything else is a problem, unless another class of the section asks for it."""
        known: Tree = {}
        for name, raw in tree.items():
            # Variables are upper case, whatever the field is.
            match = name if name in fields else next((field for field in fields if _is_text(raw) and field.lower() == name), None)
            if match is not None:
                known[match] = raw
            elif at or name not in self._others:
                close = closest(name, [*fields, *([] if at else self._others)])
                advice = f"did you mean {close[0]!r}?" if close else f"what there is: {', '.join(dict.fromkeys([*fields, *self._others]))}"
                self._problems.append(f"there is no {f'{at}{name}'!r}; {advice} ({_origin(raw)})")
        return known

    def _tell(self, instance: Any, tree: Tree, *, at: str) -> None:  # noqa: ANN401 -- a settings class's instance
        for name in _field_names(type(instance)):
            value = getattr(instance, name)
            raw = next((tree[written] for written in (name, name.lower(), _alias(instance, name)) if written in tree), None)
            if is_settings(type(value)):
                self._tell(value, raw if isinstance(raw, dict) else {}, at=f"{at}{name}.")
                continue
            self._note_secrets({name: value})
            is_hidden = value is not None and (sounds_secret(name) or _kept_text(value) is not None)
            text = HIDDEN if is_hidden else self._redacted(str(value))
            origin = "default" if raw is None else _origin(raw)
            self.used.append(SettingInUse(section=self._section, name=f"{at}{name}", value=text, origin=origin))

    def _model(self, cls: Any, tree: Tree) -> Any:  # noqa: ANN401 -- a pydantic model
        names = [*_field_names(cls), *(field.alias for field in cls.model_fields.values() if field.alias is not None)]
        known = tree if cls.model_config.get("extra") == "allow" else self._known(dict.fromkeys(names), tree, at="")
        try:
            return cls.model_validate(_plain(known, parse=True))
        except sys.modules["pydantic"].ValidationError as error:
            self._note_secrets(
                {name: raw for name, raw in tree.items() if name in cls.model_fields and _is_kept(cls.model_fields[name])}, hidden=True
            )
            for one in error.errors(include_input=False, include_url=False, include_context=False):
                place = [str(part) for part in one["loc"]]
                self._problems.append(f"{'.'.join(place)}: {one['msg']}{_origin_at(tree, place)}")
            return None


def is_settings(cls: object) -> bool:
    """Tell whether a class is filled from settings: a dataclass or a pydantic model, and no service."""
    if not isinstance(cls, type) or not (dataclasses.is_dataclass(cls) or is_pydantic_model(cls)):
        return False
    # A service may be a dataclass as well; a field of that name, as tracing has it, makes no service.
    return not hasattr(cls, "service_name") or "service_name" in _field_names(cls)


def is_pydantic_model(cls: type) -> bool:
    """Tell whether a class is a pydantic model; pydantic is not imported for it."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def _field_names(cls: Any) -> list[str]:  # noqa: ANN401 -- a dataclass or a pydantic model
    if is_pydantic_model(cls):
        return list(cls.model_fields)
    return [field.name for field in dataclasses.fields(cls) if field.init]


def _alias(instance: object, name: str) -> str | None:
    return type(instance).model_fields[name].alias if is_pydantic_model(type(instance)) else None  # type: ignore[attr-defined]  # pydantic's


def _kept_text(value: object) -> str | None:
    """Return the text that a `Secret`, or pydantic's kind of it, keeps; None for anything else."""
    if isinstance(value, Secret):
        return value.reveal()
    revealing = getattr(value, "get_secret_value", None)
    return str(revealing()) if callable(revealing) else None


def _is_kept(field: Any) -> bool:  # noqa: ANN401 -- pydantic's
    return "Secret" in str(field.annotation)


def _json_or_text(text: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict | list) else text


def _is_text(raw: Raw | Tree) -> bool:
    return raw.is_text if isinstance(raw, Raw) else any(_is_text(one) for one in raw.values())


def _origin(raw: Raw | Tree) -> str:
    while isinstance(raw, dict):
        raw = next(iter(raw.values()), Raw(None, "an empty table"))
    return raw.origin


def _origin_at(tree: Tree, place: Iterable[str]) -> str:
    found: Raw | Tree = tree
    for part in place:
        if isinstance(found, dict) and part in found:
            found = found[part]
    return f" ({found.origin})" if isinstance(found, Raw) else ""


def _plain(tree: Tree, *, parse: bool = False) -> dict[str, Any]:
    return {name: _plain(raw, parse=parse) if isinstance(raw, dict) else _read(raw, parse=parse) for name, raw in tree.items()}


def _read(raw: Raw, *, parse: bool) -> Any:  # noqa: ANN401 -- what a source may hold
    if parse and raw.is_text and raw.value[:1] in ("[", "{"):
        try:
            return json.loads(raw.value)
        except ValueError:
            return raw.value  # the model says what is wrong with it
    return raw.value.reveal() if parse and isinstance(raw.value, Secret) else raw.value
