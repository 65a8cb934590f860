"""The three papers, and the order of their tables and figures on the page."""

from collections.abc import Iterable

from convcorr_jax.report.page import Section

LONG = "Long, Zhang and Darrell: Do Convnets Learn Correspondence? (NIPS 2014)"
SHARIF = "Sharif Razavian et al.: Persistent Evidence of Local Image Properties in Generic ConvNets (SCIA 2015)"
TOMPSON = "Tompson et al.: Efficient Object Localization Using Convolutional Networks (CVPR 2015)"

# The first item of a section decides its place.
_ORDER = {
    "": (),
    LONG: ("Table 1", "Figure 1", "Figure 2", "Table 2", "Section 3", "Table 3", "Table 4"),
    SHARIF: ("Table 1", "Table 2", "Figure 4", "Table 3", "Figure 6"),
    TOMPSON: ("Table 1", "Table 2", "Table 3", "Table 4"),
}


def in_order_of_papers(sections: Iterable[Section]) -> list[Section]:
    """Sort sections: those of no paper, then paper by paper in the order of its tables and figures.

    Args:
        sections: each has the group "" or one of the papers, and items of that paper.
    """
    papers = tuple(_ORDER)

    def place(section: Section) -> tuple[int, int]:
        items = _ORDER[section.group]
        first = section.items[0] if section.items else None
        return papers.index(section.group), items.index(first) if first in items else len(items)

    return sorted(sections, key=place)
