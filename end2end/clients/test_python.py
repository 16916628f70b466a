"""Real Python clients against the real server: what changes for them is the key and the base URL, nothing else.

Every task is asked of both stand-ins, which answer the same; every failure must be the client's own exception.
"""

import base64
import functools
import json
import re
import subprocess
import urllib.request
from pathlib import Path

import openai
import pytest
from click.testing import CliRunner
from langchain_core import exceptions as langchain
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from llm.cli import cli
from pydantic import BaseModel

MODELS = {"gpt-4o-mini": "text-embedding-3-small", "gpt-4o": "text-embedding-3-large"}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
DATA_URL = f"data:image/png;base64,{PICTURE}"
ANSWERS = {
    "chat": "Hello from the upstream",
    "stream": "Hello from the upstream",
    "tools": "The tool said: 7 degrees",
    "vision": "A picture of the type image/png",
    "schema": {"name": "Ada", "age": 36},
    "embed": [0.25, -0.5, 0.75],
}


class Person(BaseModel):
    name: str
    age: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return {"Oslo": "7 degrees"}[city]


class OpenAI:
    """The SDK."""

    def __init__(self, stage, key, **retries):
        self.client = openai.OpenAI(api_key=key, base_url=stage["base_url"], **retries)

    def ask(self, model, content, **more):
        messages = [{"role": "user", "content": content}]
        return self.client.chat.completions.create(model=model, messages=messages, **more)

    def chat(self, model):
        return self.ask(model, "Say hello.").choices[0].message.content

    def stream(self, model):
        chunks = self.ask(model, "Say hello.", stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    def tools(self, model):
        parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
        message = self.ask(model, "What is the weather?", tools=tools).choices[0].message
        (call,) = message.tool_calls
        result = weather.invoke(json.loads(call.function.arguments))
        messages = [
            {"role": "user", "content": "What is the weather?"},
            message,
            {"role": "tool", "tool_call_id": call.id, "content": result},
        ]
        answer = self.client.chat.completions.create(model=model, messages=messages, tools=tools)
        return answer.choices[0].message.content

    def vision(self, model):
        image = {"type": "image_url", "image_url": {"url": DATA_URL}}
        parts = [{"type": "text", "text": "What picture is this?"}, image]
        return self.ask(model, parts).choices[0].message.content

    def schema(self, model):
        messages = [{"role": "user", "content": "Who is Ada?"}]
        parsed = self.client.chat.completions.parse(model=model, messages=messages, response_format=Person)
        return parsed.choices[0].message.parsed.model_dump()

    def embed(self, model):
        # aimock knows no base64, in which the SDK asks by itself.
        answer = self.client.embeddings.create(model=model, input="one", encoding_format="float")
        return answer.data[0].embedding


class LangChain:
    """`langchain-openai`."""

    def __init__(self, stage, key, **retries):
        self.settings = {"api_key": key, "base_url": stage["base_url"], **retries}

    def model(self, model):
        return ChatOpenAI(model=model, **self.settings)

    def chat(self, model):
        return self.model(model).invoke("Say hello.").content

    def stream(self, model):
        return "".join(chunk.content for chunk in self.model(model).stream("Say hello."))

    def tools(self, model):
        chat = self.model(model).bind_tools([weather])
        question = HumanMessage("What is the weather?")
        answer = chat.invoke([question])
        (call,) = answer.tool_calls
        return chat.invoke([question, answer, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])]).content

    def vision(self, model):
        image = {"type": "image_url", "image_url": {"url": DATA_URL}}
        return self.model(model).invoke([HumanMessage([{"type": "text", "text": "What picture is this?"}, image])]).content

    def schema(self, model):
        return self.model(model).with_structured_output(Person).invoke("Who is Ada?").model_dump()

    def embed(self, model):
        # Without a tokenizer, whose tables would come from the network.
        settings = {**self.settings, "check_embedding_ctx_length": False, "model_kwargs": {"encoding_format": "float"}}
        return OpenAIEmbeddings(model=model, **settings).embed_query("one")


class Llm:
    """`llm` on the command line, which has no setting for retries."""

    def __init__(self, stage, key, **retries):
        self.stage, self.key, self.retries = stage, key, retries

    def run(self, *words):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.stage["folder"])
            patch.setenv("LLM_USER_PATH", str(self.stage["folder"]))
            patch.setenv("OPENAI_BASE_URL", self.stage["base_url"])
            patch.setattr(openai, "OpenAI", functools.partial(openai.OpenAI, **self.retries))
            result = CliRunner().invoke(cli, [*words, "--key", self.key])
        if result.exit_code:
            raise LlmError(result.output)
        return result.stdout.strip()

    def ask(self, model, prompt, *words):
        return self.run("prompt", "--no-log", "-m", model, prompt, *words)

    def chat(self, model):
        return self.ask(model, "Say hello.", "--no-stream")

    def stream(self, model):
        return self.ask(model, "Say hello.")

    def tools(self, model):
        function = "def weather(city: str) -> str:\n    return {'Oslo': '7 degrees'}[city]"
        return self.ask(model, "What is the weather?", "--functions", function)

    def vision(self, model):
        return self.ask(model, "What picture is this?", "-a", "picture.png")

    def schema(self, model):
        return json.loads(self.ask(model, "Who is Ada?", "--schema", "name, age int"))

    def embed(self, model):
        return json.loads(self.run("embed", "-m", model, "-c", "one"))


