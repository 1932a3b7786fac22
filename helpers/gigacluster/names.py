"""Names that people write: read without regard to case or spelling, with the nearest known one where there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

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
    return f"unknown {kind} {said!r}; {hint}{where}: {', '.join(names)}"


@dataclass(frozen=True)
class Vocabulary:
    """The words of one column: each with its synonyms. A word is one of them, or a fault; there is no default."""

    column: str
    words: Mapping[str, str]  # canonical word -> its synonyms, separated by "; "

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
            raise ValueError(self.fault(said))
        return word

    def fault(self, said: object) -> str:
        """Return the sentence about a word that is not listed."""
        return unknown(self.column, said, self.words)

    def code(self, word: str) -> int:
        """Return the place of a canonical word."""
        return list(self.words).index(word)
