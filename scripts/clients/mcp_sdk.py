"""A host through the official Python SDK of the Model Context Protocol: over HTTP and over a pipe, in the older revision and in
the newer. Prints what came of it as one JSON object; tests/it/clients.rs says what it must be.

Use: mcp_sdk.py SYZYGY DATA_DIRECTORY
"""

import asyncio
import json
import pathlib
import sys

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

# The handshake of 2025-11-25, and the revision that has none.
MODES = {"legacy": "legacy", "modern": "2026-07-28"}


def told(result):
    """What a call came to: its value, or the class and the words of its failure."""
    text = " ".join(block.text for block in result.content)
    if result.is_error:
        return {"class": result.meta["syzygy/class"], "said": text}
    return {"value": result.structured_content}


async def tour(client):
    """Everything that is asked of the host in one session."""
    came = {}
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    came["tools"] = sorted(tools)
    came["schema"] = tools["text.count"].input_schema
    came["read_only"] = {name: tools[name].annotations.read_only_hint for name in ("text.count", "git.clone")}
    came["resources"] = len((await client.list_resources()).resources)
    came["prompts"] = len((await client.list_prompts()).prompts)
    calls = {
        "good": ("text.count", {"text": "one two three"}),
        "wrong": ("text.count", {"txt": "one"}),
        "lies": ("test.moods", {"mood": "lies"}),
        "half": ("test.moods", {"mood": "half"}),
        "refuses": ("test.moods", {"mood": "refuses"}),
        "git": ("git.log", {}),
    }
    for name, (tool, arguments) in calls.items():
        came[name] = told(await client.call_tool(tool, arguments))
    if "value" in came["git"]:
        came["git"] = [commit["subject"] for commit in came["git"]["value"]["commits"]]
    try:
        came["unknown"] = told(await client.call_tool("no.such", {}))
    except MCPError as error:
        came["unknown"] = {"code": error.error.code, "said": error.error.message}
    pieces = []

    async def heard(progress, total, message):
        pieces.append([progress, total, message])

    came["streamed"] = told(await client.call_tool("test.moods", {"mood": "pieces"}, progress_callback=heard))
    came["pieces"] = pieces
    return came


async def over_http(url, token, mode):
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            return await tour(client)


async def over_a_pipe(program, data, more, mode):
    server = StdioServerParameters(command=program, args=["mcp", "--data-dir", data, *more])
    async with Client(server, mode=mode) as client:
        return await tour(client)


async def main(program, data):
    url = json.loads(pathlib.Path(data, "host.json").read_text())["url"]
    token = pathlib.Path(data, "operator.token").read_text().strip()
    came = {}
    for name, mode in MODES.items():
        came[f"http {name}"] = await over_http(f"{url}/mcp?workspace=site", token, mode)
        came[f"pipe {name}"] = await over_a_pipe(program, data, ["--workspace", "site"], mode)
    print(json.dumps(came))


asyncio.run(main(*sys.argv[1:]))
