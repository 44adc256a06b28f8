"""One module per kind of source: what its files are called and what their columns mean.

Here a foreign layout ends: what comes out are `SourceFile`s of the tables of `feature_store.schemas`. `flows`
makes sources from settings; `guesses` try them. They read files through `formats` and know nothing of
the lake.
"""
