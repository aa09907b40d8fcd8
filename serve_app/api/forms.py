"""Files in multipart/form-data: read by Starlette, which keeps what is long on the disk, under limits of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from deployments.core.errors import BadInput

_MAX_FIELDS = 16
_MAX_FIELD_BYTES = 32_768
"""5000 characters of four bytes, and room."""
_TYPE = "multipart/form-data"


@dataclass(frozen=True)
class Form:
    """One file, and the fields beside it."""

    file: UploadFile
    fields: dict[str, str]


@asynccontextmanager
async def form_of(request: Request, name: str = "file") -> AsyncIterator[Form]:
    """The form of a request; its files are gone behind the block.

    Args:
        request: whose body was not read yet.
        name: of the field with the file.

    Raises:
        BadInput: it is no such form, or has no such file.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise BadInput(f"The body is to be {_TYPE} with a field {name}.", hint=_hint(request, name))
    try:
        async with request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES) as form:
            file = form.get(name)
            if not isinstance(file, UploadFile):
                raise BadInput(f"{name}: there is no file of that name in the form.", hint=_hint(request, name))
            fields = {key: value for key, value in form.multi_items() if isinstance(value, str)}
            yield Form(file, fields)
    except (HTTPException, MultiPartException) as error:
        raise BadInput(
            f"The form cannot be read: {getattr(error, 'detail', error)}", hint=_hint(request, name)
        ) from error


def _hint(request: Request, name: str) -> str:
    return f"As in: curl -F {name}=@recording.wav {request.url.replace(query='')}"


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
