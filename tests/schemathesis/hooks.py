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
    """A path ends in the file's name, there are no more digests than chunks, most files fit where others do and have
    a chunk."""
    if isinstance(case.body, dict):
        if isinstance(case.body.get("size"), int) and case.body["size"] % 8:
            case.body["size"] %= 1 << 20
        if case.body.get("size") == 0 and next(count) % 4:
            case.body["size"] = 1 + next(count)
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


def only_chunk(case):
    """All of what an upload of one chunk that was begun here is to have; nothing where it is none."""
    size, chunk_size = begun.get((case.path_parameters or {}).get("id"), (0, 0))
    return bytes(size) if size <= chunk_size else b""


def send(case):
    """Most requests have the chunk that the upload lacks."""
    body = only_chunk(case)
    if body and next(count) % 4:
        case.body = body
        case.headers = {"Chunk-Index": "0", "Chunk-Digest": f"sha-256=:{digest(body)}:"}


def seal(case):
    """The root of what has no chunk or one; uploads with more have another, and answer 409."""
    if isinstance(case.body, dict) and "root" in case.body:
        body = only_chunk(case)
        case.body["root"] = digest(hashlib.sha256(body).digest() if body else b"")


def condition(case):
    """Most tags and times are another file's; some are left as they are."""
    if next(count) % 4:
        headers = case.headers or {}
        case.headers = {name: headers[name] for name in headers if not name.lower().startswith("if-")}


GOOD = {
    "POST /v1/uploads": begin,
    "POST /v1/files": store,
    "POST /v1/uploads/{id}/chunks": send,
    "POST /v1/uploads/{id}/seal": seal,
    "GET /v1/uploads/{id}/content": condition,
    "HEAD /v1/uploads/{id}/content": condition,
    "GET /v1/files/{id}": condition,
    "HEAD /v1/files/{id}": condition,
    "DELETE /v1/files/{id}": condition,
}


# What was begun, by its id: how long it is, and its chunks.
begun = {}
# The token that a guest was given for what he has begun, by its id.
tokens = {}
count = itertools.count()


@schemathesis.hook
def after_call(context, case, response):
    if case.operation.label == "POST /v1/uploads" and response.status_code == 201:
        upload = response.json()
        begun[upload["id"]] = upload["size"], upload["chunkSize"]
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
