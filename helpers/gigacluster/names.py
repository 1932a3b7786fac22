"""Names that people write: read without regard to case or spelling, with the nearest known one where there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

#: Cells that say that nothing is known.
_BLANKS = frozenset({"", "nan", "unknown", "unstated", "n/a", "?"})


def normal(word: object) -> str:
    """Return a word without case, spaces, hyphens, underscores and quotes.

    Examples
    --------
    >>> normal("ZeRO-3"), normal(" FULL_SHARD ")
    ('zero3', 'fullshard')
    """
    return re.sub(r"[\s_\-'\"]+", "", str(word).lower())


def is_blank(cell: object) -> bool:
    """Tell whether a cell of a table says nothing: empty, not a number, or that it is unknown.

    Examples
    --------
    >>> is_blank(float("nan")), is_blank(None), is_blank(" "), is_blank("unknown"), is_blank("none")
    (True, True, True, True, False)
    """
    return cell is None or (isinstance(cell, float) and cell != cell) or str(cell).strip().lower() in _BLANKS


def alike(said: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that looks most like what was said, from ``cutoff`` (0 to 1) on, or None.

    Examples
    --------
    >>> alike("h100-smx", ["H100-SXM", "B200"])
    'H100-SXM'
    """
    by_normal = {normal(name): name for name in reversed(list(known))}  # of two that are written alike the first
    found = difflib.get_close_matches(normal(said), by_normal, n=1, cutoff=cutoff)
    return by_normal[found[0]] if found else None


#: Characters of a name that a message repeats.
_LONGEST = 60


def unknown(kind: str, said: object, known: Iterable[str], *, where: str = "use one of") -> str:
    """Return the sentence about an unknown name: the nearest ones first, then all.

    Names that begin alike come before names that merely look alike, so that a family is offered before its neighbour.

    Examples
    --------
    >>> unknown("chip", "h100", ["H100-SXM", "H800"])
    "unknown chip 'h100'; did you mean H100-SXM? use one of: H100-SXM, H800"
    """
    names = list(known)
    wanted = normal(said)
    begins = [n for n in names if wanted and (normal(n).startswith(wanted) or wanted.startswith(normal(n)))]
    near = begins[:4] or filter(None, [alike(wanted, names)])
    offered = " or ".join(near)
    hint = f"did you mean {offered}? " if offered else ""
    shown = said if not isinstance(said, str) or len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
    return f"unknown {kind} {shown!r}; {hint}{where}: {', '.join(names)}"


#: What people ask for that the models leave out: a pattern, and the sentence about it.
_HYBRIDS = (
    r"mamba|\bssm\b|state[- ]space|linear attention|gated deltanet|jamba|zamba|bamba|falcon[-_ ]?h1"
    r"|nemotron[-_ ]?(h\b|3)|qwen3[-_ ]next|granite[-_ ]?4\.0"
)
_SCHEDULES = r"zero[-_ ]?bubble|\bzb[-_ ]?(h1|h2|v)\b|dual[-_ ]?pipe"
_OUTSIDE_MODEL = (
    "hybrid models (Mamba, state space or linear attention beside attention) are outside: use a plain decoder"
)
_OUTSIDE_SCHEDULE = (
    "zero-bubble and DualPipe schedules are outside: a pipeline runs 1F1B, interleaved where vpp is above 1, whose "
    "bubbles are longer"
)


def outside_model(*said: object) -> str:
    """Return the sentence about a hybrid model where words name one, otherwise nothing.

    Examples
    --------
    >>> outside_model("Nemotron-H 8B")[:30], outside_model("llama3-8b")
    ('hybrid models (Mamba, state sp', '')
    """
    return _OUTSIDE_MODEL if any(re.search(_HYBRIDS, str(word), re.IGNORECASE) for word in said) else ""


def outside_schedule(*said: object) -> str:
    """Return the sentence about a pipeline schedule that is left out where words name one, otherwise nothing.

    Examples
    --------
    >>> outside_schedule("DualPipe")[:24], outside_schedule("1F1B")
    ('zero-bubble and DualPipe', '')
    """
    return _OUTSIDE_SCHEDULE if any(re.search(_SCHEDULES, str(word), re.IGNORECASE) for word in said) else ""


@dataclass(frozen=True)
class Vocabulary:
    """The words of one column: each with its synonyms. A word is one of them, or a fault; there is no default."""

    column: str
    words: Mapping[str, str]  # canonical word -> its synonyms, separated by "; "
    means: Mapping[str, Any] = field(default_factory=dict)  # canonical word -> what a model makes of it

    @classmethod
    def of(cls, column: str, words: Mapping[str, tuple[Any, str]]) -> Vocabulary:
        """Return a vocabulary of words with what each means and its synonyms."""
        synonyms = {word: others for word, (_, others) in words.items()}
        return cls(column, synonyms, {word: meaning for word, (meaning, _) in words.items()})

    @cached_property
    def _canonical(self) -> dict[str, str]:
        read = {normal(other): word for word, others in self.words.items() for other in others.split(";")}
        return {key: word for key, word in read.items() if key} | {normal(word): word for word in self.words}

    def read(self, said: object) -> str:
        """Return the canonical word.

        Raises
        ------
        ValueError
            If the word is none of those listed; the message lists them.
        """
        word = self._canonical.get(normal(said))
        if word is None:
            raise ValueError(unknown(self.column, said, self.words))
        return word
