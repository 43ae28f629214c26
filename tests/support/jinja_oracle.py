#!/usr/bin/env python3
"""Renders templates with Jinja itself, set up as the transformers library does for chat templates.

Reads one JSON object a line, {"template": TEXT, "context": {...}}, and writes {"text": TEXT} or {"error": MESSAGE}.
strftime_now() always tells 2026-11-21 09:05:07.
"""
import datetime
import functools
import json
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2026, 11, 21, 9, 5, 7)


class Generation(jinja2.ext.Extension):
    """{% generation %} marks what the assistant has said; the text is the same."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def main():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    compiled = functools.lru_cache(maxsize=None)(env.from_string)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"text": compiled(request["template"]).render(**request["context"])}
        except Exception as error:  # Whatever Python raises is the template's fault.
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")


main()
