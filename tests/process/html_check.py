"""A strict HTML reader that records unclosed or wrongly nested elements and duplicate attributes."""
from html.parser import HTMLParser

# https://html.spec.whatwg.org/multipage/syntax.html#void-elements
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Document(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.problems, self.elements, self.ids, self.text, self.scripts = [], [], [], [], [], []
        self.feed(text)
        self.close()
        if self.open:
            self.problems.append(f"never closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if len({name for name, _ in attributes}) != len(attributes):
            self.problems.append(f"<{tag}> has an attribute twice at {self.getpos()}")
        if "id" in dict(attributes):
            self.ids.append(dict(attributes)["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        # Only SVG and MathML have self-closing elements.
        self.elements.append((tag, dict(attributes)))
        if "svg" not in self.open and "math" not in self.open:
            self.problems.append(f"<{tag}/> at {self.getpos()}")

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> at {self.getpos()} closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self):
        return " ".join(" ".join(self.text).split())
