"""Texts that come and go side by side: each is the one that it would be alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqdl.errors import InputError, UsageError
from seqdl.kernels.generation import State
from seqdl.text import CharModel, Piece, SamplingOptions, TextBatch, Written
from seqdl.text.batch import SURPLUS
from seqdl.text.network import CharNetwork
from seqdl.text.streams import Streams
from seqdl.text.vocabulary import ByteVocabulary, CharVocabulary, Vocabulary

ALPHABET = "abcd é"


def writer(cell: str, vocabulary: Vocabulary, scheme: str) -> CharModel:
    """A model that hesitates between few symbols: bytes of the alphabet, and halves of its last letter."""
    network = CharNetwork(vocabulary.size, cell, 9, 2, generator=np.random.default_rng(0)).eval()
    for parameter in network.parameters():
        parameter.data *= 4
    assert network.decoder.bias is not None
    network.decoder.bias.data[vocabulary.encode((ALPHABET * 2).encode())] += 5
    return CharModel(network, vocabulary, {"quantised": scheme})


MODELS = [
    writer("gru", ByteVocabulary(), "float32"),
    writer("lstm", ByteVocabulary(), "int8"),
    writer("gru", CharVocabulary(ALPHABET), "float32"),
]
BOTH = pytest.mark.parametrize("model", MODELS[1:], ids=["bytes", "characters"])
OPTIONS = st.builds(
    SamplingOptions,
    temperature=st.sampled_from([0.0, 0.8, 1.5]),
    top_k=st.sampled_from([0, 4]),
    top_p=st.sampled_from([1.0, 0.9]),
    repeat_penalty=st.sampled_from([1.0, 1.3]),
    repeat_last_n=st.sampled_from([0, 3, 40]),
    frequency_penalty=st.sampled_from([0.0, 0.2]),
)
REQUESTS = st.fixed_dictionaries(
    {
        "prompt": st.text(ALPHABET, max_size=30),
        "length": st.integers(0, 60),
        "seed": st.integers(0, 5),
        "options": OPTIONS,
        "stop": st.lists(st.text(ALPHABET, max_size=3), max_size=2),
        "alternatives": st.integers(0, 3),
    }
)
EVENTS = st.one_of(
    st.tuples(st.just("add"), REQUESTS, st.booleans()),
    st.tuples(st.just("drop"), st.integers(0, 9)),
    st.tuples(st.just("step"), st.integers(1, 40)),
)


class Client:
    """Collects what a batch tells of each text."""

    def __init__(self, batch: TextBatch) -> None:
        self.batch = batch
        self.prompts: dict[Any, list[Piece]] = defaultdict(list)
        self.texts: dict[Any, list[Piece]] = defaultdict(list)
        self.ends: dict[Any, str] = {}

    def step(self, symbols: int) -> None:
        for new in self.batch.step(symbols):
            assert new.key not in self.ends
            if new.piece is not None:
                (self.prompts if new.prompt else self.texts)[new.key].append(new.piece)
            if new.ended:
                self.ends[new.key] = new.ended

    def finish(self) -> None:
        while len(self.batch):
            self.step(50)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(MODELS), st.lists(EVENTS, max_size=25))
def test_each_text_is_the_one_that_generate_gives(model: CharModel, events: list[Any]) -> None:
    client, requests, dropped = Client(TextBatch(model)), {}, set()
    for what, *arguments in events:
        if what == "add":
            request, echo = arguments
            requests[len(requests)] = request, echo
            client.batch.add(len(requests) - 1, **request, echo=echo)
        elif what == "drop":
            dropped |= {arguments[0]} if arguments[0] in requests and arguments[0] not in client.ends else set()
            client.batch.drop(arguments[0])
        else:
            client.step(*arguments)
    client.finish()
    assert set(client.ends) == set(requests) - dropped
    for key in client.ends:
        request, echo = requests[key]
        text = Piece.joined(client.texts[key])
        assert text == Piece.joined(model.generate(**request))
        assert client.ends[key] == ("stop" if any(request["stop"]) and ended_early(model, request) else "length")
        assert Piece.joined(client.prompts[key]).text == (request["prompt"] if echo else "")


def ended_early(model: CharModel, request: dict[str, Any]) -> bool:
    whole = Piece.joined(model.generate(**request | {"stop": ()})).text
    return any(s in whole for s in request["stop"] if s)


@BOTH
def test_an_echo_tells_the_nats_of_the_prompt(model: CharModel) -> None:
    client = Client(TextBatch(model))
    client.batch.add("a", "abcéd", 4, seed=1, alternatives=model.vocabulary.size, echo=True)
    client.step(3)
    client.finish()
    prompt = Piece.joined(client.prompts["a"])
    assert prompt.symbols == model.vocabulary.encode("abcéd".encode()).tolist()
    np.testing.assert_allclose(prompt.logprobs[0], -np.log(model.vocabulary.size))
    np.testing.assert_allclose(prompt.logprobs[1:], -model.score("abcéd").nats, atol=1e-2)
    chosen = [dict(each)[symbol] for each, symbol in zip(prompt.alternatives, prompt.symbols, strict=True)]
    assert chosen == prompt.logprobs


def test_a_long_prompt_holds_nobody_up() -> None:
    batch = TextBatch(MODELS[0])
    batch.add("long", "ab" * 500, 5, seed=1)
    batch.add("short", "a", 20, seed=1)
    assert [(new.key, new.ended) for new in batch.step(21)] == [("short", "length")]
    assert [(new.key, new.ended) for new in batch.step(1000)] == [("long", "length")]
    assert len(batch) == 0


def test_a_step_goes_no_further_than_asked() -> None:
    client = Client(TextBatch(MODELS[2]))
    client.batch.add("a", "abc", 20, seed=1)
    for n in (1, 1, 1, 2, 7):
        client.step(n)
    assert len(Piece.joined(client.texts["a"]).symbols) == 9
    client.step(0)
    client.step(SURPLUS + 10)
    assert len(Piece.joined(client.texts["a"]).symbols) == 20
    assert client.ends == {"a": "length"}


@pytest.mark.parametrize("prompt", ["", "abc"])
def test_a_text_of_no_symbols_ends_when_its_prompt_is_read(prompt: str) -> None:
    batch = TextBatch(MODELS[0])
    batch.add("a", prompt, 0, seed=1, echo=True)
    *echo, last = batch.step(5)
    assert last == Written("a", None, ended="length")
    assert [(new.prompt, new.piece and new.piece.text) for new in echo] == ([(True, prompt)] if prompt else [])
    assert batch.step(5) == []


def test_a_key_is_free_once_its_text_has_ended_or_was_dropped() -> None:
    batch = TextBatch(MODELS[0])
    for _ in range(2):
        batch.add("a", "abc", 5, seed=1)
        with pytest.raises(UsageError, match="the key 'a' is in use"):
            batch.add("a", "abc", 5, seed=1)
        batch.step(100)
    batch.drop("a")
    batch.add("a", "abc", 5, seed=1)
    batch.step(2)
    batch.drop("a")
    batch.add("a", "abc", 5, seed=1)
    assert Piece.joined(new.piece for new in batch.step(9) if new.piece) == Piece.joined(
        MODELS[0].generate("abc", 5, seed=1)
    )


def test_what_cannot_be_written_is_refused_and_leaves_nothing() -> None:
    batch = TextBatch(MODELS[2])
    for error, prompt, length, seed, more in (
        (UsageError, "a", -1, 1, {}),
        (UsageError, "a", 1, -1, {}),
        (UsageError, "a", 1, 1, {"alternatives": -1}),
        (InputError, b"\xff", 1, 1, {}),
        (InputError, "\ud800", 1, 1, {}),
    ):
        with pytest.raises(error):
            batch.add("a", prompt, length, seed=seed, **more)
    assert len(batch) == 0
    assert batch.step(5) == []


# Streams that are chosen and joined


def numbered(count: int, remembered: int, lstm: bool) -> Streams:
    streams = MODELS[1 if lstm else 0].fresh_streams(count, remembered)
    for array in streams.state:
        array[...] = np.arange(array.size).reshape(array.shape) % 100
    return streams


@pytest.mark.parametrize("lstm", [False, True])
@pytest.mark.parametrize("rows", [[], [2], [3, 0, 0]])
@pytest.mark.parametrize("remembered", [0, 2, 5])
def test_select_copies_rows_and_remembers_the_last(rows: list[int], remembered: int, lstm: bool) -> None:
    streams = numbered(4, 3, lstm)
    ours = streams.select(rows, remembered)
    for name in State._fields[:-1]:
        np.testing.assert_array_equal(getattr(ours.state, name), getattr(streams.state, name)[..., rows, :])
    kept = streams.state.recent[rows, 3 - min(3, remembered) :].tolist()
    assert ours.state.recent.tolist() == [[-1] * (remembered - 3) + row for row in kept]
    ours.state.h[...] = -5
    assert (streams.state.h >= 0).all()


@pytest.mark.parametrize("lstm", [False, True])
def test_joined_streams_remember_as_much_as_the_most(lstm: bool) -> None:
    parts = [numbered(2, 3, lstm), numbered(1, 0, lstm), numbered(1, 1, lstm)]
    whole = Streams.joined(parts).state
    assert whole.recent.tolist() == [[0, 1, 2], [3, 4, 5], [-1, -1, -1], [-1, -1, 0]]
    np.testing.assert_array_equal(whole.h, np.concatenate([part.state.h for part in parts], axis=1))
    assert whole.c.shape == (2 if lstm else 0, 4, 9)
    assert Streams.joined(parts[:1]) is parts[0]
