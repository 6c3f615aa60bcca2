"""A tenant's ledger in the form of C2SP tlog-tiles: checkpoint, tiles and entry bundles, and the keys to verify them.

It holds no content, only hashes. `api.publicLogs` makes it public, except for the ledgers of system tenants.

To its readers a transparency log is a set of files (c2sp.org/tlog-tiles, "APIs": "a finite set of static resources
which can be fetched with HTTP GET requests, and which can be efficiently cached"). So each file has one URL, in the one
spelling of "Merkle Tree" ("no additional leading zeroes", "zero-padded 3-digit path elements"), queries are ignored,
and each file has a validator. Entry bundles "SHOULD be compressed at the HTTP layer" ("Log entries"): ours are not.
They consist of hashes and lengths, and gzip saves half a percent of a full bundle.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, PathParameter

from trenova.api.auth import ACCESS, READERS, authenticate
from trenova.api.openapi import END, answers, problems
from trenova.api.public_ledgers import is_public
from trenova.api.query import QUERY_IGNORED
from trenova.api.services import Services
from trenova.errors import NotFound, VerificationError
from trenova.ledger import tiles
from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.tiles import ENTRIES, WIDTH, Tile
from trenova.runtime.http.byte_budget import Share
from trenova.store.ledgers import Ledgers

TEXT, BYTES = "text/plain", "application/octet-stream"
NO_LEDGER = "this tenant has no log"
# The content of a path never changes: a ledger only grows, and a partial tile that has grown has another path.
IMMUTABLE = "max-age=31536000, immutable"
# A client that waited until its entry was stored finds it in the checkpoint a second later at the latest.
ONE_SECOND = "max-age=1"
NOT_MODIFIED = 304


async def admit_reader(request: Request[Any, Any, Any], services: Services) -> Share:
    """Admit everyone to a public ledger and, to any other, keys that may read it. Returns whose share is used."""
    tenant = request.path_params["tenant"]
    if is_shown_to_everyone(services, tenant):
        return ("address", request.client.host if request.client else "")
    caller = await authenticate(request, services.lookups, READERS)
    caller.tenant_to_read(tenant)
    return caller.share


TenantName = Annotated[str, PathParameter(pattern=rf"^[A-Za-z0-9._-]{{1,128}}{END}", description="Whose log.")]


@get(
    "/v1/log/{tenant:str}/checkpoint",
    opt={ACCESS: admit_reader, QUERY_IGNORED: True},
    media_type=TEXT,
    summary="Read the log's newest checkpoint",
    responses={
        200: answers(str, "A C2SP signed note: origin, size, root hash, signatures", TEXT),
        **problems(400, 401, 403, 404, 429, 503),
    },
    tags=["log"],
)
async def read_checkpoint(
    tenant: TenantName, request: Request[Any, Share, Any], services: NamedDependency[Services]
) -> Response[bytes]:
    """Read the signed head of the log."""
    check_spelling(request, f"/v1/log/{tenant}/checkpoint")
    async with services.read_slots.slot(request.auth):
        signed = await services.store.ledgers.newest(tenant)
        if signed is None:
            raise NotFound(NO_LEDGER)
        note = await services.store.cosignatures.cosigned_note(tenant, signed.size)
    return file_response(
        request, note or signed.note, kind=TEXT, max_age=ONE_SECOND, is_public=is_shown_to_everyone(services, tenant)
    )


@get(
    "/v1/log/{tenant:str}/tile/{place:path}",
    opt={ACCESS: admit_reader, QUERY_IGNORED: True},
    media_type=BYTES,
    summary="Read a tile or an entry bundle",
    responses={
        200: answers(bytes, "32-byte hashes, joined; or the log entries, each after its length", BYTES),
        **problems(400, 401, 403, 404, 429, 503),
    },
    tags=["log"],
)
async def read_tile(
    tenant: TenantName, place: FromPath[Path], request: Request[Any, Share, Any], services: NamedDependency[Services]
) -> Response[bytes]:
    """Read `<level>/<index>[.p/<width>]`, or `entries/…` for the commitments themselves (c2sp.org/tlog-tiles)."""
    try:
        tile = tiles.parse(f"tile{place}")
    except VerificationError as error:
        raise NotFound(error.message) from None
    check_spelling(request, f"/v1/log/{tenant}/{tile.path}")
    ledgers = services.store.ledgers
    async with services.read_slots.slot(request.auth):
        content = await (
            read_bundle(ledgers, tenant, tile) if tile.level == ENTRIES else read_hashes(ledgers, tenant, tile)
        )
    if content is None:
        raise NotFound("the log has not reached this tile or its width yet")
    return file_response(
        request, content, kind=BYTES, max_age=IMMUTABLE, is_public=is_shown_to_everyone(services, tenant)
    )


@get(
    "/v1/tenants/{tenant:str}/key",
    opt={ACCESS: admit_reader},
    media_type=TEXT,
    summary="Read the keys that verify the log's checkpoints",
    responses={
        200: answers(str, "Verifier keys (C2SP signed-note), one per line, the log's own first", TEXT),
        **problems(400, 401, 403, 404, 503),
    },
    tags=["log"],
)
async def read_key(
    tenant: TenantName, request: Request[Any, Share, Any], services: NamedDependency[Services]
) -> Response[bytes]:
    """Read the tenant's verifier keys. Compare them with those that the log's owner sent you by another channel."""
    check_spelling(request, f"/v1/tenants/{tenant}/key")
    lines = [f"{key.text}\n" for key in services.ledger_keys.of(tenant)]
    return file_response(
        request,
        "".join(lines).encode(),
        kind=TEXT,
        max_age=ONE_SECOND,
        is_public=is_shown_to_everyone(services, tenant),
    )


def is_shown_to_everyone(services: Services, tenant: str) -> bool:
    return services.settings.api.public_logs and is_public(tenant)


def check_spelling(request: Request[Any, Any, Any], path: str) -> None:
    """Raise NotFound for every other spelling of the path that the router accepts: extra slashes, percent-encoding.

    Caches and archives would keep each spelling as a separate file.
    """
    if request.scope["raw_path"] != path.encode():
        raise NotFound(f"the address of this file is {path}")


def file_response(
    request: Request[Any, Any, Any], content: bytes, *, kind: str, max_age: str, is_public: bool
) -> Response[bytes]:
    """The content with its validator, or 304 if the client has it already (RFC 9110 §13.1.2)."""
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"{'public' if is_public else 'private'}, {max_age}"}
    if matches(request.headers.getall("if-none-match", []), tag):
        return Response(content=b"", status_code=NOT_MODIFIED, media_type=kind, headers=headers)
    return Response(content=content, media_type=kind, headers=headers)


def matches(headers: Sequence[str], tag: str) -> bool:
    """Whether a list of entity tags contains this one, by weak comparison."""
    tags = [each.strip().removeprefix("W/") for line in headers for each in line.split(",")]
    return tag in tags or "*" in tags


async def read_hashes(ledgers: Ledgers, tenant: str, tile: Tile) -> bytes | None:
    """The tile at the requested width, also if it has grown since; None while it has fewer hashes."""
    content = (await ledgers.tiles(tenant, [(tile.level, tile.index)])).get((tile.level, tile.index), b"")
    return content[: tile.width * HASH_BYTES] if len(content) >= tile.width * HASH_BYTES else None


async def read_bundle(ledgers: Ledgers, tenant: str, tile: Tile) -> bytes | None:
    commitments = await ledgers.commitments(tenant, tile.index * WIDTH, tile.width)
    return tiles.encode_bundle(commitments) if len(commitments) == tile.width else None
