"""File formats that several data sets share, read into plain values with nothing taken on trust.

Every parser gives values or raises `InputError`, whatever the bytes.
"""
