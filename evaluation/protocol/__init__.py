"""What is compared and how: the study, variants, ways to select references, what is drawn and measured.

The command `fan evaluate` comes here, and `fan calibrate`; peers, statistics and the report for the words of
a study.
"""
