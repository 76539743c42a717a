#!/usr/bin/env python3
"""A tool: one line of JSON in, lines of JSON out; it ends with one result or one error."""

import json
import sys


def say(kind, **line):
    print(json.dumps({"type": kind, **line}), flush=True)


call = json.loads(sys.stdin.readline())
text = call["input"].get("text")
if not isinstance(text, str):
    say("error", **{"class": "invalid", "message": "text is missing"})
    sys.exit(1)
say("log", level="debug", text="counting for run " + call["host"]["run"])
say("result", value={"words": len(text.split()), "characters": len(text)})
