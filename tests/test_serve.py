"""The service on a sunny day: each endpoint used by a real client, its answers beside those of the command line."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from serving import Server, running_server
from typer.testing import CliRunner

from seqdl.text import CharModel
from seqdl.training.run import RequestRow
from seqdl.training.runs import list_runs, load_requests
from seqdl_cli.main import app

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
GENES, NOTE, TATA = SAMPLES / "genes.fa", SAMPLES / "note.jpg", SAMPLES / "tata.jaspar"
FASTA = {"content-type": "text/x-fasta"}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "requests.sqlite"


@pytest.fixture(scope="module")
def server(log: Path) -> Iterator[Server]:
    with running_server("--log", str(log)) as server:
        yield server


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none is needed", max_retries=0)


def written(seed: int, length: int, prompt: str = "ROMEO:") -> str:
    """What the library writes; the service's defaults are OpenAI's, so the temperature is given everywhere."""
    return "".join(piece.text for piece in CharModel.load().generate(prompt, length, seed=seed))


def command(*arguments: str) -> bytes:
    done = CliRunner().invoke(app, [*arguments, "--quiet"])
    assert done.exit_code == 0, done.output
    return done.stdout_bytes


class TestCompletions:
    def test_the_text_is_that_of_the_library(self, client: openai.OpenAI) -> None:
        answer = client.completions.create(model="shakespeare", prompt="ROMEO:", max_tokens=50, temperature=0.8, seed=3)
        assert answer.choices[0].text == written(3, 50)
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (6, 50, 56)

    def test_a_stream_gives_the_same_text_in_pieces(self, client: openai.OpenAI) -> None:
        stream = client.completions.create(
            model="shakespeare", prompt="ROMEO:", max_tokens=200, temperature=0.8, seed=3, stream=True
        )
        events = [event.choices[0] for event in stream]
        assert len(events) > 1
        assert "".join(event.text for event in events) == written(3, 200)
        assert [event.finish_reason for event in events[:-1]] == [None] * (len(events) - 1)
        assert events[-1].finish_reason == "length"

    def test_a_stream_ends_with_usage_and_done(self, web: httpx.Client) -> None:
        asked = {"prompt": "A", "max_tokens": 7, "stream": True, "stream_options": {"include_usage": True}}
        with web.stream("POST", "/v1/completions", json=asked) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["x-accel-buffering"] == "no"
            lines = [line for line in answer.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        assert json.loads(lines[-2].removeprefix("data: "))["usage"]["completion_tokens"] == 7

    def test_several_prompts_and_texts(self, client: openai.OpenAI) -> None:
        answer = client.completions.create(
            model="shakespeare", prompt=["ROMEO:", "JULIET:"], n=2, max_tokens=20, temperature=0.8, seed=5
        )
        expected = [written(seed, 20, prompt) for prompt in ("ROMEO:", "JULIET:") for seed in (5, 6)]
        assert [choice.text for choice in answer.choices] == expected
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]

    def test_a_stop_text_ends_before_it(self, client: openai.OpenAI) -> None:
        whole = written(3, 200)
        answer = client.completions.create(
            model="shakespeare", prompt="ROMEO:", max_tokens=200, temperature=0.8, seed=3, stop=[whole[30:34]]
        )
        assert answer.choices[0].text == whole[: whole.index(whole[30:34])]
        assert answer.choices[0].finish_reason == "stop"

    def test_echo_and_logprobs(self, client: openai.OpenAI) -> None:
        answer = client.completions.create(
            model="shakespeare", prompt="ROMEO:", max_tokens=5, temperature=0, echo=True, logprobs=3
        )
        choice = answer.choices[0]
        assert choice.text.startswith("ROMEO:")
        log = choice.logprobs
        assert log is not None
        assert log.tokens is not None
        assert log.token_logprobs is not None
        assert log.top_logprobs is not None
        assert "".join(log.tokens) == choice.text
        assert log.text_offset == list(range(11))
        assert log.token_logprobs[0] is None
        greedy = list(zip(log.tokens, log.token_logprobs, log.top_logprobs, strict=True))[6:]
        assert all(likely[token] == chance == max(likely.values()) for token, chance, likely in greedy)
        assert all(len(likely) == 3 for _, _, likely in greedy)

    def test_log_probabilities_are_those_of_scoring(self, client: openai.OpenAI) -> None:
        text = "ROMEO:\nGood night"
        answer = client.completions.create(model="shakespeare", prompt=text, max_tokens=0, echo=True, logprobs=0)
        log = answer.choices[0].logprobs
        assert log is not None
        assert log.token_logprobs is not None
        model = CharModel.load()
        np.testing.assert_allclose(log.token_logprobs[1:], -model.score(text, lanes=1).nats, atol=0.05)

    @pytest.mark.parametrize(
        ("asked", "param"),
        [
            ({"max_tokens": -1}, "max_tokens"),
            ({"max_tokens": 1_000_000}, "max_tokens"),
            ({"temperature": "hot"}, "temperature"),
            ({"n": 17}, "n"),
            ({"suffix": "!"}, "suffix"),
            ({"prompt": 7}, "prompt"),
        ],
    )
    def test_what_cannot_be_asked_for(self, web: httpx.Client, asked: dict[str, Any], param: str) -> None:
        answer = web.post("/v1/completions", json=asked)
        assert answer.status_code == 422
        assert answer.json()["error"]["param"] == param

    def test_too_long_a_document_names_the_option_that_allows_it(self, web: httpx.Client) -> None:
        answer = web.post("/v1/completions", json={"prompt": "a" * (3 << 20)})
        assert answer.status_code == 413
        assert "--max-prompt" in answer.json()["error"]["message"]

    def test_no_such_model(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError, match="there is shakespeare"):
            client.completions.create(model="gpt", prompt="")

    def test_models(self, client: openai.OpenAI) -> None:
        assert [model.id for model in client.models.list()][:2] == ["shakespeare", "spombe"]


class TestScan:
    @pytest.mark.parametrize("form", ["bed", "gff3", "json", "tsv"])
    def test_sites_are_those_of_the_command(self, web: httpx.Client, form: str) -> None:
        answer = web.post("/v1/scan", params={"format": form}, content=GENES.read_bytes(), headers=FASTA)
        assert answer.status_code == 200
        assert answer.content == command("scan", str(GENES), "--format", form)

    def test_gzip_is_unpacked(self, web: httpx.Client) -> None:
        packed = gzip.compress(GENES.read_bytes())
        answer = web.post("/v1/scan", params={"format": "bed"}, content=packed, headers=FASTA)
        assert answer.content == command("scan", str(GENES), "--format", "bed")

    def test_words(self, web: httpx.Client) -> None:
        params = {"consensus": ["TATAWAW", "GTRAGT"], "thresh": 1e-3, "format": "tsv"}
        answer = web.post("/v1/scan", params=params, content=GENES.read_bytes(), headers=FASTA)
        words = ("--consensus", "TATAWAW", "--consensus", "GTRAGT", "--thresh", "1e-3")
        assert answer.content == command("scan", str(GENES), *words, "--format", "tsv")

    def test_a_file_of_motifs(self, web: httpx.Client) -> None:
        files = {"fasta": GENES.open("rb"), "motifs": TATA.open("rb")}
        answer = web.post("/v1/scan", params={"thresh": 2e-4, "format": "gff3"}, files=files)
        expected = command("scan", str(GENES), "--motifs", str(TATA), "--thresh", "2e-4", "--format", "gff3")
        assert answer.content == expected
        for file in files.values():
            file.close()

    def test_a_bad_letter_is_told_with_its_place(self, web: httpx.Client) -> None:
        answer = web.post("/v1/scan", content=b">a\nACGT\n>b\nAC!GT\n", headers=FASTA)
        assert answer.status_code == 422
        assert answer.json()["error"]["message"].startswith("the body:4: record b, position 3")

    def test_the_answer_has_the_ids_of_the_request(self, web: httpx.Client) -> None:
        answer = web.post("/v1/scan", content=b">a\nACGT\n", headers=FASTA | {"x-request-id": "my-own.7"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["x-request-id"] == "my-own.7"


class TestReading:
    def test_a_page_is_read_as_by_the_command(self, web: httpx.Client) -> None:
        answer = web.post("/v1/ocr", content=NOTE.read_bytes(), headers={"content-type": "image/jpeg"})
        expected = json.loads(command("ocr", str(NOTE), "--json"))
        (page,) = answer.json()["pages"]
        assert page | {"picture": ""} == expected | {"picture": ""}

    def test_several_pictures_one_of_them_bad(self, web: httpx.Client) -> None:
        files = [("image", NOTE.open("rb")), ("image", GENES.open("rb"))]
        pages = web.post("/v1/ocr", files=files).json()["pages"]
        assert [page["picture"] for page in pages] == ["note.jpg", "genes.fa"]
        assert pages[1]["error"]["code"] == "invalid_input"
        for _, file in files:
            file.close()

    def test_text_of_several_pictures_names_each_and_says_which_is_bad(self, web: httpx.Client) -> None:
        with NOTE.open("rb") as note, GENES.open("rb") as genes:
            answer = web.post("/v1/ocr", params={"format": "text"}, files=[("image", note), ("image", genes)])
        assert answer.text.startswith("=== note.jpg ===\n" + command("ocr", str(NOTE)).decode())
        assert answer.text.splitlines()[-1].startswith("=== genes.fa: not read: genes.fa: not a picture")

    def test_the_annotated_picture(self, web: httpx.Client) -> None:
        answer = web.post(
            "/v1/ocr", params={"format": "png"}, content=NOTE.read_bytes(), headers={"content-type": "image/jpeg"}
        )
        with Image.open(io.BytesIO(answer.content)) as drawn:
            assert drawn.format == "PNG"

    def test_curl(self, server: Server) -> None:
        curl = shutil.which("curl")
        if curl is None:
            pytest.skip("curl is not installed")
        url = f"{server.url}/v1/ocr?format=text"
        options = ["-sS", "--fail", "-H", "content-type: image/jpeg", "--data-binary", f"@{NOTE}"]
        done = subprocess.run([curl, *options, url], capture_output=True, check=True)
        assert done.stdout == command("ocr", str(NOTE))

    def test_a_drawn_character(self, web: httpx.Client) -> None:
        ring = np.hypot(*np.ogrid[-30:30, -30:30])  # type: ignore[misc]
        pixels = np.where((ring > 16) & (ring < 22), 255, 0)
        answer = web.post("/v1/classify", params={"model": "letters"}, json={"pixels": pixels.tolist()}).json()
        assert answer["text"] == "O/o"
        assert answer["sure"]
        assert len(answer["alternatives"]) == 5
        assert np.shape(answer["seen"]) == (28, 28)

    def test_no_ink_is_no_character(self, web: httpx.Client) -> None:
        answer = web.post("/v1/classify", json={"pixels": [[0, 0], [0, 0]]}).json()
        assert (answer["text"], answer["sure"], answer["alternatives"]) == ("", False, [])

    def test_a_picture_of_a_character(self, web: httpx.Client) -> None:
        ring = np.hypot(*np.ogrid[-60:60, -60:60])  # type: ignore[misc]
        picture = Image.fromarray(np.where((ring > 24) & (ring < 30), 30, 220).astype(np.uint8))
        target = io.BytesIO()
        picture.save(target, "PNG")
        headers = {"content-type": "image/png"}
        answer = web.post("/v1/classify", params={"model": "digits"}, content=target.getvalue(), headers=headers)
        assert answer.json()["text"] == "0"


class TestOperation:
    def test_health(self, web: httpx.Client) -> None:
        assert web.get("/healthz").json() == {"status": "ok"}
        assert web.get("/readyz").json() == {"status": "ready"}
        assert web.get("/health").json() == {"status": "ok"}

    def test_metrics_are_read_by_the_official_parser(self, web: httpx.Client) -> None:
        def figures() -> dict[tuple[str, str], float]:
            families = text_string_to_metric_families(web.get("/metrics").text)
            samples = [sample for family in families for sample in family.samples]
            return {(sample.name, sample.labels.get("model", "")): sample.value for sample in samples}

        before = figures()
        web.post("/v1/completions", json={"max_tokens": 11})
        web.post("/v1/scan", content=b">a\nACGTACGTAC\n", headers=FASTA)
        web.post("/v1/classify", json={"pixels": [[255]]})
        after = figures()
        grown = {key: after[key] - before.get(key, 0) for key in after}
        assert grown["seqdl_tokens_total", "shakespeare"] == 11
        assert grown["seqdl_bases_total", "spombe"] == 10
        assert grown["seqdl_letters_total", "alphanumeric"] == 1
        assert after["seqdl_jobs", ""] == 0
        assert after["seqdl_model", "digits"] == 1

    def test_the_description_names_every_endpoint(self, web: httpx.Client) -> None:
        paths = web.get("/openapi.json").json()["paths"]
        assert {"/v1/completions", "/v1/scan", "/v1/ocr", "/v1/classify", "/v1/models"} <= set(paths)

    def test_requests_are_in_the_log_that_runs_reads(self, web: httpx.Client, log: Path) -> None:
        web.post("/v1/completions", json={"max_tokens": 3}, headers={"x-request-id": "to-be-found"})
        (run,) = list_runs(log)
        assert run.kind == "service"
        deadline = time.monotonic() + 10  # rows go out once a second
        found: list[RequestRow] = []
        while not found and time.monotonic() < deadline:
            found = [row for row in load_requests(log, run.id) if row.request == "to-be-found"]
        assert [(row.path, row.status, row.about["tokens"]) for row in found] == [("/v1/completions", 200, 3)]
        table = CliRunner().invoke(app, ["runs", "requests", str(run.id), "--log", str(log)]).stdout
        assert "/v1/completions" in table

    def test_each_request_is_a_line_of_json(self, web: httpx.Client, server: Server) -> None:
        web.get("/healthz", headers={"x-request-id": "in-the-log"})
        deadline = time.monotonic() + 10  # lines are written by a thread of their own
        found: list[dict[str, Any]] = []
        while not found and time.monotonic() < deadline:
            found = [entry for entry in map(json.loads, server.log) if entry.get("request") == "in-the-log"]
        (entry,) = found
        assert (entry["path"], entry["status"], entry["level"]) == ("/healthz", 200, "info")


def test_a_key_is_needed_where_there_is_one() -> None:
    options = ("--api-key", "sésame", "--models", "digits", "--origin", "https://example.org")
    with running_server(*options) as server, httpx.Client(base_url=server.url) as web:
        assert web.get("/healthz").status_code == 200
        key = "sésame".encode()
        for headers in ({}, {"authorization": b"Bearer wrong"}, {"authorization": b"Basic " + key}):
            assert web.get("/v1/models", headers=headers).status_code == 401
        allowed = {"authorization": b"Bearer " + key, "origin": b"https://example.org"}
        answer = web.get("/v1/models", headers=allowed)
        assert [model["id"] for model in answer.json()["data"]] == ["digits"]
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        other = web.get("/v1/models", headers=allowed | {"origin": b"https://example.com"})
        assert "access-control-allow-origin" not in other.headers
        assert web.post("/v1/completions", json={}, headers=allowed).status_code == 404
