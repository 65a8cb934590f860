"""Readers of official releases, one module for each data set, and what several of them share.

A data set's module has ``read(source)``, which yields the records of the folder ``source`` in a fixed order,
and an `Absent` for every annotation that makes no record. Further public functions parse the annotation files
alone, without images.
"""
