"""Every family that takes pictures, saved and loaded as nights load it, draws each by its own images."""

from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image

from fan_model.drawing.artist import Artist
from fan_model.drawing.fingerprints import artwork_digest
from fan_model.drawing.personalizer import Personalizer
from fan_model.drawing.pictured_requests import PicturedRequest
from fan_model.drawing.requests import ArtworkRequest, DrawingOptions, RequestError
from fan_model.encoders.families import FAMILIES, UnsupportedPipelineError
from fan_model.encoders.image_families import IMAGE_FAMILIES, accept_image_parts
from fan_model.image_references.image_parts import ImageParts
from fan_model.image_references.image_profile import ImageProfile, Picture
from fan_model.loading.execution import Execution, ExecutionError
from fan_model.loading.image_encoders import find_images, require_images
from fan_model.loading.picture_input import PictureInput
from fan_model.loading.pipelines import PipelineLoader, find_pipeline
from fan_model.method.image_personalization import ImagePersonalization
from fan_model.method.profiling import ReferenceVectors
from fan_model.method.reference_kinds import ReferenceKinds
from tests.fan_model import image_pipelines, pipelines
from tests.fan_model.image_pipelines import picture
from tests.marks import some_of

IMAGES_ALONE, BOTH = ReferenceKinds(references="images"), ReferenceKinds(references="both")
TINY = {"num_inference_steps": 2, "height": 16, "width": 16}
ANN = ImageProfile.of(picture(0), [picture(1), picture(2)], [3.0, 1.0])
BOB = ImageProfile.of(picture(3), [picture(4)])


def with_folder(make, make_prior):
    def save(folder):
        make().save_pretrained(folder / "pipeline")
        make_prior().save_pretrained(folder / "prior")
        return PictureInput(path=str(folder / "prior"))

    return save


def with_ip_adapter(make, *, plus):
    def save(folder):
        pipeline = make()
        pipeline.save_pretrained(folder / "pipeline")
        file, encoder = image_pipelines.save_ip_adapter(folder, pipeline.unet, plus=plus)
        return PictureInput(path=str(file), encoder=str(encoder), scale=0.9)

    return save


def by_itself(make):
    return lambda folder: make().save_pretrained(folder / "pipeline")


