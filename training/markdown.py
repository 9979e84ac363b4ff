"""Tables in Markdown."""

from collections.abc import Sequence


def percent(share: float) -> str:
    """A share in percent, two digits behind the point."""
    return f"{100 * share:.2f}"


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A table; columns of numbers are set to the right."""
    lines = [[_cell(cell) for cell in row] for row in (head, *rows)]
    rules = []
    for column in range(len(head)):
        cells = [line[column] for line in lines[1:]]
        numeric = any(cells) and all(not cell or _is_number(cell) for cell in cells)
        rules.append("---:" if numeric else "---")
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rules, *lines[1:]))


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "", 1).isdigit()
