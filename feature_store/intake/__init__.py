"""From a source file to rows of the lake: each content once, every record accounted for.

`flows` calls it with the files of an adapter; nothing else adds interactions, items or given targets.
"""
