"""The works that a report cites, and how to cite trimtab itself."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

VERSION = version("trimtab")
"""Of trimtab, as it is installed."""


class _Work(NamedTuple):
    kind: str
    short: str
    """Authors and year, as a text has them in brackets."""
    fields: dict[str, str]


def _arxiv(number: str, short: str, author: str, title: str) -> _Work:
    year = short[-4:]
    found = {"author": author, "title": title, "year": year, "eprint": number, "archivePrefix": "arXiv"}
    return _Work("misc", short, {**found, "url": f"https://arxiv.org/abs/{number}"})


_WORKS = {
    "trimtab": _Work(
        "misc", f"trimtab {VERSION}",
        {
            "author": "{trimtab maintainers}",
            "title": "{trimtab}: find, apply and check steering vectors in language models",
            "version": VERSION, "year": "2026", "note": f"Version {VERSION}",
        },
    ),
    "rimsky2024caa": _arxiv(
        "2312.06681", "Rimsky et al., 2024",
        "Rimsky, Nina and Gabrieli, Nick and Schulz, Julian and Tong, Meg and Hubinger, Evan and "
        "Turner, Alexander Matt",
        "Steering {Llama} 2 via Contrastive Activation Addition",
    ),
    "turner2023actadd": _arxiv(
        "2308.10248", "Turner et al., 2023",
        "Turner, Alexander Matt and Thiergart, Lisa and Leech, Gavin and Udell, David and Vazquez, Juan J. and "
        "Mini, Ulisse and MacDiarmid, Monte",
        "Steering Language Models With Activation Engineering",
    ),
    "zou2023repe": _arxiv(
        "2310.01405", "Zou et al., 2023", "Zou, Andy and others",
        "Representation Engineering: A Top-Down Approach to {AI} Transparency",
    ),
    "lee2024cast": _arxiv(
        "2409.05907", "Lee et al., 2024",
        "Lee, Bruce W. and Padhi, Inkit and Ramamurthy, Karthikeyan Natesan and Miehling, Erik and Dognin, Pierre and "
        "Nagireddy, Manish and Dhurandhar, Amit",
        "Programming Refusal with Conditional Activation Steering",
    ),
    "tan2024steering": _arxiv(
        "2407.12404", "Tan et al., 2024",
        "Tan, Daniel and Chanin, David and Lynch, Aengus and Kanoulas, Dimitrios and Paige, Brooks and "
        "Garriga-Alonso, Adri{\\`a} and Kirk, Robert",
        "Analyzing the Generalization and Reliability of Steering Vectors",
    ),
    "arditi2024refusal": _arxiv(
        "2406.11717", "Arditi et al., 2024",
        "Arditi, Andy and Obeso, Oscar and Syed, Aaquib and Paleka, Daniel and Panickssery, Nina and Gurnee, Wes and "
        "Nanda, Neel",
        "Refusal in Language Models Is Mediated by a Single Direction",
    ),
    "marshall2024affine": _arxiv(
        "2411.09003", "Marshall et al., 2024", "Marshall, Thomas and Scherlis, Adam and Belrose, Nora",
        "Refusal in {LLM}s is an Affine Function",
    ),
    "rodriguez2024controlling": _arxiv(
        "2410.23054", "Rodriguez et al., 2024",
        "Rodriguez, Pau and Blaas, Arno and Klein, Michal and Zappella, Luca and Apostoloff, Nicholas and Cuturi, "
        "Marco and Suau, Xavier",
        "Controlling Language and Diffusion Models by Transporting Activations",
    ),
    "lu2026axis": _arxiv(
        "2601.10387", "Lu et al., 2026", "Lu, Christina and others",
        "The Assistant Axis: Situating and Stabilizing the Default Persona of Language Models",
    ),
    "glass1976": _Work(
        "article", "Glass, 1976",
        {
            "author": "Glass, Gene V.", "title": "Primary, Secondary, and Meta-Analysis of Research",
            "journal": "Educational Researcher", "volume": "5", "number": "10", "pages": "3--8", "year": "1976",
        },
    ),
    "efron1987": _Work(
        "article", "Efron, 1987",
        {
            "author": "Efron, Bradley", "title": "Better Bootstrap Confidence Intervals",
            "journal": "Journal of the American Statistical Association", "volume": "82", "number": "397",
            "pages": "171--185", "year": "1987",
        },
    ),
    "westfall1993": _Work(
        "book", "Westfall and Young, 1993",
        {
            "author": "Westfall, Peter H. and Young, S. Stanley",
            "title": "Resampling-Based Multiple Testing: Examples and Methods for p-Value Adjustment",
            "publisher": "Wiley", "year": "1993",
        },
    ),
    "kullback1951": _Work(
        "article", "Kullback and Leibler, 1951",
        {
            "author": "Kullback, Solomon and Leibler, Richard A.", "title": "On Information and Sufficiency",
            "journal": "The Annals of Mathematical Statistics", "volume": "22", "number": "1", "pages": "79--86",
            "year": "1951",
        },
    ),
}  # fmt: skip


def in_words(key: str) -> str:
    """Authors and year of a work."""
    return _WORKS[key].short


def bibtex(keys: Sequence[str]) -> str:
    """The entries of these works."""
    return "\n".join(_entry(key, _WORKS[key]) for key in keys)


def _entry(key: str, work: _Work) -> str:
    fields = "".join(f"  {name} = {{{value}}},\n" for name, value in work.fields.items())
    return f"@{work.kind}{{{key},\n{fields}}}\n"
