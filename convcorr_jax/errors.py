"""The errors that users are meant to meet: each is one sentence, printed without a traceback.

The command line and the scripts exit with status 2 after an `InputError` and with status 1 after a
`NumericalError` or a `WriteError`.
"""


class InputError(ValueError):
    """Bad input: an argument, an option, or a file that is read.

    The message is one sentence that names the argument or file, what is wrong and what is expected.
    """


class NumericalError(ArithmeticError):
    """A computation that diverged, for example a loss that is NaN or infinite.

    The message is one sentence that names the quantity and where it stopped being finite.
    """


class WriteError(OSError):
    """A file that cannot be written although its path is fine, for example because the disk is full.

    The message is one sentence that names the file and the reason.
    """
