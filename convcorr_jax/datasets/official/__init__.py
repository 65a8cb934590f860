"""Data sets in the formats of their official releases, one file each, and what some of them share.

A data set's file has ``read(source)``: the records of the tree at ``source`` one by one, in a fixed
order, and an `Absent` for every annotation that makes none. Smaller public functions parse the
annotation files alone, without images.
"""
