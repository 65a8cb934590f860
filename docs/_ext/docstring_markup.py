"""Conversion of docstrings to reStructuredText.

Docstrings show formulas and programs as indented paragraphs, as in Markdown. reStructuredText would read them
as quotations and the bars of ``|x|`` as substitutions.
"""

import re
from itertools import pairwise

_LIST_ITEM = re.compile(r"\s*([-*]|\d+\.) ")


def with_code_blocks(lines: list[str]) -> list[str]:
    """Mark every indented paragraph after a blank line as a literal block.

    Paragraphs that continue a list item, doctests, and sections such as "Args" stay as they are.
    """
    result: list[str] = []
    margin = 0
    in_block = False
    in_list = False
    for before, line in pairwise(["", *lines]):
        indent = len(line) - len(line.lstrip())
        if line.strip():
            opens = not before.strip() and indent >= margin + 4 and bool(result) and not in_list
            if opens and not in_block and not line.lstrip().startswith(">>>"):
                result += [" " * margin + ".. code-block:: text", ""]
                in_block = True
            elif indent <= margin or (not in_block and not before.strip()):
                in_block = False
                margin = indent
                in_list = bool(_LIST_ITEM.match(line)) or (in_list and indent > 0)
        result.append(line)
    return result
