"""Readers of official releases, one module for each data set, and what several of them share.

A data set's module has ``read(source)``, which yields the records of the folder ``source`` in a fixed order,
and an `Absent` for every annotation that makes no record. Further public functions parse the annotation files
alone, without images. All raise `InputError` where a file or folder is missing, damaged or of another layout,
or where an annotation names an image twice, or by a path that leads out of the folder.
"""
