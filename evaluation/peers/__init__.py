"""Other methods of personalization behind one interface, each written from its paper.

A peer says what a picture is made of (`Peer.plan`) and draws it with the very image model, seeds and steps
that all variants have (`Peer.draw`). One file holds one peer, with its source, its equation, and what was
left out of it and why. `evaluation.protocol` makes variants of them; nothing here knows of users or lakes.
"""
