"""The base of every HTML report: one style, no script, no request, light and dark, printable.

A room keeps its own template, which extends ``base.html`` and fills its blocks ``title``, ``style`` and ``body``.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_BASE = Path(__file__).parent


def environment(*templates: Path) -> Environment:
    """Templates of folders on top of the base; everything is escaped, an unknown name is an error."""
    return Environment(
        loader=FileSystemLoader([*templates, _BASE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_percent_kept_together,
    )


def _percent_kept_together(shown: object) -> object:
    """Put a no-break space before each percent sign."""
    return shown.replace(" %", "\N{NO-BREAK SPACE}%") if isinstance(shown, str) else shown
