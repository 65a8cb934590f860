"""One script a table or figure; each writes ``result.json``, ``run.json`` and its pictures to ``--out``."""
