"""What is compared and how: the study, variants, ways to select references, what is drawn and measured.

The command `fan evaluate` comes here, and peers for the words of a study.
"""
