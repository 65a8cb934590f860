"""Streams that stand for a terminal."""

import io


class Terminal(io.TextIOWrapper):
    """A stream for which messages are coloured, progress is shown, and frames drawn if the encoding allows."""

    def isatty(self) -> bool:
        """Return True: the stream is a terminal."""
        return True
