"""File formats that several data sets share, read into plain values.

Every parser checks what it reads: it returns values or raises `InputError`, whatever the bytes are.
"""
