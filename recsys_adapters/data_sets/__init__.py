"""How the public data sets of this field are read: a settings file each, with what there is to know.

Only `flows.cli` and `flows.setup` come here, for `fan init`, and the pages that list them.
"""
