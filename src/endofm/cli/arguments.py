"""From a command's words to typed arguments, with a mistake told in one line."""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro
from pydantic import ValidationError

from endofm.config import Settings, config_error
from endofm.errors import ConfigError

Form = TypeVar("Form", bound=Settings)


def parse(
    form: type[Form], words: Sequence[str], *, prog: str, default: Form | None = None
) -> Form:
    """Read ``words`` as an object of ``form``; ``--help`` prints its fields and exits.

    Raises:
        ConfigError: The words do not fit, saying which and what to type.
    """
    options: dict[str, Any] = {} if default is None else {"default": default}
    with contextlib.redirect_stderr(io.StringIO()) as complaint:
        try:
            return tyro.cli(form, args=list(words), prog=prog, **options)
        except ValidationError as error:
            raise config_error(form, error, where="option") from None
        except SystemExit as end:
            if end.code in (0, None):
                raise
            told = complaint.getvalue()
    raise _mistake(told, words, help_command=f"{prog} --help")


def _mistake(box: str, words: Sequence[str], *, help_command: str) -> ConfigError:
    """What tyro says in a frame, in one line that names the option and what it takes."""
    told, *details = _sections(box)
    known = dict(re.findall(r"^(--\S+) (.+)$", "\n".join(details), re.MULTILINE))
    if unknown := re.match(r"Unrecognized options: ([^,=\s]+)", told):
        near = difflib.get_close_matches(unknown[1], known, n=1, cutoff=0)
        cure = f"did you mean {near[0]}?" if near else f"see {help_command}"
        return ConfigError(f"there is no option {unknown[1]}", cure)
    wrong = re.match(r"Error parsing (--[^:]+):", told)
    if wrong and (name := wrong[1]) in known:
        given = option([word.replace("_", "-") for word in words], name)
        kind = known[name].removeprefix("{None}|")
        return ConfigError(f"{name} does not take {given!r}", f"it takes {kind}")
    told = re.sub(r" \[type=.*", "", " ".join(told.split()))
    told = re.sub(r"^Error parsing \S+: .*? for \w+ (\S+) Input", r"option '\1': Input", told)
    return ConfigError(told, f"see {help_command}")


def _sections(box: str) -> list[str]:
    """The parts of tyro's framed message between rules, without its title.

    A frame is drawn with box characters or, where the terminal has none, as rules of hyphens.
    """
    body = "\n".join(line.strip("│ ") for line in box.splitlines()[1:-1])
    parts = re.split(r"^[─-]+$", body, flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]


def option(words: Sequence[str], name: str) -> str | None:
    """The value given to one option, ``--name value`` or ``--name=value``, before parsing.

    Raises:
        ConfigError: The option is there twice.
    """
    given: list[str | None] = []
    for place, word in enumerate(words, start=1):
        if word == name:
            given.append(words[place] if place < len(words) else None)
        elif word.startswith(f"{name}="):
            given.append(word.removeprefix(f"{name}="))
    if len(given) > 1:
        raise ConfigError(f"{name} is there {len(given)} times", "give it once")
    return given[0] if given else None
