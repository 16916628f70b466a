"""Images, sound and rerank through OpenAI's own SDK, and plain HTTP where that has no method, against the real server.

What is charged is what the shipped catalogue's prices come to.
"""

import io
import json
import subprocess
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

import openai
import pytest

MILLION = Decimal(1_000_000)


@pytest.fixture(scope="module")
def stage():
    """A server with its stand-ins."""
    program = ["node", str(Path(__file__).parent / "stage.mjs")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line, "stage.mjs printed nothing"
        yield json.loads(line)
        process.stdin.close()


@pytest.fixture
def client(stage):
    return openai.OpenAI(api_key=stage["keys"]["good"], base_url=stage["base_url"])


def cost(response):
    return Decimal(response.headers["x-ourhub-cost-usd"])


def sound(size=3_000_000):
    """A file that is not kept in memory."""
    return ("sound.wav", io.BytesIO(bytes(size)), "audio/wav")


def test_images_are_made_and_paid_by_the_token(client):
    raw = client.images.with_raw_response.generate(model="gpt-image-2", prompt="a cat", quality="low")
    made = raw.parse()
    assert made.data[0].b64_json == "YSBwaWN0dXJl"
    assert made.usage.total_tokens == 150
    assert cost(raw) == (10 * 5 + 40 * 8 + 100 * 30) / MILLION


def test_images_are_streamed(client):
    stream = client.images.generate(model="gpt-image-2", prompt="a cat", quality="low", stream=True, partial_images=1)
    events = list(stream)
    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
    assert events[-1].usage.output_tokens == 100


def test_images_are_edited_from_a_form(client):
    image = ("cat.png", io.BytesIO(b"\x89PNG"), "image/png")
    raw = client.images.with_raw_response.edit(model="gpt-image-2", image=[image, image], prompt="a hat on it", quality="low")
    assert raw.parse().data[0].b64_json == "YSBwaWN0dXJl"
    assert cost(raw) == (10 * 5 + 40 * 8 + 100 * 30) / MILLION
    events = list(client.images.edit(model="gpt-image-2", image=image, prompt="a hat", quality="low", stream=True))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]


def test_speech_is_streamed_as_sound(client):
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="Hello.") as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        assert answer.read() == b"spoken: Hello."
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hi.").content == b"spoken: Hi."


def test_what_was_heard_comes_as_it_is_wanted(client):
    hear = client.audio.transcriptions
    text = "heard 3000000 bytes"
    answer = hear.create(model="whisper-1", file=sound())
    assert (answer.text, answer.usage.type, answer.usage.seconds) == (text, "duration", 3)
    assert hear.create(model="whisper-1", file=sound(), response_format="text") == f"{text}\n"
    srt = hear.create(model="whisper-1", file=sound(), response_format="srt")
    assert srt == f"1\n00:00:00,000 --> 00:00:02,500\n{text}\n\n"
    assert hear.create(model="whisper-1", file=sound(), response_format="verbose_json").segments[0].text == text
    raw = hear.with_raw_response.create(model="whisper-1", file=sound())
    assert cost(raw) == 3 * Decimal("0.0001")
    assert client.audio.translations.create(model="whisper-1", file=sound()).text == text


def test_what_was_heard_is_paid_by_the_token_and_streamed(client):
    raw = client.audio.transcriptions.with_raw_response.create(model="gpt-4o-transcribe", file=sound())
    assert raw.parse().text == "heard 3000000 bytes"
    assert cost(raw) == (20 * Decimal("2.5") + 4 * 10) / MILLION
    stream = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound(), stream=True)
    events = list(stream)
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1].usage.output_tokens == 4


def test_a_form_without_a_model_and_one_for_a_model_of_another_kind_are_refused(client):
    with pytest.raises(openai.BadRequestError) as raised:
        client.audio.transcriptions.create(model="tts-1", file=sound(10))
    assert raised.value.code == "unsupported_operation"
    with pytest.raises(openai.BadRequestError) as raised:
        client.post("/audio/transcriptions", cast_to=object, body={}, files={"file": sound(10)})
    assert raised.value.status_code == 400


def test_documents_are_ordered(stage):
    body = {"model": "rerank-v3.5", "query": "capital of Norway", "documents": ["Oslo", "Paris", "Rome"], "top_n": 2}
    headers = {"authorization": f"Bearer {stage['keys']['good']}", "content-type": "application/json"}
    url = f"{stage['base_url']}/rerank"
    ask = lambda sent: urllib.request.urlopen(urllib.request.Request(url, json.dumps(sent).encode(), headers))
    with ask(body) as answer:
        assert [row["index"] for row in json.load(answer)["results"]] == [0, 1]
        assert cost(answer) == Decimal("0.002")
    with pytest.raises(urllib.error.HTTPError) as raised:
        ask({**body, "documents": []})
    assert json.load(raised.value)["error"]["param"] == "documents"
