"""Logging in and out in a browser: the same OAuth as for programs, with a cookie at its end that no script can read."""

import base64
import hashlib
import re
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from novamind.infrastructure.identity.secrets import new_secret
from novamind.infrastructure.identity.sessions import GrantError
from novamind.server.builtin_client import BUILTIN_CLIENT, CALLBACK
from novamind.server.container import Container
from novamind.server.dashboard.rendering import home_of, page
from novamind.server.dependencies import Caller, ContainerDep
from novamind.server.middleware import cookie_name

#: For the guard.
PATHS: Final = frozenset({"/login", CALLBACK})
_OWN_PAGE: Final = re.compile(r"/(patients|populations|users|account)(/[a-z0-9-]+)*")
_LOGIN_SECONDS: Final = 600

routes = APIRouter(include_in_schema=False)


@routes.get("/")
async def home(caller: Caller) -> RedirectResponse:
    """Redirect to the first page of the caller."""
    return RedirectResponse(home_of(caller), 303)


@routes.get("/login")
async def begin(container: ContainerDep, to: Annotated[str, Query(max_length=200)] = "/") -> RedirectResponse:
    """Redirect to the login page; the verifier waits in a cookie of this browser, so that no other login fits here."""
    verifier = new_secret()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": str(BUILTIN_CLIENT),
        "redirect_uri": container.settings.public_url + CALLBACK,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = RedirectResponse(f"/oauth/authorize?{urlencode(asked)}", 303)
    _set(answer, container, _waiting(container), f"{verifier}:{to if _OWN_PAGE.fullmatch(to) else '/'}", _LOGIN_SECONDS)
    return answer


@routes.get(CALLBACK)
async def finish(
    request: Request, container: ContainerDep, code: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Exchange the code of the login page for the browser's cookie."""
    verifier, _, to = request.cookies.get(_waiting(container), "").partition(":")
    try:
        cookie = await container.identity.sessions.exchange_code_for_cookie(
            BUILTIN_CLIENT, code, verifier, container.settings.public_url + CALLBACK
        )
    except GrantError:
        shown = {"title": "This login is no longer valid", "detail": "Log in again.", "errors": (), "login": True}
        return page(request, "error.html", shown, 400)
    answer = RedirectResponse(to if _OWN_PAGE.fullmatch(to) else "/", 303)
    _set(answer, container, cookie_name(container.settings), cookie, container.settings.session_seconds)
    _set(answer, container, _waiting(container), "", 0)
    return answer


@routes.post("/logout")
async def leave(request: Request, container: ContainerDep, caller: Caller) -> Response:
    """End the session, at once and everywhere."""
    await container.identity.sessions.end(caller)
    request.state.principal = None
    answer = page(request, "logged_out.html", {})
    _set(answer, container, cookie_name(container.settings), "", 0)
    return answer


def _waiting(container: Container) -> str:
    return f"{cookie_name(container.settings)}-login"


def _set(answer: Response, container: Container, name: str, value: str, seconds: int) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=container.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )
