"""What a record is made into: typed values, ids, times, or a refusal with its reason.

`sources` describe files with what is here; `formats` and `guesses` quote with it. The store takes
the files in.
"""
