"""msgspec's errors as a JSON Pointer and a sentence for the client that sent the entry."""

import re

import msgspec

WHERE = re.compile(r" - at `\$(?P<path>.*)`$")
STEP = re.compile(r"\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\[(?P<position>\d+)\]|(?P<any>\[\.\.\.\])")
FIELD_PROBLEM = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)

TYPES = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "uuid": "a UUID",
    "datetime": "a time",
}
SENTENCES = {
    "Integer value out of range": "holds an integer beyond 64 bits; send it as a string",
    "Expected a time with a timezone component": "expected a time with an offset, such as 2026-01-31T09:30:00Z",
}
PATTERN_RULES = {
    "/action": "must be dotted lower-case words such as shipment.update, at most 200 characters",
    "/tenant": "must be 1 to 128 of the characters A-Z a-z 0-9 . _ -, no dot first or last",
}


def field_and_problem(message: str) -> tuple[str, str]:
    """The field (a JSON Pointer, empty for the entry itself) and what is wrong with it."""
    where = WHERE.search(message)
    field = json_pointer(where["path"]) if where else ""
    text = message[: where.start()] if where else message
    if match := FIELD_PROBLEM.match(text):
        missing = match["what"].startswith("missing")
        return f"{field}/{escape_pointer(match['name'])}", "is required" if missing else "is not a field of an entry"
    if "matching regex" in text and field in PATTERN_RULES:
        return field, PATTERN_RULES[field]
    return field, plain_words(text)


def syntax_problem(error: msgspec.DecodeError) -> str:
    """Where and why a text is not JSON."""
    text = str(error).removeprefix("JSON is malformed: ")
    if text == "Input data was truncated":
        # msgspec reports an unpaired escaped surrogate in the same way.
        return "it ends too early, or a string holds half a surrogate pair"
    return text[:1].lower() + text[1:]


def json_pointer(path: str) -> str:
    """`.changes[0].op` as `/changes/0/op`. Ends where msgspec does not name the key of a free-form object (`[...]`)."""
    pointer = ""
    for step in STEP.finditer(path):
        if step["any"]:
            break
        pointer += "/" + (escape_pointer(step["name"]) if step["name"] else step["position"])
    return pointer


def plain_words(text: str) -> str:
    text = TYPES.sub(lambda types: " or ".join(WORDS.get(each, each) for each in types[1].split(" | ")), text)
    return SENTENCES.get(text, text[:1].lower() + text[1:])


def escape_pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
