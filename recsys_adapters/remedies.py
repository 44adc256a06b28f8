"""What to try where a reason refused the rows of a file: which setting may be wrong."""

_REMEDIES = (
    (
        "not valid UTF-8",
        'If the file is in an older encoding, set encoding = "latin-1" or "cp1252"; bytes that are no text, '
        "as of a UUID in Parquet, have to be written as one. ",
    ),
    (
        "event_time is missing",
        'If its times are written otherwise, set time_format to a pattern such as "%d/%m/%Y %H:%M", or to '
        '"auto" if it is not that already. ',
    ),
    (
        "event_time is before",
        'Its times may be in another unit: set time_format to it, or to "auto" if it is not that already. ',
    ),
    (
        "is not a number",
        'If it is a time, set time_format = "iso8601" or "auto"; decimal = "," reads 4,5; words and signs, '
        "such as true, % or $, are no part of a number. ",
    ),
    (
        "its kind has none",
        "Name every kind that is there in `kinds`; where the column of weights may be empty, leave it out. ",
    ),
    (
        "stray quote",
        'If quotes are characters like others, set quote = ""; a value of several lines is read from JSON or '
        "Parquet only. ",
    ),
    (
        "line has",
        "Look whether delimiter, quote and header are right; if lines have a value more than the header, as "
        "where R names its rows, set names = [...] with a name for it. ",
    ),
    ("line is not JSON", 'If its lines are dictionaries of Python, set format = "python". '),
    (
        "no catalogue has the item",
        "They are taken in once a catalogue has their items; if one should have them, look whether both "
        "write ids alike, and at id_space. ",
    ),
    (
        "event_time lost digits",
        "A spreadsheet shows long numbers so, as in 1.70407E+12: have its times exported by the program that "
        "wrote them, or format the column as a number or a text before it is saved. ",
    ),
    ("lost digits", "Its ids were floats once: have it exported with ids as texts. "),
)


def remedy(reason: str) -> str:
    """A sentence that says which setting to look at, with a space after it; empty where none is known."""
    return next((advice for part, advice in _REMEDIES if part in reason), "")
