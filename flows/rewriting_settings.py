"""Settings of the language model that some of the compared methods rewrite prompts with."""

from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from feature_store.schemas.addresses import secrets_in
from flows.settings_section import refuse_blank


class PromptRewriting(BaseModel):
    """The language model of the methods that have one, in `fan evaluate --peers`; all of them do without.

    It is sent texts of users' histories, and never an id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: str | None = None
    """Folder or hub id of a causal language model; with `address`, what the service calls it; none: the
    methods' documented rules, which tables name."""
    address: str | None = None
    """Address of a service that speaks as OpenAI's does, up to and with the version, such as
    `http://localhost:8000/v1`. Texts of histories are sent there. A key is read from the variable
    `OPENAI_API_KEY` alone."""

    _filled = field_validator("*", mode="before")(refuse_blank)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.address and not self.model:
            raise ValueError("address needs the name of a model: set evaluation.rewriter.model")
        if self.address and secrets_in(self.address):
            raise ValueError("address must have no key or password in it: set OPENAI_API_KEY")
        return self
