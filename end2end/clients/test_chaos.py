"""Accounts that fail by chance, behind the real server, under the SDK with its retries off: nothing of it is seen.

A stream that breaks off after content cannot be taken over by another account: it ends in an exception of the SDK, never in half an answer
that looks whole.
"""

import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

# Two that fail by chance, and one that is well.
CHAOS = [
    ["--error-rate", "429=0.2", "--error-rate", "500=0.1", "--stream-fault", "truncate=0.1"],
    ["--error-rate", "429=0.2", "--error-rate", "503=0.1", "--stream-fault", "disconnect=0.1"],
    [],
]
# What no client of a provider may do.
FORBIDDEN = {"retry_after_ignored", "retried_non_retryable", "retry_storm"}
REQUESTS = 60
AT_ONCE = 8


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(port):
    """A connection that says nothing: a request could be one of those that fail, and then count as ours."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def storm():
    """A client of the server, and the addresses of llmock."""
    ports = [free_port() for _ in CHAOS]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    mocks = [
        subprocess.Popen(["llmock", "serve", "--port", str(port), "--log-level", "error", *chaos], stdout=subprocess.DEVNULL)
        for port, chaos in zip(ports, CHAOS)
    ]
    try:
        for port in ports:
            wait_for(port)
        program = ["node", str(Path(__file__).parent / "chaos.mjs"), *urls]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stage:
            line = stage.stdout.readline()
            assert line, "chaos.mjs printed nothing"
            facts = json.loads(line)
            yield openai.OpenAI(api_key=facts["key"], base_url=facts["base_url"], max_retries=0), urls
            stage.stdin.close()
            try:
                stage.wait(30)
            except subprocess.TimeoutExpired:
                stage.kill()
    finally:
        for mock in mocks:
            mock.terminate()
            mock.wait()


def ask_often(ask):
    """What came of many requests, some at once: answers, and exceptions in their place."""

    def one(number):
        try:
            return ask(number)
        except openai.APIError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(REQUESTS)))


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4o"])
def test_no_failure_of_an_account_is_seen(storm, model):
    client, _ = storm

    def ask(number):
        messages = [{"role": "user", "content": f"Say hello. {number}"}]
        return client.chat.completions.create(model=model, messages=messages).choices[0].message.content

    answers = ask_often(ask)
    assert [answer for answer in answers if not isinstance(answer, str) or not answer] == []


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4o"])
def test_a_stream_is_whole_or_says_that_it_broke_off(storm, model):
    client, _ = storm

    def ask(number):
        messages = [{"role": "user", "content": f"Say hello once more. {number}"}]
        text, finish = "", None
        for chunk in client.chat.completions.create(model=model, messages=messages, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
        return text, finish

    ends = ask_often(ask)
    broken = [end for end in ends if isinstance(end, openai.APIError)]
    assert all("broke off" in str(error) for error in broken), broken
    assert len(broken) < REQUESTS / 4
    whole = [end for end in ends if not isinstance(end, openai.APIError)]
    assert [end for end in whole if not end[0] or end[1] is None] == []


def test_the_accounts_find_nothing_wrong_with_their_client(storm):
    _, urls = storm
    for url in urls:
        told = subprocess.run(["llmock", "report", "--url", url, "--json"], capture_output=True, text=True, check=False)
        found = {finding["code"] for finding in json.loads(told.stdout)["findings"]}
        assert not found & FORBIDDEN, told.stdout
