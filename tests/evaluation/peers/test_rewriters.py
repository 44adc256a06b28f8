"""Language models: one in a folder, one behind an address, and answers that are kept."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from evaluation.peers.rewriters import (
    LocalRewriter,
    RememberingRewriter,
    RemoteRewriter,
    RewriterError,
    first_line,
    read_list,
)
from tests.evaluation.peers.peer_cases import Echo
from tests.fan_model.pipelines import clip_tokenizer

KEY = "marked-key-of-a-test"


class Answering(BaseHTTPRequestHandler):
    """Answers as OpenAI's chat completions do, or however a test wants."""

    reply = {"choices": [{"message": {"content": "a red dog"}}]}
    status = 200
    seen = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(self.reply).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    """Where a language model answers."""
    Answering.seen.clear()
    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def test_an_address_is_asked_as_openai_is(address):
    assert RemoteRewriter(address, "small", KEY).answer("rewrite: a dog") == "a red dog"
    ((path, authorization, asked),) = Answering.seen
    assert (path, authorization) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert asked["messages"] == [{"role": "user", "content": "rewrite: a dog"}]
    assert (asked["model"], asked["temperature"]) == ("small", 0)


def test_without_a_key_none_is_sent(address):
    RemoteRewriter(address, "small").answer("a dog")
    assert Answering.seen[0][1] is None


@pytest.mark.parametrize(("status", "reply"), [(500, {}), (200, {"choices": []}), (200, [])])
def test_an_address_that_does_not_answer_is_one_sentence_without_a_secret(
    address, monkeypatch, status, reply
):
    monkeypatch.setattr(Answering, "status", status)
    monkeypatch.setattr(Answering, "reply", reply)
    with pytest.raises(RewriterError, match="at evaluation.rewriter.address does not answer") as refused:
        RemoteRewriter(address, "small", KEY).answer("a dog")
    assert KEY not in str(refused.value)
    assert "a dog" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_key_is_shown_nowhere():
    assert KEY not in repr(RemoteRewriter("http://localhost/v1", "small", KEY))


def test_a_model_in_a_folder_answers_the_same_every_time(tmp_path):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=clip_tokenizer()._tokenizer, eos_token="<|endoftext|>", unk_token="<|endoftext|>"
    )
    tokenizer.save_pretrained(tmp_path / "tiny")
    torch.manual_seed(0)
    size = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 400}
    GPT2LMHeadModel(GPT2Config(vocab_size=514, bos_token_id=512, eos_token_id=513, **size)).save_pretrained(
        tmp_path / "tiny"
    )
    answers = [LocalRewriter(str(tmp_path / "tiny")).answer("a red dog") for _ in range(2)]
    assert answers[0] == answers[1]
    assert LocalRewriter(str(tmp_path / "tiny")).name == "tiny"


def test_a_folder_without_a_model_says_what_to_name(tmp_path):
    with pytest.raises(RewriterError, match="is no causal language model .* evaluation.rewriter.model"):
        LocalRewriter(str(tmp_path)).answer("a dog")


def test_nothing_is_asked_twice():
    kept = {}

    class Memory:
        read = staticmethod(kept.get)
        keep = staticmethod(kept.__setitem__)

    asked = Echo()
    for _ in range(2):
        assert RememberingRewriter(asked, Memory).answer("a dog") == "a rewritten red prompt"
    RememberingRewriter(asked, Memory).answer("a cat")
    assert asked.asked == ["a dog", "a cat"]
    assert not any("dog" in key for key in kept)


def test_an_answers_first_line_is_read_without_quotes():
    assert first_line('\n  "A red dog" \nBecause ...') == "A red dog"
    assert first_line(" \n...") == ""


def test_a_list_is_read_from_the_line_that_it_is_on():
    answer = "Sure!\n**Likes**: red, ink , red.\n- dislikes: 'fog', "
    assert read_list(answer, "likes") == ("red", "ink")
    assert read_list(answer, "dislikes") == ("fog",)
    assert read_list("I cannot say", "likes") == ()
