"""SDKs of other dialects against models that speak OpenAI's: what changes for them is the key and the base URL, nothing else.

Every task is asked of both stand-ins, which answer the same; every failure must be the SDK's own exception, raised at once.
"""

import json
import subprocess
from pathlib import Path

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

AIMOCK = "gpt-4o"  # It counts nothing.
MODELS = ["gpt-4o-mini", AIMOCK]
HELLO = "Hello from the upstream"
TOOL_SAID = "The tool said: 7 degrees"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Anthropic:
    """Messages."""

    def __init__(self, origin, key):
        self.client = anthropic.Anthropic(api_key=key, base_url=origin, max_retries=0)

    def chat(self, model):
        message = self.client.messages.create(model=model, max_tokens=100, messages=[user("Say hello.")])
        assert message.usage.input_tokens > 0 or model == AIMOCK
        return message.content[0].text

    def stream(self, model):
        with self.client.messages.stream(model=model, max_tokens=100, messages=[user("Say hello.")]) as stream:
            text = "".join(stream.text_stream)
            message = stream.get_final_message()
        assert message.stop_reason == "end_turn" and (message.usage.output_tokens > 0 or model == AIMOCK)
        return text

    def tools(self, model):
        more = {
            "model": model,
            "max_tokens": 100,
            "tools": [{"name": "weather", "description": "The weather in a city.", "input_schema": CITY}],
        }
        messages = [user("What is the weather?")]
        with self.client.messages.stream(messages=messages, **more) as stream:
            message = stream.get_final_message()
        (call,) = [block for block in message.content if block.type == "tool_use"]
        assert message.stop_reason == "tool_use" and call.input == {"city": "Oslo"}
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "7 degrees"}
        messages += [{"role": "assistant", "content": message.content}, user([result])]
        return self.client.messages.create(messages=messages, **more).content[0].text

    def count(self, model):
        return self.client.messages.count_tokens(model=model, messages=[user("Say hello.")]).input_tokens


class Google:
    """Generate."""

    def __init__(self, origin, key):
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=origin))

    def chat(self, model):
        response = self.client.models.generate_content(model=model, contents="Say hello.")
        assert response.usage_metadata.prompt_token_count > 0 or model == AIMOCK
        return response.text

    def stream(self, model):
        chunks = list(self.client.models.generate_content_stream(model=model, contents="Say hello."))
        assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
        assert chunks[-1].usage_metadata.candidates_token_count > 0 or model == AIMOCK
        return "".join(chunk.text or "" for chunk in chunks)

    def tools(self, model):
        weather = types.FunctionDeclaration(
            name="weather", description="The weather in a city.", parameters_json_schema=CITY
        )
        config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[weather])])
        contents = [types.Content(role="user", parts=[types.Part(text="What is the weather?")])]
        response = self.client.models.generate_content(model=model, contents=contents, config=config)
        (call,) = response.function_calls
        assert call.name == "weather" and call.args == {"city": "Oslo"}
        result = types.Part.from_function_response(name="weather", response={"output": "7 degrees"})
        contents += [response.candidates[0].content, types.Content(role="user", parts=[result])]
        return self.client.models.generate_content(model=model, contents=contents, config=config).text

    def count(self, model):
        return self.client.models.count_tokens(model=model, contents="Say hello.").total_tokens


class Responses:
    """Responses."""

    def __init__(self, origin, key):
        self.client = openai.OpenAI(api_key=key, base_url=f"{origin}/v1", max_retries=0)

    def chat(self, model):
        response = self.client.responses.create(model=model, input="Say hello.")
        assert response.usage.total_tokens > 0 or model == AIMOCK
        return response.output_text

    def stream(self, model):
        with self.client.responses.stream(model=model, input="Say hello.") as stream:
            text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            assert stream.get_final_response().output_text == text
        return text

    def tools(self, model):
        tools = [{"type": "function", "name": "weather", "parameters": CITY, "strict": False}]
        items = [user("What is the weather?")]
        with self.client.responses.stream(model=model, input=items, tools=tools) as stream:
            stream.until_done()
            response = stream.get_final_response()
        (call,) = [item for item in response.output if item.type == "function_call"]
        assert json.loads(call.arguments) == {"city": "Oslo"}
        asked = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
        items += [asked, {"type": "function_call_output", "call_id": call.call_id, "output": "7 degrees"}]
        return self.client.responses.create(model=model, input=items, tools=tools).output_text

    def count(self, model):
        return self.client.responses.input_tokens.count(model=model, input="Say hello.").input_tokens


CLIENTS = {"anthropic": Anthropic, "google": Google, "responses": Responses}
ANSWERS = {"chat": HELLO, "stream": HELLO, "tools": TOOL_SAID}
# Of each failure the key, the model, the exceptions of Anthropic's and OpenAI's SDKs and the statuses of Google's.
FAILURES = {
    "wrong key": ("wrong", "gpt-4o", "AuthenticationError", 401),
    "model of others": ("narrow", "gpt-4o-mini", "PermissionDeniedError", 403),
    "no such model": ("good", "missing", "NotFoundError", 404),
    "bad request": ("good", "refusing", "BadRequestError", 400),
}


def user(content):
    return {"role": "user", "content": content}


@pytest.fixture(scope="module")
def stage():
    """A server with its stand-ins."""
    program = ["node", str(Path(__file__).parent / "stage.mjs"), *CLIENTS]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line, "stage.mjs printed nothing"
        yield json.loads(line)
        process.stdin.close()


def subject(stage, client, key):
    return CLIENTS[client](stage["base_url"].removesuffix("/v1"), stage["keys"][key])


@pytest.mark.parametrize("task", ANSWERS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_task_is_answered(stage, client, model, task):
    assert getattr(subject(stage, client, "good"), task)(model) == ANSWERS[task]


@pytest.mark.parametrize("client", CLIENTS)
def test_tokens_are_counted_without_a_charge(stage, client):
    assert subject(stage, client, "good").count("gpt-4o-mini") > 0


@pytest.mark.parametrize("task", ["chat", "stream"])
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_failure_is_the_own_exception(stage, client, failure, task):
    key, model, name, status = FAILURES[failure]
    with pytest.raises(Exception) as raised:
        getattr(subject(stage, client, key), task)(model)
    if client == "google":
        assert isinstance(raised.value, errors.ClientError) and raised.value.code == status
    else:
        own = anthropic if client == "anthropic" else openai
        assert type(raised.value) is getattr(own, name)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_spent_key_and_a_broken_upstream_are_told_apart(stage, client):
    statuses = {}
    for what, key, model in [("spent", "poor", "gpt-4o"), ("broken", "good", f"failing-{client}")]:
        with pytest.raises(Exception) as raised:
            subject(stage, client, key).chat(model)
        statuses[what] = getattr(raised.value, "status_code", None) or raised.value.code
    assert statuses["spent"] in (402, 429) and statuses["broken"] >= 500
