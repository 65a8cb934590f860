"""The experiments as functions: records, examples, cached features, fits and scores."""
