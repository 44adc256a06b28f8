import pytest

from evaluation.protocol.variants import (
    ANOTHER,
    CONCATENATED,
    FULL,
    PAPER,
    PLAIN,
    UnknownVariantError,
    make_variants,
)
from fan_model.method.selection_policy import SelectionPolicy

PLAINLY = {"alpha": 0.3, "skip_layers": (0,)}
POLICY = SelectionPolicy(min_references=20, distinctive=True)
CONTRASTED = PLAINLY | {"contrast": 0.7, "policy": POLICY}
CHANGEABLE = (
    "alpha",
    "contrast",
    "skip_layers",
    "selection",
    "policy",
    "keep_words",
    "target_query",
    "concatenates",
    "of_another",
)


def names(**changes):
    return [variant.name for variant in make_variants(**(PLAINLY | changes))]


def changes(**values):
    """What each variant has that the whole method has not."""
    variants = {variant.name: variant for variant in make_variants(**values)}
    return {
        name: {field for field in CHANGEABLE if getattr(variant, field) != getattr(variants[FULL], field)}
        for name, variant in variants.items()
    }


def test_each_variant_changes_one_thing_of_the_whole_method():
    assert changes(**PLAINLY) == {
        FULL: set(),
        PLAIN: {"alpha", "selection"},
        "concatenated prompt": {"alpha", "concatenates"},
        "without profiling": {"selection"},
        "without target query": {"target_query"},
        "without skip": {"skip_layers"},
        **dict.fromkeys(("random", "recent", "similarity", "bm25", "coreset"), {"selection"}),
        ANOTHER: {"of_another"},
    }


def test_where_references_alone_differ_from_the_paper_both_grow_stronger_and_contrast_is_tried():
    found = changes(**PLAINLY | {"policy": POLICY}, alphas=(0.5,), contrasts=(1.0,))
    assert found[PAPER] == found["without distinctiveness"] == {"policy"}
    assert found["full at alpha 0.5"] == {"alpha"}
    assert found["alpha 0.5"] == {"alpha", "policy"}
    assert found["contrast 1"] == {"contrast"}
    assert not {"without contrast", "with the paper's references"} & set(found)


def test_each_remedy_of_a_contrast_is_drawn_alone_and_taken_away():
    found = changes(**CONTRASTED, contrasts=(0.7, 1.0))
    assert found[PLAIN] == {"alpha", "contrast", "selection"}
    assert found[PAPER] == {"contrast", "policy"}
    assert found["without contrast"] == found["contrast 1"] == {"contrast"}
    assert found["without distinctiveness"] == found["with the paper's references"] == {"policy"}
    assert found["with as many references"] == {"contrast", "policy"}
    assert "contrast 0.7" not in found
    variants = {variant.name: variant for variant in make_variants(**CONTRASTED, alphas=(0.5,))}
    assert not variants[PAPER].policy.distinctive
    assert not variants["without distinctiveness"].policy.distinctive
    assert variants["without distinctiveness"].policy.min_references == 20
    assert variants["with the paper's references"].policy == SelectionPolicy()
    assert (variants["alpha 0.5"].contrast, variants["alpha 0.5"].policy) == (0, SelectionPolicy())


def test_kept_words_are_taken_away_alone_and_the_paper_keeps_none():
    found = changes(**PLAINLY | {"keep_words": True, "policy": POLICY}, alphas=(0.5,))
    assert found["without kept words"] == {"keep_words"}
    assert found[PAPER] == {"keep_words", "policy"}
    assert found["alpha 0.5"] == {"alpha", "keep_words", "policy"}
    assert found["full at alpha 0.5"] == {"alpha"}
    assert found[ANOTHER] == {"of_another"}


def test_degrees_and_layers_are_added():
    variants = {
        variant.name: variant for variant in make_variants(**PLAINLY, alphas=(0.5, 1), skips=((0, 1),))
    }
    assert variants["alpha 0.5"].alpha == 0.5
    assert variants["alpha 1"].alpha == 1
    assert variants["skip 0, 1"].skip_layers == (0, 1)


def test_a_way_to_draw_that_has_two_names_is_drawn_once():
    assert not {"alpha 0.3", "skip 0", "skip nothing"} & set(names(alphas=(0.3,), skips=((), (0,))))
    assert "without skip" in names(skips=((),))


def test_tables_show_the_variants_in_one_order_and_by_groups():
    trials = {"alphas": (0.5,), "contrasts": (1.0,), "skips": ((1,),)}
    found = make_variants(**CONTRASTED, **trials, keep_words=True)
    assert [(variant.name, variant.group) for variant in found] == [
        ("plain", "baseline"),
        ("full", "baseline"),
        ("the paper's method", "baseline"),
        ("concatenated prompt", "baseline"),
        ("without profiling", "ablation"),
        ("without target query", "ablation"),
        ("without skip", "ablation"),
        ("without kept words", "ablation"),
        ("without contrast", "ablation"),
        ("without distinctiveness", "ablation"),
        ("with the paper's references", "ablation"),
        ("with as many references", "ablation"),
        ("contrast 1", "contrast"),
        ("alpha 0.5", "alpha"),
        ("skip 1", "layers"),
        ("random", "selection"),
        ("recent", "selection"),
        ("similarity", "selection"),
        ("bm25", "selection"),
        ("coreset", "selection"),
        ("history of another user", "control"),
    ]
    stronger = make_variants(**PLAINLY | {"policy": POLICY}, **trials)
    assert ("full at alpha 0.5", "strength") in [(variant.name, variant.group) for variant in stronger]
    assert "full at alpha 0.5" not in [variant.name for variant in found]


def test_neither_a_plain_picture_nor_a_longer_prompt_is_personalized_by_attention():
    variants = {variant.name: variant for variant in make_variants(**CONTRASTED)}
    assert [(variants[name].alpha, variants[name].contrast) for name in (PLAIN, CONCATENATED)] == [(0, 0)] * 2


def test_peers_are_compared_with_the_baselines_and_come_before_the_control():
    found = make_variants(**CONTRASTED, peers=("drum", "orc"))
    assert [(variant.name, variant.group, variant.peer) for variant in found] == [
        (PLAIN, "baseline", ""),
        (FULL, "baseline", ""),
        (PAPER, "baseline", ""),
        (CONCATENATED, "baseline", ""),
        ("drum", "peer", "drum"),
        ("orc", "peer", "orc"),
        (ANOTHER, "control", ""),
    ]


def test_the_baselines_and_the_control_are_always_drawn():
    assert names(wanted=("bm25",)) == [PLAIN, FULL, "bm25", ANOTHER]


def test_an_unknown_variant_is_an_error_that_lists_the_known():
    with pytest.raises(
        UnknownVariantError, match=r'no variant is called bm26: use some of "plain", .*"bm25"'
    ):
        make_variants(**PLAINLY, wanted=("bm26",))
