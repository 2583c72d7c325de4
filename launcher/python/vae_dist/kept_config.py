"""Reads the config.yaml of checkpoints from before there was a config.json: what vae_dist itself writes, not YAML in general."""
import re
from typing import Any

_TOKEN = re.compile(r'\s*(?:([][{},:])|"((?:[^"\\]|\\.)*)"|([^][{},:"\s](?:[^][{},:"]|:(?!\s))*))')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def _plain(text: str) -> Any:
    """A scalar without quotes, as the core schema of YAML 1.2 reads it."""
    if text in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[text]
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _quoted(text: str) -> str:
    return re.sub(r"\\(?:x([0-9a-f]{2})|(.))", lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


class _Value:
    """What stands behind a key: a scalar, [a, b] or {name: a}, nested as deep as you like."""

    def __init__(self, text: str):
        self._tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise ValueError(f"config.yaml: {text!r} is nothing that vae_dist writes")
            self._tokens.append(found)
            at = found.end()
        self._at = 0
        self.value = self._read()
        if self._at != len(self._tokens):
            raise ValueError(f"config.yaml: {text!r} is nothing that vae_dist writes")

    def _mark(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self) -> "re.Match[str]":
        self._at += 1
        return self._tokens[self._at - 1]

    def _read(self) -> Any:
        token = self._take()
        if token[1] is None:
            return _quoted(token[2]) if token[2] is not None else _plain(token[3].strip())
        closing, items, names = {"[": "]", "{": "}"}[token[1]], [], []
        while self._mark() != closing:
            if closing == "}":
                names.append(self._read())
                self._take()  # the colon
            items.append(self._read())
            if self._mark() == ",":
                self._take()
        self._take()
        return dict(zip(names, items)) if closing == "}" else items


def parse_kept_config(text: str) -> dict[str, Any]:
    """The configuration as nested dicts, as config.json has it. Raises ValueError for lines that the program does not write."""
    root: dict[str, Any] = {}
    sections = [root]
    # Not splitlines(): a text may hold other characters that Python takes for ends of lines.
    for line in text.removesuffix("\n").split("\n"):
        found = re.fullmatch(r"((?:  )*)(\w+):(?: (.*))?", line)
        if not found or len(found[1]) // 2 >= len(sections):
            raise ValueError(f"config.yaml: {line!r} is nothing that vae_dist writes")
        del sections[len(found[1]) // 2 + 1 :]
        if found[3] is None:
            sections[-1][found[2]] = {}
            sections.append(sections[-1][found[2]])
        else:
            try:
                sections[-1][found[2]] = _Value(found[3]).value
            except (IndexError, KeyError):
                raise ValueError(f"config.yaml: {line!r} is nothing that vae_dist writes") from None
    return root
