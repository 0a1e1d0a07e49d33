"""Makes of what Schemathesis thinks up as good what the server's document says in words, where a schema cannot say it."""

import base64
import hashlib
import itertools
import json

import schemathesis


def digest(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def in_digits(value):
    """Whole numbers are written in digits alone; to JSON Schema 5.0 is a whole number too."""
    if isinstance(value, dict):
        return {name: in_digits(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [in_digits(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def begin(case):
    """A path ends in the file's name, there are no more digests than chunks, and most files fit where others do."""
    if isinstance(case.body, dict):
        if isinstance(case.body.get("size"), int) and case.body["size"] % 8:
            case.body["size"] %= 1 << 20
        name, path = case.body.get("name"), case.body.get("relativePath")
        if isinstance(name, str) and isinstance(path, str):
            case.body["relativePath"] = f"folder/{name}"
        case.body.pop("digests", None)
    name_anew(case)


def name_anew(case):
    """Of few keys most would be another request's; some are left as they are."""
    for name in case.headers or {}:
        if name.lower() == "idempotency-key" and next(count) % 4:
            case.headers[name] = f"key-{next(count)}"


def store(case):
    """A header has the JSON in base64, another the digest of the body."""
    body = case.body if isinstance(case.body, bytes) else str(case.body).encode()
    case.body = body
    told = json.dumps({"protocolVersion": 1, "name": "file", "size": len(body)})
    case.headers = {
        **(case.headers or {}),
        "Upload-Create": base64.b64encode(told.encode()).decode(),
        "Chunk-Digest": f"sha-256=:{digest(body)}:",
    }
    name_anew(case)


def seal(case):
    """The root of what has no chunk; uploads with chunks have another, and answer 409."""
    if isinstance(case.body, dict) and "root" in case.body:
        case.body["root"] = digest(b"")


GOOD = {
    "POST /v1/uploads": begin,
    "POST /v1/files": store,
    "POST /v1/uploads/{id}/seal": seal,
}


# What guests have begun, by its id, and the token that each was given for it.
tokens = {}
count = itertools.count()


@schemathesis.hook
def after_call(context, case, response):
    token = response.headers.get("upload-token")
    if token and response.status_code == 201:
        tokens[response.json()["id"]] = token[0]


@schemathesis.hook
def before_call(context, case, **kwargs):
    if isinstance(case.body, (dict, list)):
        case.body = in_digits(case.body)
    token = tokens.get((case.path_parameters or {}).get("id"))
    if token:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
    make_good = GOOD.get(case.operation.label)
    if make_good and case.meta and case.meta.generation.mode.is_positive:
        make_good(case)
