"""Every family that takes pictures, saved and loaded as nights load it, draws each by its own images."""

from dataclasses import replace

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from fan_model.drawing.artist import Artist
from fan_model.drawing.fingerprints import artwork_digest
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.pictured_requests import PicturedRequest
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions
from fan_model.encoders.families import UnsupportedPipelineError
from fan_model.encoders.image_families import IMAGE_FAMILIES, accept_image_parts
from fan_model.image_references.image_parts import ImageParts
from fan_model.image_references.image_profile import ImageProfile, Picture
from fan_model.loading.execution import Execution
from fan_model.loading.pipelines import PipelineLoader, find_pipeline
from fan_model.method.image_personalization import ImagePersonalization
from fan_model.request_errors import RequestError
from tests.fan_model import image_pipelines, pipelines
from tests.fan_model.image_pipelines import picture
from tests.fan_model.saved_image_pipelines import SAVED
from tests.marks import some_of

TINY = {"num_inference_steps": 2, "height": 16, "width": 16}
ANN = ImageProfile.of(picture(0), [picture(1), picture(2)], [3.0, 1.0])
BOB = ImageProfile.of(picture(3), [picture(4)])


BY_IMAGES_ALONE = {"Kandinsky"}
NEED_IMAGES = {"unCLIP", "Kandinsky"}


@pytest.fixture(scope="module", params=some_of(SAVED, "unCLIP", "FLUX Redux"))
def family(request, tmp_path_factory):
    """Its name, its folder, and what lets it look at pictures."""
    folder = tmp_path_factory.mktemp("family")
    images = SAVED[request.param](folder)
    return request.param, folder / "pipeline", images


@pytest.fixture(scope="module")
def artist(family):
    _, folder, images = family
    return Artist.load(folder, images=images)


@pytest.fixture
def personalizer(artist):
    return artist.personalizer


def draw(personalizer, images, prompts=("western", "western"), seeds=(7, 7), **options):
    drawn = personalizer.draw(list(prompts), images=list(images), seed=list(seeds), **TINY, **options)
    return [one.tobytes() for one in drawn]


@pytest.mark.parametrize("method", ["mean", "attention"])
def test_two_users_pictures_swap_where_their_images_do(personalizer, method):
    how = ImagePersonalization(method=method, alpha=0.5)
    ann, bob = (replace(one, how=how) for one in (ANN, BOB))
    one, other = draw(personalizer, [ann, bob]), draw(personalizer, [bob, ann])
    assert one[0] != one[1]
    assert one == other[::-1]
    assert one == [draw(personalizer, [each], ["western"], [7])[0] for each in (ann, bob)]


def test_references_move_a_picture_and_a_plain_one_stays(personalizer):
    plain, same, moved = (
        draw(personalizer, [images], ["western"], [7])[0]
        for images in (
            ImageProfile.of(picture(0)),
            ImageProfile.of(picture(0), [picture(0)], how=ImagePersonalization(method="attention")),
            ANN,
        )
    )
    assert plain != moved
    assert np.abs(np.frombuffer(plain, np.uint8).astype(int) - np.frombuffer(same, np.uint8)).max() <= 1


def test_texts_matter_beside_pictures_where_they_are_read(family, personalizer):
    one, other = draw(personalizer, [ANN, ANN], prompts=["western", "noir"])
    assert (one == other) == (family[0] in BY_IMAGES_ALONE)


def test_without_pictures_it_is_refused_or_drawn_from_the_texts(family, personalizer):
    if family[0] in NEED_IMAGES:
        with pytest.raises(RequestError, match="images must be given: this pipeline draws from a picture"):
            personalizer.draw("western", seed=7, **TINY)
        return
    mixed = draw(personalizer, [ANN, None])
    assert mixed[0] != mixed[1]
    assert mixed[1] == personalizer.draw("western", seed=7, **TINY).tobytes()


