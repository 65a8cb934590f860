"""Linear models over feature vectors: solvers and folds; nothing about images."""
