"""How the public data sets of this field are read: a settings file each, with what there is to know."""
