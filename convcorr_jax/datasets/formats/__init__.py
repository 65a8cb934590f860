"""File formats that several data sets share, read into plain values.

Every parser checks what it reads: it returns values or raises `InputError`, which names the file, whatever the
bytes are. It does so, too, for a file or a value that is missing, too large, of another kind or not finite.
"""
