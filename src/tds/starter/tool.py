#!/usr/bin/env python3
"""A tool: one line of JSON in, lines of JSON out, one object with one key a line."""

import json
import sys


def say(**line):
    print(json.dumps(line), flush=True)


call = json.loads(sys.stdin.readline())
text = call["input"].get("text")
if not isinstance(text, str):
    say(error={"class": "invalid", "message": "text is missing"})
    sys.exit(1)
say(log={"level": "debug", "text": "counting for run " + call["host"]["run"]})
say(result={"words": len(text.split()), "characters": len(text)})
