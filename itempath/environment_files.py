"""Settings from files: one setting from the file that `NAME_FILE` names, and checks of the `.env` file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

SUFFIX = "_file"


class UnusableFiles(Exception):
    """Files named by settings cannot be used. `faults` has a message for each of these settings."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(", ".join(faults))
        self.faults = faults


def read_named_files(variables: Mapping[str, str | None], settings: Iterable[str]) -> dict[str, str | None]:
    """Return `variables` with the values of `settings` that are in files.

    For a setting `name`, the variable `name_file` is the path of a file whose text is the value. Names are in
    lower case. Raises `UnusableFiles`.
    """
    found, faults = dict(variables), {}
    for name in settings:
        if path := variables.get(f"{name}{SUFFIX}"):
            try:
                found[name] = read_text(path, taken=bool(variables.get(name)), setting=name.upper())
            except ValueError as error:
                faults[f"{name}{SUFFIX}".upper()] = str(error)
    if faults:
        raise UnusableFiles(faults)
    return found


def read_text(path: str, *, taken: bool, setting: str) -> str:
    """Return the text of a file without the line end at its end.

    `taken` says that `setting` has a value already. Raises `ValueError` if so, or if the file cannot be used.
    """
    if taken:
        raise ValueError(f"{setting} is given, too; give one of them")
    try:
        text = Path(path).read_text("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8") from None
    if not text or "\0" in text:
        raise ValueError("the file holds a NUL character" if text else "the file is empty")
    return text


def fault_of_env_file(path: str | Path) -> str:
    """Return why `.env` cannot be read; an empty text if it can be read or does not exist."""
    if not Path(path).is_file():
        return ""  # also for a pipe, which can only be read once
    try:
        content = Path(path).read_bytes()
        if "\0" not in content.decode():
            return ""
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    except UnicodeDecodeError:
        pass
    return f"{path} is not UTF-8, as editors and PowerShell on Windows may write it; save it as UTF-8."
