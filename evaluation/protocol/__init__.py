"""What is compared and how: the study, variants, ways to select references, what is drawn and measured."""
