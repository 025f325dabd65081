"""Settings: frozen, typed, closed; read from presets, saved runs and the command line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endofm.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of every group of settings; a field's docstring is its help text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, where: str = "settings") -> Self:
        """Validate plain values.

        Raises:
            ConfigError: Naming the first bad setting and, for an unknown one, the nearest known.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise config_error(cls, error, where=where) from None

    def dump_yaml(self) -> str:
        """The settings as YAML that ``parse`` reads back to an equal object."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: The file cannot be read or is no mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({error})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: is no list of settings", "write 'name: value' lines")
    return values


def preset_names(task: str) -> list[str]:
    """Names of the presets that ship with a task."""
    folder = resources.files("endofm") / "presets" / task
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir())


def read_preset(task: str, name: str) -> dict[str, Any]:
    """The settings of a preset, either one that ships or a YAML file of the user's.

    Raises:
        ConfigError: There is no such preset.
    """
    if name.endswith((".yaml", ".yml")):
        return read_yaml(Path(name))
    if name not in (known := preset_names(task)):
        raise ConfigError(
            f"no preset {name!r} for {task}", f"choose {', '.join(known)}, or name a .yaml file"
        )
    with resources.as_file(resources.files("endofm") / "presets" / task / f"{name}.yaml") as path:
        return read_yaml(path)


def differences(old: Settings, new: Settings) -> list[str]:
    """Dotted names of the settings in which two objects of one class differ."""
    return sorted(_different("", old.model_dump(), new.model_dump()))


def _different(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names: list[str] = []
    for key, value in old.items():
        if isinstance(value, dict) and isinstance(new[key], dict):
            names += _different(f"{prefix}{key}.", value, new[key])
        elif value != new[key]:
            names.append(f"{prefix}{key}")
    return names


def config_error(cls: type[Settings], error: ValidationError, *, where: str) -> ConfigError:
    """The first complaint about values for ``cls`` in one line; ``where`` says what held them."""
    first = error.errors()[0]
    *groups, name = [str(part) for part in first["loc"]] or [where]
    group = f"[{'.'.join(groups)}]" if groups else where
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, _names(cls, groups), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see --help for the settings"
        return ConfigError(f"{group} has no setting {name!r}", hint)
    return ConfigError(f"{group} {name!r}: {first['msg']}", f"got {first['input']!r}")


def _names(cls: type[BaseModel], groups: list[str]) -> list[str]:
    for group in groups:
        nested = cls.model_fields[group].annotation if group in cls.model_fields else None
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            return []
        cls = nested
    return list(cls.model_fields)
