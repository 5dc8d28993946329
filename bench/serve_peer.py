"""What one gets by putting the same network into PyTorch behind FastAPI, one request at a time.

    PEERS bench/serve_peer.py CONFIG PORT      # by bench/serve_load.py; CONFIG: JSON with cell, layers, and file, the
                                               # safetensors of its weights in float32

POST /v1/completions as ours has it, as far as the load needs it: prompt, max_tokens, temperature, seed, always
streamed, in events of EVENT characters. Everything is set up for the best that is to be had in this way: of several
ways to write a character, on one thread and on all, the fastest is taken when it starts, and told by GET /way; the
writing has a thread of its own, and a lock lets one request at a time through.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import measure
import torch
import uvicorn
from fastapi import FastAPI
from generate_rnn import Advance, cell_start, hand_start
from starlette.responses import StreamingResponse

EVENT = 32  # characters; a few milliseconds' worth
TRIALS, TRIAL = 3, 100  # of each way, and the characters of one
Start = Callable[[], Advance]


def whole_start(config: dict[str, Any]) -> Start:
    """nn.GRU or nn.LSTM, called for one symbol after the other."""
    arrays = {name: torch.from_numpy(array) for name, array in measure.load(config).items()}
    symbols, H = arrays["decoder.weight"].shape
    rnn = (torch.nn.LSTM if config["cell"] == "lstm" else torch.nn.GRU)(symbols, H, config["layers"])
    rnn.load_state_dict({name[4:]: array for name, array in arrays.items() if name.startswith("rnn.")})
    identity = torch.eye(symbols)

    def start() -> Advance:
        state = None

        def advance(read: Any) -> Any:
            nonlocal state
            y, state = rnn(identity[read][None], state)
            return torch.addmv(arrays["decoder.bias"], arrays["decoder.weight"], y[0, 0])[None]

        return advance

    return start


def ways(config: dict[str, Any]) -> dict[str, Start]:
    return {
        "addmv by hand": hand_start(config, matrix_vector=True),
        "addmm by hand": hand_start(config, matrix_vector=False),
        "cells": cell_start(config),
        "nn.GRU step by step": whole_start(config),
    }


@torch.inference_mode()
def write(start: Start, prompt: bytes, length: int, temperature: float, seed: int) -> Iterator[bytes]:
    """The bytes of a text, EVENT at a time. The network reads and writes bytes."""
    draw = torch.Generator().manual_seed(seed)
    advance, logits = start(), None
    for byte in prompt or b"\n":
        logits = advance(torch.tensor([byte]))
    written = bytearray()
    for _ in range(length):
        symbol = torch.multinomial((logits / temperature).softmax(1), 1, generator=draw)[0]
        written.append(int(symbol))
        logits = advance(symbol)
        if len(written) == EVENT:
            yield bytes(written)
            written.clear()
    if written:
        yield bytes(written)


def fastest(config: dict[str, Any]) -> tuple[str, Start]:
    """Of all ways and numbers of threads, each tried TRIALS times in turn; sets that number."""
    best: dict[tuple[int, str], float] = {}
    made = ways(config)
    for threads, _, name in itertools.product(sorted({1, torch.get_num_threads()}), range(TRIALS), made):
        torch.set_num_threads(threads)
        began = time.perf_counter()
        list(write(made[name], b"", TRIAL, 1.0, 0))
        seconds = time.perf_counter() - began
        best[threads, name] = min(seconds, best.get((threads, name), seconds))
    for (threads, name), seconds in best.items():
        print(f"peer: {name}, threads {threads}: {TRIAL / seconds:,.0f} characters/s", file=sys.stderr, flush=True)
    threads, name = min(best, key=lambda way: best[way])
    torch.set_num_threads(threads)
    return f"{name}, threads {threads}", made[name]


def create_app(config: dict[str, Any]) -> FastAPI:
    app, alone, turn = FastAPI(), ThreadPoolExecutor(1), asyncio.Lock()
    name, start = alone.submit(fastest, config).result()

    @app.get("/way")
    async def way() -> str:
        return name

    @app.post("/v1/completions")
    async def complete(asked: dict[str, Any]) -> StreamingResponse:
        return StreamingResponse(events(asked), media_type="text/event-stream")

    async def events(asked: dict[str, Any]) -> AsyncIterator[bytes]:
        prompt = asked["prompt"].encode()
        async with turn:
            pieces = write(start, prompt, asked["max_tokens"], asked["temperature"], asked["seed"])
            loop = asyncio.get_running_loop()
            while (piece := await loop.run_in_executor(alone, next, pieces, None)) is not None:
                text = piece.decode(errors="replace")
                yield b"data: " + json.dumps({"choices": [{"index": 0, "text": text}]}).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    return app


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    uvicorn.run(create_app(told), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