SAVED = {
    "unCLIP": by_itself(image_pipelines.unclip),
    "Kandinsky": with_folder(image_pipelines.kandinsky, image_pipelines.kandinsky_prior),
    "IP-Adapter on SD": with_ip_adapter(pipelines.stable_diffusion, plus=False),
    "IP-Adapter Plus on SD": with_ip_adapter(pipelines.stable_diffusion, plus=True),
    "IP-Adapter on SD XL": with_ip_adapter(pipelines.stable_diffusion_xl, plus=False),
    "FLUX Redux": with_folder(pipelines.flux, image_pipelines.redux),
}
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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"encoder": None}, r"images\.encoder must name the folder"),
        ({"path": "lost.safetensors"}, r"the file lost.safetensors of images\.path is not there"),
        ({"encoder": "lost"}, r"the folder lost of images is not there"),
        ({"path": "lost"}, r"images\.path: lost holds no pipeline"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_refused_before_it_is(tmp_path, change, sentence):
    images = SAVED["IP-Adapter on SD"](tmp_path).model_copy(update=change)
    with pytest.raises(ExecutionError, match=sentence):
        PipelineLoader(find_pipeline(tmp_path / "pipeline"), Execution(), images)


def test_an_adapter_of_another_model_is_refused(tmp_path):
    images = SAVED["IP-Adapter on SD XL"](tmp_path)
    pipelines.stable_diffusion().save_pretrained(tmp_path / "other")
    loader = PipelineLoader(find_pipeline(tmp_path / "other"), Execution(), images)
    with pytest.raises(ExecutionError, match=r"the IP-Adapter ip-adapter.safetensors does not fit Stable"):
        loader.load("cpu")
    pipelines.flux().save_pretrained(tmp_path / "flux")
    with pytest.raises(ExecutionError, match="FluxPipeline takes no pictures by IP-Adapter"):
        PipelineLoader(find_pipeline(tmp_path / "flux"), Execution(), images)


def test_what_looks_at_pictures_is_part_of_the_fingerprint(tmp_path):
    images = SAVED["IP-Adapter on SD"](tmp_path)
    files = find_pipeline(tmp_path / "pipeline")
    ways = [None, images, images.model_copy(update={"scale": 0.1})]
    loaders = [PipelineLoader(files, Execution(), way) for way in ways]
    fingerprints = {loader.pipeline_fingerprint(files.checksums()) for loader in loaders}
    assert len(fingerprints) == 3


def test_weights_cannot_be_kept_off_the_device_of_what_looks_at_pictures(tmp_path):
    image_pipelines.unclip().save_pretrained(tmp_path)
    with pytest.raises(ExecutionError, match="model.offload must be none"):
        PipelineLoader(find_pipeline(tmp_path), Execution(offload="model"))


def test_an_autoencoder_without_tiles_is_told_so(tmp_path):
    images = SAVED["Kandinsky"](tmp_path)
    loader = PipelineLoader(find_pipeline(tmp_path / "pipeline"), Execution(vae_tiling=True), images)
    with pytest.raises(ExecutionError, match="model.vae_tiling must be false: VQModel decodes no tiles"):
        loader.load("cpu")


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


def test_what_is_seen_of_pictures_is_the_encoders_not_the_pipelines_as_a_whole(tmp_path):
    images = SAVED["IP-Adapter on SD"](tmp_path)
    files = find_pipeline(tmp_path / "pipeline")
    sums = files.checksums()
    loaders = [
        PipelineLoader(files, Execution(), way) for way in (images, images.model_copy(update={"scale": 0.1}))
    ]
    assert len({loader.image_fingerprint(sums) for loader in loaders}) == 1
    half = PipelineLoader(files, Execution(dtype="bfloat16"), images)
    assert half.image_fingerprint(sums) != loaders[0].image_fingerprint(sums)


def test_what_lets_a_pipeline_look_is_fetched_from_the_hub_by_its_place_there(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--owner--adapter"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40)
    there = kept / "snapshots" / ("0" * 40) / "models"
    there.mkdir(parents=True)
    found = find_images(
        PictureInput(path="owner/adapter/models/one.safetensors", encoder="owner/adapter/models")
    )
    assert found == PictureInput(path=str(there / "one.safetensors"), encoder=str(there))
    assert find_images(None) is None
    here = PictureInput(path=str(tmp_path))
    assert find_images(here) == here
    with pytest.raises(ExecutionError, match=r"owner/other of images.path is not here, and cannot be had"):
        find_images(PictureInput(path="owner/other"))


def test_a_pipeline_that_takes_no_pictures_says_how_it_would(tmp_path):
    first, third = (
        next(one for one in FAMILIES if one.pipeline == name)
        for name in ("StableDiffusionPipeline", "StableDiffusion3Pipeline")
    )
    with pytest.raises(ExecutionError, match="no pictures as it is: name its IP-Adapter as images.path"):
        require_images(None, first, BOTH)
    with pytest.raises(ExecutionError, match="no pictures as it is: draw with one of FluxPipeline, Kand"):
        require_images(None, third, BOTH)
    require_images(SAVED["IP-Adapter on SD"](tmp_path), first, BOTH)


def test_texts_beside_pictures_are_refused_where_nothing_reads_them(tmp_path):
    kandinsky = next(one for one in FAMILIES if one.pipeline == "KandinskyV22Pipeline")
    images = SAVED["Kandinsky"](tmp_path)
    require_images(images, kandinsky, IMAGES_ALONE)
    with pytest.raises(ExecutionError, match="must be images: KandinskyV22Pipeline reads no texts"):
        require_images(images, kandinsky, BOTH)


def test_texts_that_select_for_kandinsky_are_read_by_its_prior(tmp_path):
    images = SAVED["Kandinsky"](tmp_path)
    artist = Artist.load(tmp_path / "pipeline", images=images)
    texts = ["noir", "pastel poster"]
    with torch.no_grad():
        _, states, _ = image_pipelines.kandinsky_prior()._encode_prompt(texts, "cpu", 1, False)
    expected = ReferenceVectors.of_tokens(states.numpy())
    found = artist.encode_texts(texts)
    np.testing.assert_allclose(found.mean_unit_tokens, expected.mean_unit_tokens, atol=2e-5)
    assert artist.count_unread(["noir"]) == [0]


def test_what_reads_texts_for_kandinsky_is_part_of_the_encoders_fingerprint(tmp_path):
    images = SAVED["Kandinsky"](tmp_path)
    files = find_pipeline(tmp_path / "pipeline")

    def fingerprint():
        return PipelineLoader(files, Execution(), images).encoder_fingerprint(files.checksums())

    before = fingerprint()
    assert fingerprint() == before
    prior = image_pipelines.kandinsky_prior()
    with torch.no_grad():
        prior.text_encoder.text_model.final_layer_norm.bias += 1
    prior.text_encoder.save_pretrained(Path(images.path) / "text_encoder")
    assert fingerprint() != before
