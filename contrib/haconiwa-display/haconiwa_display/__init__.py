"""Tables, colours and progress bars on a terminal, plain text elsewhere.

What is shown is taken as it is: it may come from a container. No control character of it acts on the terminal,
and no markup is obeyed. rich is imported when there is a terminal to show something on.
"""

from haconiwa_display.live import live
from haconiwa_display.progress import progress
from haconiwa_display.table import Row, Style, print_table

__all__ = ["Row", "Style", "live", "print_table", "progress"]
