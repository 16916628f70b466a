"""Real Python clients against the real server: what changes for them is the key and the base URL, nothing else."""

import json
import os
import subprocess
from pathlib import Path

import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

MODEL = "gpt-4o-mini"
MESSAGES = [{"role": "user", "content": "Say hello."}]
REPLY = "Hello from the upstream"


@pytest.fixture(scope="module")
def hub():
    """A server with one upstream account and one key: base_url and key."""
    program = ["node", str(Path(__file__).parent.parent / "hub.mjs")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line, "hub.mjs printed nothing"
        yield json.loads(line)
        process.stdin.close()


@pytest.fixture(scope="module")
def client(hub):
    return openai.OpenAI(api_key=hub["key"], base_url=hub["base_url"], max_retries=0)


def test_openai_completes(client):
    completion = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert completion.choices[0].message.content == REPLY
    assert completion.usage.total_tokens == 15


def test_openai_streams(client):
    chunks = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == REPLY


def test_openai_embeds(client):
    data = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"]).data
    assert [row.embedding for row in data] == [[0.25, -0.5, 0.75]] * 2


def test_openai_lists_models(client):
    assert MODEL in [model.id for model in client.models.list()]


def test_openai_raises_its_own_exceptions(hub, client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=MESSAGES)
    stranger = openai.OpenAI(api_key="sk-oh-wrong", base_url=hub["base_url"], max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model=MODEL, messages=MESSAGES)


def test_langchain_chats_and_embeds(hub):
    settings = {"api_key": hub["key"], "base_url": hub["base_url"], "max_retries": 0}
    chat = ChatOpenAI(model=MODEL, **settings)
    assert chat.invoke("Say hello.").content == REPLY
    assert "".join(chunk.content for chunk in chat.stream("Say hello.")) == REPLY
    # Without a tokenizer, whose tables would come from the network.
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False, **settings)
    assert embeddings.embed_query("one") == [0.25, -0.5, 0.75]


def test_llm_answers_on_the_command_line(hub, tmp_path):
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: hub\n  model_name: {MODEL}\n  api_base: {hub['base_url']}\n  api_key_name: hub\n"
    )
    (tmp_path / "keys.json").write_text(json.dumps({"hub": hub["key"]}))
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path)}
    answer = subprocess.run(["llm", "-m", "hub", "Say hello."], env=environment, capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == REPLY, answer.stderr