def test_a_condition_is_what_the_pipelines_own_call_takes(family, personalizer):
    condition = personalizer.condition("western", images=ANN)
    pipeline = personalizer.pipeline
    drawn = pipeline(
        **condition, **TINY, guidance_scale=3.5, generator=torch.Generator().manual_seed(7), output_type="pil"
    ).images[0]
    ours = personalizer.draw("western", images=ANN, seed=7, guidance_scale=3.5, **TINY)
    assert np.abs(np.asarray(drawn, int) - np.asarray(ours, int)).max() <= 1


def test_a_condition_of_several_is_theirs_or_refused(family, personalizer):
    prompts = ["western", "noir"]
    if family[0].startswith("IP-Adapter"):
        with pytest.raises(RequestError, match="prompt must be one"):
            personalizer.condition(prompts, images=[ANN, BOB])
        return
    together = personalizer.condition(prompts, images=[ANN, BOB])
    for place, images in enumerate((ANN, BOB)):
        for name, value in personalizer.condition(prompts[place], images=images).items():
            torch.testing.assert_close(together[name][place], value[0], rtol=0, atol=1e-5)
    with pytest.raises(RequestError, match=r"images must be given( for each prompt of a batch: .* 1 of 2|:)"):
        personalizer.condition(prompts, images=[ANN, None])


def test_without_guidance_pictures_are_drawn_too(personalizer):
    ann, bob = draw(personalizer, [ANN, BOB], guidance_scale=1.0)
    assert ann != bob
    assert [bob, ann] == draw(personalizer, [BOB, ANN], guidance_scale=1.0)


def test_the_artist_draws_pictured_requests_and_their_digests_tell_them_apart(artist):
    options = DrawingOptions(**TINY)
    ann, bob = artist.draw(
        [PicturedRequest(prompt="western", images=images, seed=7) for images in (ANN, BOB)], options
    )
    assert ann.image != bob.image
    assert ann.artwork_digest != bob.artwork_digest


def test_unclip_and_redux_give_what_their_own_pipelines_do():
    pipeline, image = image_pipelines.unclip(), picture(0)
    pipeline.set_progress_bar_config(disable=True)
    given = Personalizer(pipeline).condition("western", images=ImageProfile.of(image))
    own, ours = (
        pipeline(**asked, **TINY, generator=torch.Generator().manual_seed(7), output_type="np").images
        for asked in ({"prompt": "western", "image": image}, given)
    )
    np.testing.assert_allclose(own, ours, rtol=0, atol=1e-4)
    prior = image_pipelines.redux()
    flux = Personalizer(pipelines.flux(), image_parts=ImageParts.of(prior))
    tokens = flux.condition("western", images=ImageProfile.of(image))["prompt_embeds"][:, 512:]
    with torch.no_grad():
        own = prior.image_embedder(prior.encode_image(image, "cpu", 1)).image_embeds
    torch.testing.assert_close(tokens, own, rtol=0, atol=1e-5)


def test_the_ip_adapter_gives_what_its_own_pipeline_does(tmp_path):
    images = SAVED["IP-Adapter Plus on SD"](tmp_path)
    loader = PipelineLoader(find_pipeline(tmp_path / "pipeline"), Execution(), images)
    pipeline = loader.load("cpu")
    given = Personalizer(pipeline).condition("western", images=ImageProfile.of(picture(0)))
    own, ours = (
        pipeline(**asked, **TINY, generator=torch.Generator().manual_seed(7), output_type="np").images
        for asked in ({"prompt": "western", "ip_adapter_image": picture(0)}, given)
    )
    np.testing.assert_allclose(own, ours, rtol=0, atol=1e-4)


REQUEST = PicturedRequest(prompt="western", references=("noir",), images=ANN)


def digest(request):
    return artwork_digest(request, DrawingOptions(), "p")


