"""The tools of a host in a conversation through the official Python SDK of OpenAI, with a model that is played here: it asks for
what it is told to. Prints what came of it as one JSON object; tests/it/clients.rs says what it must be.

Use: openai_sdk.py DATA_DIRECTORY
"""

import http.server
import json
import pathlib
import sys
import threading

import openai

MODEL = "played"


class Played(http.server.BaseHTTPRequestHandler):
    """A model behind the Chat Completions API: it calls the tools that the last message of the user has as JSON, and then says
    what they answered."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last = request["messages"][-1]
        if last["role"] == "tool":
            message = {"role": "assistant", "content": last["content"]}
        else:
            calls = [
                {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
                for at, (name, arguments) in enumerate(json.loads(last["content"]))
            ]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        head = {"id": "c", "created": 1, "model": MODEL}
        if request.get("stream"):
            self.answer("text/event-stream", self.events(head, message, reason))
            return
        choice = {"index": 0, "message": message, "finish_reason": reason}
        self.answer("application/json", json.dumps({**head, "object": "chat.completion", "choices": [choice]}))

    def events(self, head, message, reason):
        """The message in small parts, as models stream it."""
        deltas = [{"role": "assistant"}]
        for at, call in enumerate(message.get("tool_calls") or []):
            function = {"name": call["function"]["name"], "arguments": ""}
            deltas.append({"tool_calls": [{"index": at, "id": call["id"], "type": "function", "function": function}]})
            for sign in call["function"]["arguments"]:
                deltas.append({"tool_calls": [{"index": at, "function": {"arguments": sign}}]})
        deltas += [{"content": word} for word in (message["content"] or "").split(" ")]
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": reason})
        events = [json.dumps({**head, "object": "chat.completion.chunk", "choices": [choice]}) for choice in choices]
        return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])

    def answer(self, kind, text):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(text.encode())


def played():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Played)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", max_retries=0)


class Host:
    """The host as the same SDK reaches it, whose errors are the SDK's."""

    def __init__(self, url, token):
        self.client = openai.OpenAI(base_url=f"{url}/openai", api_key=token, max_retries=0)

    def tools(self, query=""):
        return self.client.get(f"/tools{query}", cast_to=object)["tools"]

    def answers(self, message, query="", key=None):
        headers = {"idempotency-key": key} if key else {}
        body = message if isinstance(message, dict) else message.model_dump()
        return self.client.post(
            f"/calls{query}", body=body, cast_to=object, options={"headers": headers}
        )["messages"]


def conversation(model, host, tools, calls, query="", stream=False):
    """One question, the calls it leads to, and what is said in the end."""
    messages = [{"role": "user", "content": json.dumps(calls)}]
    if stream:
        # The SDK puts the parts of the calls together again.
        with model.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = model.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
    answers = host.answers(message, query)
    messages = [*messages, message.model_dump(exclude_none=True), *answers]
    said = model.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message.content
    return {"answers": answers, "said": json.loads(said)}


def refused(ask):
    """The SDK's name for a refusal, with what the host said."""
    try:
        return {"came": ask()}
    except openai.APIStatusError as error:
        body = error.body or {}
        return {
            "raised": type(error).__name__,
            "status": error.status_code,
            "code": body.get("code"),
            "said": body.get("message") or body.get("detail"),
        }


def main(data):
    url = json.loads(pathlib.Path(data, "host.json").read_text())["url"]
    token = pathlib.Path(data, "operator.token").read_text().strip()
    model, host = played(), Host(url, token)
    came = {}
    tools = host.tools("?names=text.count,git.log,test.moods")
    came["tools"] = tools
    came["all"] = sorted(tool["function"]["name"] for tool in host.tools())
    came["strict"] = sorted(tool["function"]["name"] for tool in tools if tool["function"]["strict"])
    two = [["text__count", '{"text": "one two three"}'], ["git__log", '{"revision": null}']]
    came["plain"] = conversation(model, host, tools, two, "?workspace=site")
    came["streamed"] = conversation(model, host, tools, two[:1], stream=True)
    # The SDK parses only what is held to a strict schema, and refuses other tools.
    parsed = model.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": json.dumps(two[:1])}], tools=tools
    )
    came["parsed"] = parsed.choices[0].message.tool_calls[0].function.parsed_arguments
    bad = [
        ["text__count", '{"txt": 1}'],
        ["text__count", '{"text": '],
        ["no__such", "{}"],
        ["test__moods", '{"mood": "lies"}'],
        ["git__log", "{}"],
    ]
    came["bad"] = conversation(model, host, tools, bad)["answers"]
    came["none"] = host.answers({"role": "assistant", "content": "Hello.", "tool_calls": None})
    came["refused"] = {
        "no token": refused(lambda: Host(url, "wrong").tools()),
        "no such tool": refused(lambda: host.tools("?names=no.such")),
        "no calls": refused(lambda: host.answers({"content": "Hello."})),
        "no such path": refused(lambda: host.client.get("/models", cast_to=object)),
        "too many calls": refused(lambda: host.answers({"tool_calls": [{}] * 129})),
    }
    wrong = [refused(lambda: Host(url, "wrong").tools()) for _ in range(21)]
    came["guessed"] = {"raised": wrong[-1]["raised"], "status": wrong[-1]["status"], "code": wrong[-1]["code"]}
    print(json.dumps(came))


main(*sys.argv[1:])
