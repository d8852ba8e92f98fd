"""What functions advise, in the words of a job: an argument is a key there, has another name, or none."""

from __future__ import annotations

import re

from bdg.jobs.model.kind import Kind
from bdg.jobs.model.schema import same_name

# What only a caller in Python has.
_RESULT = re.compile(
    r"; `\.result` holds the (?:best )?state|: `\.result` of this error; that of its cause is the state"
)

# Arguments that messages name, as "name=", and those that are no English words also without "=".
_ARGUMENTS = (
    "pinned tol max_iterations method moments vectors self_consistent window k broadening filling between".split()
)
_NO_WORDS = ("tol", "max_iterations", "self_consistent")
_ELSEWHERE = {"tol": "tolerance", "k": "states", "device": "--device"}


def in_words_of_the_job(message: str, kind: Kind) -> str:
    """Return a message of a function with what the arguments that it names are called in a job of this kind.

    Advice about an argument without a key is followed by what to do instead (`Kind.cures`), so that nobody adds a key
    which is then refused.
    """
    message = _RESULT.sub("", message)
    names = [key.name for section in ("system", "compute") for key in kind.schema.get(section, ())]
    hints = [_hint(name, names, kind) for name in _ARGUMENTS if _is_named(name, message)]
    told = "; ".join(filter(None, hints))
    return f"{message} [in this job: {told}]" if told else message


def _is_named(argument: str, message: str) -> bool:
    return bool(re.search(rf"\b{argument}\b" if argument in _NO_WORDS else rf"\b{argument}=", message))


def _hint(argument: str, names: list[str], kind: Kind) -> str:
    """Return what an argument is called; "" where it is a key of the same name."""
    if argument in names:
        return ""
    key = same_name(argument, names) or (_ELSEWHERE.get(argument) if _ELSEWHERE.get(argument) in names else None)
    if key is not None:
        return f"{argument} is the key {key}"
    cure = kind.cures.get(argument)
    return f"{argument} is no key{f'; {cure}' if cure else ''}"


def effort_keys(kind: Kind) -> list[str]:
    """Return the keys that may be changed without another result, "compute.max_iterations"."""
    return [f"{section}.{key.name}" for section, keys in kind.schema.items() for key in keys if key.effort]
