import pytest

from evaluation.protocol.variants import ANOTHER, FULL, PLAIN, UnknownVariantError, make_variants

PAPER = {"alpha": 0.3, "skip_layers": (0,)}
CHANGEABLE = ("alpha", "skip_layers", "selection", "target_query", "concatenates", "of_another")


def names(**changes):
    return [variant.name for variant in make_variants(**(PAPER | changes))]


def test_each_variant_changes_one_thing_of_the_whole_method():
    variants = {variant.name: variant for variant in make_variants(**PAPER)}
    full = variants[FULL]
    changes = {
        name: {field for field in CHANGEABLE if getattr(variant, field) != getattr(full, field)}
        for name, variant in variants.items()
    }
    assert changes == {
        FULL: set(),
        PLAIN: {"alpha", "selection"},
        "concatenated prompt": {"alpha", "concatenates"},
        "without profiling": {"selection"},
        "without target query": {"target_query"},
        "without skip": {"skip_layers"},
        **dict.fromkeys(("random", "recent", "similarity", "bm25", "coreset"), {"selection"}),
        ANOTHER: {"of_another"},
    }


def test_degrees_and_layers_are_added():
    variants = {variant.name: variant for variant in make_variants(**PAPER, alphas=(0.5, 1), skips=((0, 1),))}
    assert variants["alpha 0.5"].alpha == 0.5
    assert variants["alpha 1"].alpha == 1
    assert variants["skip 0, 1"].skip_layers == (0, 1)


def test_a_way_to_draw_that_has_two_names_is_drawn_once():
    assert not {"alpha 0.3", "skip 0", "skip nothing"} & set(names(alphas=(0.3,), skips=((), (0,))))
    assert "without skip" in names(skips=((),))


def test_the_baselines_and_the_control_are_always_drawn():
    assert names(wanted=("bm25",)) == [PLAIN, FULL, "bm25", ANOTHER]


def test_an_unknown_variant_is_an_error_that_lists_the_known():
    with pytest.raises(
        UnknownVariantError, match=r'no variant is called bm26: use some of "plain", .*"bm25"'
    ):
        make_variants(**PAPER, wanted=("bm26",))
