"""The one exception that means: the input is wrong, and here is the sentence that says so."""


class InputError(ValueError):
    """Bad input, told in one sentence: which argument or file, what was wrong, what was expected.

    The command line prints the sentence and exits with status 2; a library user may catch it as a
    ``ValueError``.
    """
