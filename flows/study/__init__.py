"""The parts of an evaluation: whose histories, what is drawn, how it is measured, what is reported."""
