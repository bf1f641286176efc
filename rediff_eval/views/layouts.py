"""One table in every form: for a terminal, a page, a paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from rich.table import Table
from rich.text import Text

from rediff_eval.sanitize import markdown, plain
from rediff_eval.views.tables import pipe_table

Form = Literal["md", "html", "latex"]
LETTERS = {*map(chr, range(0xA1, 0x180)), *"–—‘’“”…→€†•"} - set("«»ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")
"""Characters beyond ASCII that pdfLaTeX sets without further packages."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "–": "--",
    "±": r"$\pm$",
    **{mark: f"\\{mark}" for mark in "$&#_%"},
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of texts, nothing in it escaped.

    `texts`: how many of the first columns hold words; the others hold numbers. `bold`: row and
    column of the cells that stand out. `notes`: lines below the table.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    bold: frozenset[tuple[int, int]] = frozenset()
    notes: Sequence[str] = ()

    def cells(self, shown: Callable[[str], str], bold: Callable[[str], str]) -> Iterator[list[str]]:
        """The rows as they are shown, escaped."""
        for number, row in enumerate(self.rows):
            yield [
                bold(shown(text)) if (number, place) in self.bold else shown(text)
                for place, text in enumerate(row)
            ]


def lay_out(sheet: Sheet, form: Form) -> str:
    """The sheet as text, its content escaped. LaTeX needs the package booktabs.

    Args:
        sheet: the table.
        form: of the text.
    """
    return {"md": _markdown, "html": _html, "latex": _latex}[form](sheet)


def to_rich(sheet: Sheet) -> Table:
    """For a terminal."""
    table = Table(title=plain(sheet.title), caption="\n".join(map(plain, sheet.notes)) or None)
    for place, name in enumerate(sheet.header):
        justify: Literal["left", "right"] = "left" if place < sheet.texts else "right"
        table.add_column(plain(name), justify=justify, no_wrap=True)
    for number, row in enumerate(sheet.rows):
        styles = ["bold" if (number, place) in sheet.bold else "" for place in range(len(row))]
        table.add_row(*(Text(plain(text), style) for text, style in zip(row, styles, strict=True)))
    return table


def _markdown(sheet: Sheet) -> str:
    rows = sheet.cells(markdown, lambda text: f"**{text}**")
    table = pipe_table([markdown(name) for name in sheet.header], rows)
    notes = [line for note in sheet.notes for line in ("", markdown(note))]
    return "\n".join([f"### {markdown(sheet.title)}", "", *table, *notes]) + "\n"


def _html(sheet: Sheet) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    rows = sheet.cells(lambda text: escape(plain(text)), lambda text: f"<b>{text}</b>")
    return "\n".join(
        [
            f"<table><caption>{escape(plain(sheet.title))}</caption>",
            f"<thead>{line('th', [escape(plain(name)) for name in sheet.header])}</thead>",
            "<tbody>",
            *(line("td", row) for row in rows),
            "</tbody></table>",
            *(f"<p>{escape(plain(note))}</p>" for note in sheet.notes),
        ]
    )


def _latex(sheet: Sheet) -> str:
    rows = sheet.cells(_in_latex, lambda text: f"\\textbf{{{text}}}")
    columns = "l" * sheet.texts + "r" * (len(sheet.header) - sheet.texts)
    name = re.sub(r"[^a-z0-9]+", "-", sheet.title.lower()).strip("-")
    lines = [" & ".join(row) + r" \\" for row in rows]
    caption = " ".join(f"{text.rstrip('.')}." for text in (sheet.title, *sheet.notes))
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{_in_latex(caption)}}}",
            rf"\label{{tab:{name}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(_in_latex, sheet.header)) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _in_latex(text: str) -> str:
    """A text of a cell. At its start a bracket or a star would belong to the end of the row
    before."""
    shown = "".join(map(_mark_in_latex, plain(text)))
    return f"{{}}{shown}" if shown.lstrip().startswith(("[", "*")) else shown


def _mark_in_latex(mark: str) -> str:
    """A character as pdfLaTeX takes it; one that it has no letter for is named by its number."""
    if mark in _LATEX:
        return _LATEX[mark]
    return mark if mark.isascii() or mark in LETTERS else f"[U+{ord(mark):04X}]"