def test_a_digest_changes_exactly_when_images_that_matter_do():
    same = [
        replace(ANN, references=ANN.references[::-1], weights=ANN.weights[::-1]),
        replace(ANN, weights=(6.0, 2.0)),
        replace(ANN, how=replace(ANN.how, skip_layers=(1, 2))),
        replace(ANN, crowd=BOB.references, crowd_weights=(1.0,)),
        replace(ANN, references=(*ANN.references, ANN.references[0]), weights=(1.0, 1.0, 2.0)),
    ]
    assert {digest(replace(REQUEST, images=images)) for images in same} == {digest(REQUEST)}
    other = [
        BOB,
        replace(ANN, target=BOB.target),
        replace(ANN, weights=(1.0, 1.0)),
        replace(ANN, how=replace(ANN.how, alpha=0.1)),
        replace(ANN, how=replace(ANN.how, method="attention")),
    ]
    digests = {digest(replace(REQUEST, images=images)) for images in other}
    assert (
        len(digests | {digest(REQUEST), digest(ArtworkRequest(prompt="western", references=("noir",)))}) == 7
    )


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (lambda one: one.condition("a", images=ANN), "images must be none: this pipeline takes no pictures"),
        (lambda one: one.draw("a", images=ANN), "images must be none: this pipeline takes no pictures"),
        (lambda one: one.draw("a", images=[picture(0)]), "images must be an ImageProfile for each prompt"),
        (lambda one: one.draw(["a", "b"], images=[ANN]), "images must be as many as the prompts"),
    ],
)
def test_what_takes_no_pictures_says_so(work, sentence):
    with pytest.raises(RequestError, match=sentence):
        work(Personalizer(pipelines.stable_diffusion()))


def test_references_that_nobody_reads_are_refused():
    parts = ImageParts.of(image_pipelines.kandinsky_prior())
    with pytest.raises(RequestError, match="references must be none: this pipeline reads no texts"):
        Personalizer(image_pipelines.kandinsky(), image_parts=parts).draw("a", ["noir"], images=ANN)


def test_parts_of_another_pipeline_are_refused():
    redux = ImageParts.of(image_pipelines.redux())
    with pytest.raises(UnsupportedPipelineError, match="FluxPriorReduxPipeline looks at pictures for FluxP"):
        Personalizer(pipelines.stable_diffusion(), image_parts=redux)
    with pytest.raises(UnsupportedPipelineError, match="draws from pictures alone: give the Kandinsky"):
        Personalizer(image_pipelines.kandinsky())
    with pytest.raises(UnsupportedPipelineError, match="StableDiffusionPipeline brings nothing that looks"):
        ImageParts.of(pipelines.stable_diffusion())
    with pytest.raises(UnsupportedPipelineError, match="its image_encoder is CLIPVisionModel and must be"):
        accept_image_parts("KandinskyV22PriorPipeline", {"image_encoder": "CLIPVisionModel"})


@pytest.mark.parametrize("one", IMAGE_FAMILIES, ids=lambda one: one.name)
def test_a_family_that_takes_pictures_is_of_diffusers(one):
    assert hasattr(diffusers, one.pipeline)
    assert one.encoder.startswith(("CLIP", "Siglip"))
    assert one.consumes


def test_a_picture_in_memory_is_known_by_its_pixels():
    image = Image.new("RGB", (8, 8), "red")
    same, wider = ImageProfile.of(image.copy()), ImageProfile.of(Image.new("RGB", (16, 4), "red"))
    assert ImageProfile.of(image) == same
    assert ImageProfile.of(image) != wider


def test_an_artist_embeds_pictures_where_the_family_takes_one_embedding(family, artist):
    name, *_ = family
    pictures = [Picture.of(picture(seed)) for seed in (1, 2, 1)]
    if artist.embedding_width is None:
        assert name in {"IP-Adapter Plus on SD", "FLUX Redux"}
        with pytest.raises(RequestError, match="this pipeline takes no embedding of a picture"):
            artist.embed_pictures(pictures)
        return
    seen = artist.embed_pictures(pictures)
    assert seen.shape == (3, artist.embedding_width)
    assert seen.dtype == np.float32
    assert np.array_equal(seen[0], seen[2])
    assert not np.array_equal(seen[0], seen[1])
