"""How the public data sets of this field are read: a settings file each, with what there is to know.

`fan init` comes here, and the pages that list them.
"""
