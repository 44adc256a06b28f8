"""One module per format of files: how bytes become records of named texts.

A format knows no meaning: it is told which columns are wanted. Only `sources`, `records`, `guesses` and
`testing` come here.
"""