class LlmError(Exception):
    """`llm` ended with an error, which it printed."""


CLIENTS = {"openai": OpenAI, "langchain": LangChain, "llm": Llm}
FAILURES = {
    # key, model, task, status, may try again as it likes, the SDK's exception, LangChain's
    "wrong key": ("wrong", "gpt-4o-mini", "chat", 401, True, openai.AuthenticationError, langchain.ModelAuthenticationError),
    "forbidden model": ("narrow", "gpt-4o-mini", "chat", 403, True, openai.PermissionDeniedError, langchain.ModelPermissionDeniedError),
    "unknown model": ("good", "missing", "chat", 404, True, openai.NotFoundError, langchain.ModelNotFoundError),
    "refused input": ("good", "refusing", "chat", 400, True, openai.BadRequestError, langchain.ModelInvalidRequestError),
    "rate limit": ("slow", "gpt-4o-mini", "chat", 429, False, openai.RateLimitError, langchain.ModelRateLimitError),
    "no money": ("poor", "gpt-4o-mini", "chat", 429, True, openai.RateLimitError, langchain.ModelRateLimitError),
    "no account works": ("good", "failing", "chat", 502, False, openai.InternalServerError, langchain.ModelAPIError),
    "broken off": ("good", "cutting", "stream", None, False, openai.APIError, openai.APIError),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A server with its stand-ins: base_url, counter_url and keys; and the folder of `llm`."""
    folder = tmp_path_factory.mktemp("llm")
    (folder / "picture.png").write_bytes(base64.b64decode(PICTURE))
    more = ["missing", "refusing", "cutting", "failing-llm"]
    (folder / "extra-openai-models.yaml").write_text(
        "".join(f"- {{model_id: {name}, model_name: {name}, api_key_name: openai}}\n" for name in more)
    )
    program = ["node", str(Path(__file__).parent / "stage.mjs"), *CLIENTS]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line, "stage.mjs printed nothing"
        yield {"folder": folder, **json.loads(line)}
        process.stdin.close()


@pytest.mark.parametrize("task", ANSWERS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_task_is_answered(stage, client, model, task):
    subject = CLIENTS[client](stage, stage["keys"]["good"])
    assert getattr(subject, task)(MODELS[model] if task == "embed" else model) == ANSWERS[task]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_failure_is_an_exception_of_its_own(stage, client, failure):
    key, model, task, status, may_retry, of_openai, of_langchain = FAILURES[failure]
    credential = stage["keys"].get(key) or stage["keys"][f"slow-{client}"]
    subject = CLIENTS[client](stage, credential, **({} if may_retry else {"max_retries": 0}))
    if failure == "rate limit":
        subject.chat(model)
    count(stage)
    with pytest.raises({"openai": of_openai, "langchain": of_langchain, "llm": LlmError}[client]) as raised:
        getattr(subject, task)(f"failing-{client}" if model == "failing" else model)
    assert count(stage) == 1
    error = raised.value
    if client == "llm":
        assert re.search(f"Error: .*{status or 'broke off'}", str(error)), error
        return
    assert isinstance(error, of_openai)
    assert getattr(error, "status_code", None) == status
    if failure == "rate limit":
        assert int(error.response.headers["retry-after"]) > 0
    if failure == "no money":
        assert error.code == "insufficient_quota"


def count(stage):
    """How many requests came since this was last asked."""
    with urllib.request.urlopen(stage["counter_url"]) as answer:
        return int(answer.read())


def test_openai_lists_models(stage):
    client = openai.OpenAI(api_key=stage["keys"]["good"], base_url=stage["base_url"])
    names = {model.id for model in client.models.list()}
    assert names >= {*MODELS, *MODELS.values()}
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


def test_openai_reads_embeddings_in_base64_and_usage(stage):
    client = openai.OpenAI(api_key=stage["keys"]["good"], base_url=stage["base_url"])
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [row.embedding for row in answer.data] == [ANSWERS["embed"]] * 2
    assert OpenAI(stage, stage["keys"]["good"]).ask("gpt-4o-mini", "Say hello.").usage.total_tokens == 15
