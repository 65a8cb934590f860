"""One script a model; each writes its weights and ``run.json`` to ``--out``."""
