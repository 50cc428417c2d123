"""How an answer that may be kept is given: an ETag of its bytes, 304 for whoever has them already."""

from __future__ import annotations

import json
from typing import Any

from flask import Request, Response

ASK_ANEW = "max-age=0, must-revalidate"


def kept(request: Request, body: str | bytes, media_type: str, *, vary: str = "") -> Response:
    """The answer 200 with an ETag, or 304 where the caller has these bytes already."""
    answer = Response(body, content_type=media_type)
    answer.headers["Cache-Control"] = ASK_ANEW
    if vary:
        answer.headers["Vary"] = vary
    answer.add_etag()
    answer.make_conditional(request)
    return answer


def kept_json(
    request: Request, data: Any, media_type: str = "application/json", *, vary: str = ""
) -> Response:
    """The same for data."""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return kept(request, body, media_type, vary=vary)
