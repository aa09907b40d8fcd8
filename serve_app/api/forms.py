"""Files in multipart/form-data: read by Starlette, which keeps what is long on the disk, under limits of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

from deployments.core.errors import BadInput, TooSlow

_MAX_FILES = 2
"""The sound, and what is said in it: users of Rhubarb have that in a file."""
_MAX_FIELDS = 16
_MAX_FIELD_BYTES = 32_768
"""5000 characters of four bytes, and room."""
_SILENT_S = 30.0
"""Without a byte. A line that stalls comes back within seconds; who does not keeps others from their turn."""
_TYPE = "multipart/form-data"


@dataclass(frozen=True)
class Form:
    """One file, and the fields beside it, whose text may have come as a file, too."""

    file: UploadFile
    fields: dict[str, str]


def is_form(request: Request) -> bool:
    """Whether its body says that it is one."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _TYPE


@asynccontextmanager
async def form_of(request: Request, name: str = "file", silent_s: float = _SILENT_S) -> AsyncIterator[Form]:
    """The form of a request; its files are gone behind the block.

    Args:
        request: whose body was not read yet.
        name: of the field with the file.
        silent_s: how long the body may stop coming.

    Raises:
        BadInput: it is no such form, or has no such file.
        TooSlow
    """
    if not is_form(request):
        raise BadInput(f"The body is to be {_TYPE} with a field {name}.", hint=_hint(request, name))
    try:
        body = Request(request.scope, _impatient(request.receive, silent_s))
        async with body.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES) as form:
            file = form.get(name)
            if not isinstance(file, UploadFile):
                raise BadInput(f"{name}: there is no file of that name in the form.", hint=_hint(request, name))
            yield Form(file, await _fields(form, name))
    except (HTTPException, MultiPartException) as error:
        raise BadInput(
            f"The form cannot be read: {getattr(error, 'detail', error)}", hint=_hint(request, name)
        ) from error


async def _fields(form: FormData, file_name: str) -> dict[str, str]:
    if twice := [key for key in form if len(form.getlist(key)) > 1]:
        raise BadInput(f"{twice[0][:100]}: it is in the form more than once.", hint="Send each field once.")
    fields = {key: value for key, value in form.items() if key != file_name}
    return {key: value if isinstance(value, str) else await _text(key, value) for key, value in fields.items()}


async def _text(key: str, file: UploadFile) -> str:
    content = await file.read(_MAX_FIELD_BYTES + 1)
    try:
        if len(content) <= _MAX_FIELD_BYTES:
            return content.decode("utf-8-sig")  # some editors begin with a mark
    except UnicodeDecodeError:
        pass
    raise BadInput(
        f"{key[:100]}: this file is no text that a field may hold.", hint=f"UTF-8 of at most {_MAX_FIELD_BYTES} bytes."
    )


def _impatient(receive: Receive, silent_s: float) -> Receive:
    async def next_part() -> Message:
        try:
            async with asyncio.timeout(silent_s):
                return await receive()
        except TimeoutError:
            raise TooSlow(f"Nothing of the body came for {silent_s:g} s.", hint="Send it again.") from None

    return next_part


def _hint(request: Request, name: str) -> str:
    sent = "portrait.jpg" if request.url.path.endswith("/image") else "recording.wav"
    return f"As in: curl -F {name}=@{sent} {request.url.replace(query='')}"


def form_body(name: str, fields: dict[str, Any], required: bool = True) -> dict[str, Any]:
    """How the documentation shows such a form (openapi_extra).

    Args:
        name: of the field with the file.
        fields: JSON schemas of the others.
        required: whether the file has to be there.
    """
    properties = {name: {"type": "string", "format": "binary"}, **fields}
    schema = {"type": "object", "properties": properties, "required": [name] if required else []}
    return {"requestBody": {"required": True, "content": {_TYPE: {"schema": schema}}}}
