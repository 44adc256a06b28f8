"""Bad requests of every kind, each with at least one reason to be refused."""

import json

from hypothesis import strategies as st

GOOD_ROW = {"prompt": "a quiet harbour", "references": ["neon city", "pastel sea"], "weights": [2, 1]}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NOT_TEXTS = TREES.filter(lambda value: value is not None and not isinstance(value, str))
NOT_NUMBERS = TREES.filter(lambda value: isinstance(value, bool | str | list | dict))
BAD_PROMPTS = st.just("") | st.text(" \t\n\u3000", max_size=9) | st.just("x" * 2001) | NOT_TEXTS
BAD_WEIGHTS = st.sampled_from([0, -1, float("nan"), float("inf"), 1e300, 1e-300, "1", None, [], True])

UNKNOWN = st.dictionaries(st.text(max_size=9).map("x{}".format), TREES, min_size=1, max_size=2)
BAD_REFERENCES = (
    st.just(["x"] * 10_000)
    | st.text()
    | st.integers()
    | st.lists(NOT_TEXTS, min_size=1)
    | st.lists(BAD_PROMPTS, min_size=1)
)


def _one(name, values):
    return st.fixed_dictionaries({name: values})


BAD_FIELDS = st.one_of(
    _one("prompt", BAD_PROMPTS),
    _one("references", BAD_REFERENCES),
    _one("weights", st.tuples(st.just(1), BAD_WEIGHTS).map(list)),
    _one("weights", st.lists(st.floats(1, 2), max_size=1) | st.lists(st.floats(1, 2), min_size=3)),
    _one("seed", st.integers(max_value=-1) | st.integers(min_value=2**63) | NOT_NUMBERS),
    _one("user_id", NOT_TEXTS | st.sampled_from(["", "u" * 257, "ann\0"])),
    UNKNOWN,
)
BAD_PARAMS = st.one_of(
    _one(
        "alpha", st.floats(max_value=-1e-6) | st.floats(min_value=1.01) | st.just(float("nan")) | NOT_NUMBERS
    ),
    _one("num_inference_steps", st.integers(max_value=0) | st.integers(min_value=201) | NOT_NUMBERS),
    _one("guidance_scale", st.floats(max_value=0.99) | st.floats(min_value=51) | NOT_NUMBERS),
    _one("height", st.sampled_from([-8, 0, 1, 13, 1_000_000, 2**70, 64.0, "64"])),
    _one("width", st.sampled_from([-8, 0, 1, 13, 1_000_000, 2**70, 64.0, "64"])),
    _one("format", st.text(max_size=5).filter(lambda name: name not in ("png", "webp")) | NOT_TEXTS),
    _one("skip_layers", st.integers() | st.text() | st.sampled_from([[-1], [0.5], [0] * 101])),
    _one("negative_prompt", NOT_TEXTS | st.just("x" * 2001)),
    UNKNOWN,
)


LANGUAGES = {"/artworks": ("rows", "options"), "/invocations": ("dataframe_records", "params")}
"""What rows and options are called at either path."""


def _body(language, row, options):
    rows_key, options_key = language
    return json.dumps({rows_key: [row], options_key: options}).encode()


def bad_bodies(path):
    """Bodies of requests to a path, as JSON or not."""
    language = LANGUAGES[path]
    return st.one_of(
        BAD_FIELDS.map(lambda fields: _body(language, {**GOOD_ROW, **fields}, {"num_inference_steps": 1})),
        BAD_PARAMS.map(lambda options: _body(language, GOOD_ROW, options)),
        TREES.map(lambda tree: json.dumps({language[0]: tree}).encode()).filter(_without_prompt),
        st.builds(lambda cut: _body(language, GOOD_ROW, {})[:cut], st.integers(0, 60)),
        SHAPELESS,
    )


def _without_prompt(body):
    return b'"prompt"' not in body


SHAPELESS = st.one_of(
    TREES.map(lambda tree: json.dumps(tree).encode()),
    TREES.map(lambda tree: json.dumps({"inputs": tree}).encode()).filter(_without_prompt),
    TREES.map(lambda tree: json.dumps({"dataframe_split": tree}).encode()),
    st.binary(max_size=200).filter(lambda body: b"prompt" not in body),
    st.sampled_from([b"[" * 50_000, b'{"a":' * 50_000, b"", b"null", b'"x"', b"NaN", b"1" * 5000]),
    st.binary(min_size=1, max_size=9).map(lambda noise: b'{"inputs": [{"prompt": "' + noise + b'\xff"}]}'),
)
"""Bodies that neither path can read."""
