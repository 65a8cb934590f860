"""Extensions of Sphinx for this project."""
