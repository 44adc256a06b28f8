"""Vision-language models say how pictures look, in batches, and a bad picture costs only itself."""

import pytest
import torch
from PIL import Image

from fan_model.describing.describer import SILENT, Describer, Description
from fan_model.describing.description_options import DescriptionOptions
from fan_model.describing.model_folder import DescriberError
from fan_model.loading.devices import DeviceError
from tests.fan_model.pipelines import clip_text_model
from tests.fan_model.vision_language_models import WORDS, idefics, llava, save

OPTIONS = DescriptionOptions(max_new_tokens=8)
COLORS = ("red", "navy", "white", "olive", "gray")
MODELS = {"LLaVA": llava, "without a template": lambda: llava(None), "Idefics": idefics}


def pictures(*colors):
    return [Image.new("RGB", (40 + 30 * place, 60), color) for place, color in enumerate(colors or COLORS)]


def describer(make=llava, **options):
    return Describer(*make(), OPTIONS.model_copy(update=options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("llava"), llava())


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_picture_is_described_in_the_models_words_and_not_in_the_prompts(make):
    described = describer(make).describe(pictures())
    assert [one.reason for one in described] == [None] * len(COLORS)
    words = {word for one in described for word in one.style.replace(",", "").split()}
    assert words <= set(WORDS)
    assert len({one.style for one in described}) > 1


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_what_is_said_does_not_depend_on_the_batch(make):
    together, alone = describer(make, batch_size=5), describer(make, batch_size=1)
    seen = pictures()
    assert together.describe(seen) == alone.describe(seen)
    assert together.describe(seen[::-1]) == alone.describe(seen)[::-1]


def test_another_prompt_is_another_question():
    asked = describer(prompt="red warm red warm").describe(pictures())
    assert asked != describer(prompt="blue cold").describe(pictures())


def test_a_saved_model_is_loaded_from_its_folder(folder):
    assert Describer.from_folder(folder, OPTIONS).describe(pictures()) == describer().describe(pictures())


def test_a_large_picture_is_scaled_down_before_the_model_sees_it():
    seen = []
    asked = describer(longest_side=64)
    answer = asked.answer
    asked.answer = lambda images: seen.extend(image.size for image in images) or answer(images)
    asked.describe([Image.new("L", (1000, 500)), Image.new("RGBA", (20, 10))])
    assert seen == [(64, 32), (20, 10)]


def test_a_picture_that_the_model_cannot_read_costs_only_itself():
    asked = describer()
    answer = asked.answer

    def narrow_ones_fail(images):
        if any(image.width < 3 for image in images):
            raise ValueError("absolute aspect ratio must be smaller than 200")
        return answer(images)

    asked.answer = narrow_ones_fail
    seen = pictures()
    described = asked.describe([*seen[:2], Image.new("RGB", (1, 500)), *seen[2:]])
    assert described.pop(2) == Description(reason="the model cannot read it (ValueError)")
    assert described == describer().describe(seen)


def test_an_answer_without_words_is_no_description():
    asked = describer()
    asked.answer = lambda images: [" ..\n"] * len(images)
    assert asked.describe(pictures("red")) == [Description(reason=SILENT)]


def test_where_memory_runs_out_batches_are_halved_and_every_picture_is_described_once():
    asked, sizes = describer(batch_size=5), []
    answer = asked.answer

    def only_two_fit(images):
        sizes.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError("no memory")
        return answer(images)

    asked.answer = only_two_fit
    assert asked.describe(pictures()) == describer().describe(pictures())
    assert sizes == [5, 2, 2, 1]


def test_memory_for_not_even_one_picture_is_told_with_what_to_do():
    asked = describer()

    def nothing_fits(images):
        raise torch.OutOfMemoryError("no memory")

    asked.answer = nothing_fits
    with pytest.raises(DescriberError, match=r"lower describe\.longest_side"):
        asked.describe(pictures())


def test_a_device_that_failed_refuses_no_picture():
    asked = describer()

    def broken(images):
        raise torch.AcceleratorError("device-side assert")

    asked.answer = broken
    with pytest.raises(torch.AcceleratorError, match="device-side assert"):
        asked.describe(pictures("red"))


def test_a_folder_of_another_model_is_refused(tmp_path):
    clip_text_model().save_pretrained(tmp_path)
    with pytest.raises(DescriberError, match=r"no model from images and text to text .* describe\.model"):
        Describer.from_folder(tmp_path, OPTIONS)


def test_a_model_that_reads_no_picture_at_all_is_refused_before_it_refuses_them_all(tmp_path):
    model, processor = llava()
    processor.image_processor.crop_size = {"height": 48, "width": 48}
    save(tmp_path, (model, processor))
    with pytest.raises(DescriberError, match=r"cannot read it \(\w+Error\), whatever the picture"):
        Describer.from_folder(tmp_path, OPTIONS)


def test_a_device_that_is_not_there_is_named(folder):
    with pytest.raises(DeviceError, match="the device cuda:7 is not there"):
        Describer.from_folder(folder, OPTIONS.model_copy(update={"device": "cuda:7"}))
