"""Tiny pipelines of every family that takes pictures, as nights find them: in folders."""

from fan_model.loading.picture_input import PictureInput
from tests.fan_model import image_pipelines, pipelines


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
