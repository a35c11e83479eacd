"""HTML and SVG as strings: every text is escaped unless it is markup already, every element is closed."""

import re
from html import escape


class Markup(str):
    """Text that is markup and stands as it is."""

    __slots__ = ()


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """`<tag attributes>children</tag>`; attributes in the order given, `class_` for class, `_` for `-`."""
    told = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_told(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = joined(*children)
    if not inner and tag in _EMPTY:
        return Markup(f"<{tag}{told}/>")
    return Markup(f"<{tag}{told}>{inner}</{tag}>")


def joined(*children: object) -> Markup:
    """Children one after another; None is nothing."""
    return Markup("".join(_told(child) for child in children if child is not None))


def _told(child: object) -> str:
    """Markup as it is, anything else escaped and without the characters that no XML document may hold."""
    return child if isinstance(child, Markup) else escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(child)))


_EMPTY = frozenset({"meta", "line", "polyline", "circle"})
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
