"""The documentation: its pages, its configuration, and what builds it."""
