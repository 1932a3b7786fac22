"""Terms that a page explains where they first stand: a hover or a focus tells, a link leads to the list."""

from __future__ import annotations

import re

from markupsafe import escape

from gigareport.words import slug

#: What each term means, in a sentence. Longer terms come first, so that they are found before their parts.
TERMS = {
    "H100-equivalents": "Computing power counted in NVIDIA H100 chips, by dense peak at the stated precision.",
    "net present": "What a flow of money is worth on the day of the decision: later dollars count less.",
    "mixture of experts": "A model of which each token uses a part of the parameters only.",
    "compute-optimal": "Parameters and tokens chosen so that a given amount of computing reaches the lowest loss.",
    "goodput": "Share of the time on the clock whose computing is kept, after failures, restarts and checkpoints.",
    "checkpoint": "A copy of the training state on disk, from which a job goes on after a failure.",
    "Sobol": "Share of an answer's variance that would go if one input were known.",
    "FLOP": "A floating-point operation, one addition or multiplication: the unit in which training is counted.",
    "MFU": "Model FLOP utilisation: share of the chips' peak that the model's own arithmetic reaches.",
    "HHI": "Herfindahl-Hirschman index: the sum of squared market shares in percent, 0 to 10,000.",
    "PUE": "Power usage effectiveness: energy of the whole site over energy of the computers.",
    "MoE": "Mixture of experts: a model of which each token uses a part of the parameters only.",
    "ETTR": "Effective training time ratio: share of the time on the clock whose computing is kept.",
    "nat": "Unit of a model's loss: a natural logarithm of probability for each token.",
    "loss": "How badly a model predicts the next token; lower is better, and near its floor a little is much.",
}

#: Inside these a term stays as it is: names, formulas, code, links.
_LEFT_ALONE = frozenset(
    {"a", "code", "pre", "svg", "script", "style", "h1", "h2", "h3", "button", "summary", "label", "th"}
)
_ANY = re.compile(r"\b(" + "|".join(map(re.escape, TERMS)) + r")(?:s)?\b")


def explained(body: str) -> str:
    """Return a page's HTML with the first use of each term linked to what it means.

    Examples
    --------
    >>> explained("<p>A goodput of 61 %.</p>").partition("title=")[0]
    '<p>A <a class="term" href="inputs.html#term-goodput" '
    """
    told: set[str] = set()
    inside: list[str] = []  # of the tags within which a term stays as it is, the innermost last

    def link(match: re.Match[str]) -> str:
        if match[1] in told:
            return match[0]
        told.add(match[1])
        address = f"inputs.html#{place_of(match[1])}"
        return f'<a class="term" href="{address}" title="{escape(TERMS[match[1]])}">{match[0]}</a>'

    parts = re.split(r"(<[^>]*>)", body)
    for place, part in enumerate(parts):
        if place % 2 == 0:
            parts[place] = part if inside else _ANY.sub(link, part)
        elif (tag := re.match(r"<(/?)([a-z0-9]+)", part)) and tag[2] in _LEFT_ALONE and not part.endswith("/>"):
            if not tag[1]:
                inside.append(tag[2])
            elif tag[2] in inside:
                del inside[len(inside) - 1 - inside[::-1].index(tag[2])]
    return "".join(parts)


def place_of(term: str) -> str:
    """Return the name of a term's place on the page of inputs."""
    return f"term-{slug(term)}"
