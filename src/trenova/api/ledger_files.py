"""A tenant's log as C2SP tlog-tiles has it: checkpoint, tiles and entry bundles, and the keys to check them with.

It holds no content: hashes alone. `api.publicLogs` shows it to anybody, but for the logs of the system's own tenants.

To its readers a log is a set of files (c2sp.org/tlog-tiles, "APIs": "a finite set of static resources which can be
fetched with HTTP GET requests, and which can be efficiently cached"). So each file has one URL, in the one spelling of
"Merkle Tree" ("no additional leading zeroes", "zero-padded 3-digit path elements"), queries mean nothing, and each file
has a validator. Entry bundles "SHOULD be compressed at the HTTP layer" ("Log entries"): ours are not. They are
hashes and lengths, and gzip takes half a percent off a full bundle.
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
NO_LEDGER = "no log of this tenant"
# What a path names never changes: a log only grows, and a partial tile that has grown has another path.
IMMUTABLE = "max-age=31536000, immutable"
# Whoever waited until an entry is stored finds it in the log a second later at the latest.
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
    """Read what the log says of itself now."""
    check_spelling(request, f"/v1/log/{tenant}/checkpoint")
    async with services.reads.turn(request.auth):
        signed = await services.store.ledgers.newest(tenant)
        if signed is None:
            raise NotFound(NO_LEDGER)
        note = await services.store.cosignatures.cosigned(tenant, signed.size)
    return file_response(
        request, note or signed.note, kind=TEXT, kept=ONE_SECOND, open_=is_shown_to_everyone(services, tenant)
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
    logs = services.store.ledgers
    async with services.reads.turn(request.auth):
        content = await (read_bundle(logs, tenant, tile) if tile.level == ENTRIES else read_hashes(logs, tenant, tile))
    if content is None:
        raise NotFound("the log has not reached this tile, or not its width")
    return file_response(request, content, kind=BYTES, kept=IMMUTABLE, open_=is_shown_to_everyone(services, tenant))


@get(
    "/v1/tenants/{tenant:str}/key",
    opt={ACCESS: admit_reader},
    media_type=TEXT,
    summary="Read the keys that verify the log's checkpoints",
    responses={
        200: answers(str, "Verifier keys (C2SP signed-note), one a line, the log's own first", TEXT),
        **problems(400, 401, 403, 404, 503),
    },
    tags=["log"],
)
async def read_key(
    tenant: TenantName, request: Request[Any, Share, Any], services: NamedDependency[Services]
) -> Response[bytes]:
    """Read the tenant's verifier keys. Compare them with what the log's owner has told you over another channel."""
    check_spelling(request, f"/v1/tenants/{tenant}/key")
    lines = [f"{key.text}\n" for key in services.log_keys.of(tenant)]
    return file_response(
        request, "".join(lines).encode(), kind=TEXT, kept=ONE_SECOND, open_=is_shown_to_everyone(services, tenant)
    )


def is_shown_to_everyone(services: Services, tenant: str) -> bool:
    return services.settings.api.public_logs and is_public(tenant)


def check_spelling(request: Request[Any, Any, Any], path: str) -> None:
    """Refuse every other spelling of the path that the router takes: final and double slashes, percent signs.

    Caches and archives would keep each as a file of its own.
    """
    if request.scope["raw_path"] != path.encode():
        raise NotFound(f"this file has one address: {path}")


def file_response(
    request: Request[Any, Any, Any], content: bytes, *, kind: str, kept: str, open_: bool
) -> Response[bytes]:
    """The content with its validator, or that it is still what the caller has (RFC 9110 §13.1.2)."""
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"{'public' if open_ else 'private'}, {kept}"}
    if matches(request.headers.getall("if-none-match", []), tag):
        return Response(content=b"", status_code=NOT_MODIFIED, media_type=kind, headers=headers)
    return Response(content=content, media_type=kind, headers=headers)


def matches(known: Sequence[str], tag: str) -> bool:
    """Whether a list of entity tags names this one. Weak ones count, as the comparison is to be a weak one."""
    tags = [each.strip().removeprefix("W/") for line in known for each in line.split(",")]
    return tag in tags or "*" in tags


async def read_hashes(logs: Ledgers, tenant: str, tile: Tile) -> bytes | None:
    """The tile at the width asked for, also when it has grown since; None while it has not so many hashes."""
    found = (await logs.tiles(tenant, [(tile.level, tile.index)])).get((tile.level, tile.index), b"")
    return found[: tile.width * HASH_BYTES] if len(found) >= tile.width * HASH_BYTES else None


async def read_bundle(logs: Ledgers, tenant: str, tile: Tile) -> bytes | None:
    found = await logs.commitments(tenant, tile.index * WIDTH, tile.width)
    return tiles.encode_bundle(found) if len(found) == tile.width else None
