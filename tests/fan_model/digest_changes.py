"""One change of a picture's inputs, for the property that its digest follows what can be seen."""

WEIGHTS_OF = {"references": "weights", "crowd": "crowd_weights"}


def draw_change(data, strategies, inputs, name):
    """Another value of one input, and whether that only names the same texts or pictures in another order.

    Their weights are then put into that order, too.
    """
    other = data.draw(strategies[name].filter(lambda value: value != inputs[name]))
    is_reordered = name in WEIGHTS_OF and set(other) == set(inputs[name])
    if not is_reordered:
        return {name: other}, False
    return {name: other, WEIGHTS_OF[name]: inputs[WEIGHTS_OF[name]][::-1]}, True
